// After every block: do the tables hold what was answered, and nothing that must not be? A block with one wrong row
// counts for nothing.
import { contradictionText, findContradictions } from "@holdfast/db/invariants";
import type pg from "pg";
import type { Answers } from "./load-generator/answers.ts";

/** Faults of one kind that are shown. */
const SHOWN_MAX = 5;

/** What is wrong, in words. Empty when all is well. */
export async function findFaults(pool: pg.Pool, answers: Answers): Promise<string[]> {
  const faults = faultsOfAnswers(answers);
  await pool.query("ANALYZE"); // what follows joins whole tables
  const contradictions = await findContradictions(pool, { atRest: true });
  faults.push(...contradictions.slice(0, SHOWN_MAX).map(contradictionText));
  return faults;
}

/** Whatever was sent is answered, with a status that is right for it. */
export function faultsOfAnswers({ kinds, odd, oddBody, errors }: Answers): string[] {
  const faults: string[] = [];
  if (odd > 0) faults.push(`${odd} answers had a status that is not right for what was asked`);
  if (oddBody !== null) faults.push(`the first of them said ${oddBody}`);
  if (errors > 0) faults.push(`${errors} requests broke or were not answered in time`);
  let answered = 0;
  for (const [kind, { sent, statuses }] of Object.entries(kinds)) {
    const those = Object.values(statuses).reduce((sum, count) => sum + count, 0);
    if (those !== sent) faults.push(`${kind}: ${sent} requests were sent, ${those} answered`);
    answered += those;
  }
  if (answered === 0) faults.push("nothing was answered");
  return faults;
}
