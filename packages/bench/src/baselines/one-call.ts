// B1: one SQL call a request, one round trip: the rules are in a function in the database (one-call.sql).
import { readFileSync } from "node:fs";
import { type Outcome, type ReserveCommand, reservationIdOf } from "@holdfast/domain";
import type pg from "pg";
import type { Ended } from "./baseline.ts";

const INSTALL = readFileSync(new URL("one-call.sql", import.meta.url), "utf8");
const RESERVE = "SELECT outcome, replayed FROM bench.reserve($1, $2, $3, $4, $5, $6, $7, $8, $9)";

export async function installOneCall(pool: pg.Pool): Promise<void> {
  await pool.query(INSTALL);
}

/** Null when the sender is not there. */
export async function reserveInOneCall(pool: pg.Pool, command: ReserveCommand): Promise<Ended | null> {
  const { id, eventId, userId, idempotencyKey, fingerprint, at, input } = command;
  const { rows } = await pool.query<{ outcome: Outcome | null; replayed: boolean }>({
    name: "reserve",
    text: RESERVE,
    values: [
      id,
      reservationIdOf(id),
      eventId,
      userId,
      at,
      idempotencyKey,
      fingerprint,
      input.slotId,
      input.quantity,
    ],
  });
  const ended = rows[0];
  if (ended === undefined) throw new Error(`${id} was not answered`);
  const { outcome, replayed } = ended;
  return outcome === null ? null : { outcome, replayed };
}
