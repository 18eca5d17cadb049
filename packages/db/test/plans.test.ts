// What gateways ask for many at once, by statements that stay prepared: their plans are made when tables are empty, and
// must do when these are full.
import { waitlistEntryIdOf } from "@holdfast/domain";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { openTestDatabase, reserve, type TestDatabase } from "../../testkit/src/index.ts";
import { acceptCommands, findCommands, noteTickets } from "../src/commands.ts";
import { openPool } from "../src/pool.ts";
import type { Queryable } from "../src/queryable.ts";
import { findReservationOrigins } from "../src/reservations.ts";
import { findEntryOrigins } from "../src/waitlist.ts";

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = openPool({ url: database.url, name: "test", max: 1, onError: () => undefined, byIndex: true });
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

const STATEMENTS = {
  "find-accepted": ["accepted_commands_pkey"],
  "find-outcomes": ["outcomes_pkey"],
  "accept-commands": ["outcomes_pkey"],
  "note-tickets": ["accepted_commands_pkey"],
  "find-reservation-origins": ["reservations_pkey"],
  "find-waitlist-origins": ["waitlist_entries_pkey"],
};

/** Each prepared statement that these look-ups send, with its text. */
async function sent(): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const db = {
    query: async ({ name = "", text }: pg.QueryConfig) => {
      texts.set(name, text);
      return { rows: [] };
    },
  } as unknown as Queryable;
  const command = reserve(newId("event"), newId("user"));
  await findCommands(db, [command.id]);
  await acceptCommands(db, [{ command, ticket: null }]);
  await noteTickets(db, [{ id: command.id, ticket: 1 }]);
  await findReservationOrigins(db, [newId("reservation")]);
  await findEntryOrigins(db, [waitlistEntryIdOf(command.id)]);
  return texts;
}

interface Plan {
  "Node Type": string;
  "Index Name"?: string;
  "Index Cond"?: string;
  Plans?: Plan[];
}
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

describe.each(["never analysed", "known to be empty"])("while tables are empty, and %s", (known) => {
  beforeAll(async () => {
    if (known === "known to be empty") await database.pool.query("VACUUM ANALYZE");
  });

  test("what gateways look up is looked up by its key, by the generic plan, too (F9)", async () => {
    const found: Record<string, string[]> = {};
    for (const [name, text] of await sent()) {
      const { rows } = await pool.query<{ "QUERY PLAN": { Plan: Plan }[] }>(
        `EXPLAIN (GENERIC_PLAN, FORMAT JSON, COSTS OFF) ${text}`,
      );
      const nodes = rows[0]?.["QUERY PLAN"].flatMap(({ Plan: plan }) => nodesOf(plan)) ?? [];
      expect(nodes.filter((node) => node["Node Type"] === "Seq Scan")).toEqual([]);
      found[name] = nodes.flatMap((node) =>
        node["Index Name"] === undefined || node["Index Cond"] === undefined ? [] : [node["Index Name"]],
      );
    }
    expect(found).toEqual(STATEMENTS);
  });
});
