// The invariants of the tables, asked when a drill's traffic has ended: with those that are true only then.
import { contradictionText, findContradictions } from "@holdfast/db/invariants";
import { until } from "@holdfast/testkit";
import type pg from "pg";

/** Milliseconds that the sweep may take to forget a command that ended while it was being accepted. */
const FORGOTTEN_WITHIN_MS = 5_000;

/** What contradicts an invariant, in words. Empty when all is well. */
export async function checkInvariants(pool: pg.Pool): Promise<string[]> {
  await untilEndedAreForgotten(pool);
  return (await findContradictions(pool, { atRest: true })).map(contradictionText);
}

/** A command that ends while a gateway accepts it leaves a row that only the sweep finds. */
async function untilEndedAreForgotten(pool: pg.Pool): Promise<void> {
  const areForgotten = async (): Promise<boolean> => {
    const { rowCount } = await pool.query(
      "SELECT FROM accepted_commands a JOIN outcomes o ON o.command_id = a.command_id LIMIT 1",
    );
    return rowCount === 0;
  };
  // What is left even then is told as a contradiction, with its name.
  await until("commands that have ended to be forgotten", areForgotten, FORGOTTEN_WITHIN_MS).catch(() => {});
}
