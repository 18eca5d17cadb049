// Writes the example data into empty tables. Everything was decided before: see `crowd.ts` and `stage.ts`.
import type { EpochMs } from "@holdfast/domain";
import { hash } from "@node-rs/argon2";
import type pg from "pg";
import { insertEvent, type NewEvent } from "../events.ts";
import { insertEntries } from "../inventory-waitlist.ts";
import type { Ended, History } from "./history.ts";
import { announcedAt } from "./loaded.ts";
import type { SeedUser } from "./people.ts";
import type { Stage } from "./stage.ts";

export interface World {
  readonly now: EpochMs;
  readonly users: readonly SeedUser[];
  readonly events: readonly NewEvent[];
  readonly crowd: History;
  readonly stages: readonly Stage[];
}

export async function writeWorld(tx: pg.PoolClient, world: World): Promise<void> {
  const { users, events, crowd, stages } = world;
  await insertUsers(tx, users);
  for (const event of events) await insertEvent(tx, event);
  await insertReservations(tx, [crowd, ...stages]);
  for (const { event, entries } of stages) {
    if (entries.length > 0) await tx.query(insertEntries(event.id, entries));
  }
  await updateLines(tx, stages);
  await insertOutcomes(
    tx,
    [crowd, ...stages].flatMap(({ ended }) => ended),
  );
  await dateEvents(tx, world);
}

const at = (time: EpochMs | null): Date | null => (time === null ? null : new Date(time));

async function insertUsers(tx: pg.PoolClient, users: readonly SeedUser[]): Promise<void> {
  const hashes = new Map<string, string>();
  for (const password of new Set(users.map((user) => user.password)))
    hashes.set(password, await hash(password));
  await tx.query(
    `INSERT INTO users (id, email, name, role, password_hash, created_at, auth_changed_at)
    SELECT u.id, u.email, u.name, u.role, u.hash, u.created_at, u.created_at
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
      AS u(id, email, name, role, hash, created_at)`,
    [
      users.map((user) => user.id),
      users.map((user) => user.email),
      users.map((user) => user.name),
      users.map((user) => user.role),
      users.map((user) => hashes.get(user.password)),
      users.map((user) => new Date(user.createdAt)),
    ],
  );
}

/** The slots' counters of tickets follow from the rows. */
async function insertReservations(tx: pg.PoolClient, histories: readonly History[]): Promise<void> {
  const rows = histories.flatMap(({ reservations }) => reservations);
  await tx.query(
    `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, payment_reference, expires_at,
      created_at, purchased_at, ended_at, end_reason, during, exclusive)
    SELECT r.*, tstzrange(s.starts_at, s.ends_at), e.overlap_policy = 'refuse'
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[],
      $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::text[])
      AS r(id, event_id, slot_id, user_id, quantity, status, origin, payment_reference, expires_at, created_at,
        purchased_at, ended_at, end_reason)
    JOIN slots s ON s.id = r.slot_id JOIN events e ON e.id = r.event_id`,
    [
      rows.map((row) => row.id),
      rows.map((row) => row.eventId),
      rows.map((row) => row.slotId),
      rows.map((row) => row.userId),
      rows.map((row) => row.quantity),
      rows.map((row) => row.status),
      rows.map((row) => row.origin),
      rows.map((row) => row.paymentReference),
      rows.map((row) => at(row.expiresAt)),
      rows.map((row) => at(row.createdAt)),
      rows.map((row) => at(row.purchasedAt)),
      rows.map((row) => at(row.endedAt)),
      rows.map((row) => row.endReason),
    ],
  );
  await tx.query(
    `UPDATE slots s SET held = r.held, purchased = r.purchased, used = true, inventory = 1
    FROM (
      SELECT slot_id, coalesce(sum(quantity) FILTER (WHERE status = 'held'), 0)::int AS held,
        coalesce(sum(quantity) FILTER (WHERE status = 'purchased'), 0)::int AS purchased
      FROM reservations GROUP BY slot_id
    ) r WHERE r.slot_id = s.id`,
  );
}

/** What is kept of lines beside the entries, which were counted as they were written. */
async function updateLines(tx: pg.PoolClient, stages: readonly Stage[]): Promise<void> {
  for (const { id, passers, collecting, promoteAt } of stages.flatMap(({ slots }) => slots)) {
    await tx.query(
      `UPDATE slots SET passers = $2, collecting_for = $3, collecting_until = $4, promote_at = $5 WHERE id = $1`,
      [
        id,
        passers.length === 0 ? null : passers,
        collecting?.for ?? null,
        at(collecting?.until ?? null),
        at(promoteAt),
      ],
    );
  }
}

/** Each event's lane goes on behind them. */
async function insertOutcomes(tx: pg.PoolClient, ended: readonly Ended[]): Promise<void> {
  await tx.query(
    `INSERT INTO outcomes (command_id, event_id, seq, type, user_id, status, outcome, seen_available, seen_waiting,
      submitted_at, finished_at)
    SELECT o.id, o.event_id, o.seq, o.type, o.user_id, o.outcome ->> 'status', o.outcome, o.seen_available,
      o.seen_waiting, o.submitted_at, o.finished_at
    FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::json[], $7::int[], $8::int[],
      $9::timestamptz[], $10::timestamptz[])
      AS o(id, event_id, seq, type, user_id, outcome, seen_available, seen_waiting, submitted_at, finished_at)`,
    [
      ended.map(({ id }) => id),
      ended.map(({ eventId }) => eventId),
      ended.map(({ seq }) => seq),
      ended.map(({ type }) => type),
      ended.map(({ userId }) => userId),
      ended.map(({ outcome }) => JSON.stringify(outcome)),
      ended.map(({ seen }) => seen?.available ?? null),
      ended.map(({ seen }) => seen?.waitingAhead ?? null),
      ended.map(({ submittedAt }) => at(submittedAt)),
      ended.map(({ finishedAt }) => at(finishedAt)),
    ],
  );
  await tx.query(
    `UPDATE event_lanes l SET next_seq = o.ended + 1, logical_at = o.latest
    FROM (SELECT event_id, count(*) AS ended, max(submitted_at) AS latest FROM outcomes GROUP BY event_id) o
    WHERE o.event_id = l.event_id`,
  );
}

/** Events were announced some time ago, and few have been changed since. */
async function dateEvents(tx: pg.PoolClient, { now, events, stages }: World): Promise<void> {
  await tx.query(
    `UPDATE events e SET created_at = u.created_at, updated_at = u.created_at
    FROM unnest($1::text[], $2::timestamptz[]) AS u(id, created_at) WHERE u.id = e.id`,
    [events.map(({ id }) => id), events.map((event) => at(announcedAt(event, now)))],
  );
  for (const { event, terms, details } of stages) {
    await tx.query("UPDATE events SET cancelled_at = $2, version = $3, updated_at = $4 WHERE id = $1", [
      event.id,
      at(terms.cancelledAt),
      details.version,
      at(details.updatedAt),
    ]);
  }
}
