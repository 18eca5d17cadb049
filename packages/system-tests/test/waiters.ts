// What drills do with waitlists: whose ask goes well, what an entry is now, what somebody was offered.
import type {
  Command,
  EntryStatus,
  Reservation,
  ReservationId,
  WaitlistEntry,
  WaitlistEntryId,
} from "@holdfast/domain";
import { offerIdOf } from "@holdfast/domain";
import { type Crowd, until, wordOf } from "@holdfast/testkit";
import type pg from "pg";

/** Milliseconds in which an offer must have come, on a busy machine. */
const OFFERED_WITHIN_MS = 10_000;

/** Asks for what must succeed. */
export async function succeed(door: Crowd, command: Command) {
  const { outcome } = await door.ask(command);
  if (outcome.status !== "succeeded") throw new Error(`${command.type} was answered ${wordOf(outcome)}`);
  return outcome;
}

export async function makeReservation(door: Crowd, command: Command): Promise<Reservation> {
  const { reservation } = await succeed(door, command);
  if (reservation === null) throw new Error(`${command.type} made no reservation`);
  return reservation;
}

export async function makeEntry(door: Crowd, command: Command): Promise<WaitlistEntry> {
  const { entry } = await succeed(door, command);
  if (entry === undefined) throw new Error(`${command.type} made no entry`);
  return entry;
}

export async function statusOf(pool: pg.Pool, entry: WaitlistEntryId): Promise<EntryStatus | null> {
  const { rows } = await pool.query<{ status: EntryStatus }>(
    "SELECT status FROM waitlist_entries WHERE id = $1",
    [entry],
  );
  return rows[0]?.status ?? null;
}

/** Resolves to the reservation that the entry is offered, when it is. */
export async function offerOf(pool: pg.Pool, entry: WaitlistEntryId): Promise<ReservationId> {
  await until(
    `${entry} to be offered`,
    async () => (await statusOf(pool, entry)) === "offered",
    OFFERED_WITHIN_MS,
  );
  return offerIdOf(entry);
}
