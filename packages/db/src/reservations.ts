// Statements about reservations for those who only look. They are written by the batch alone (`inventory`).
import type {
  EpochMs,
  EventId,
  Reservation,
  ReservationId,
  ReservationStatus,
  UserId,
} from "@holdfast/domain";
import { ms } from "./epoch.ts";
import type { Queryable } from "./queryable.ts";
import { originsOf } from "./statement.ts";

export const RESERVATION_COLUMNS = `
  id, event_id AS "eventId", slot_id AS "slotId", user_id AS "userId", quantity, status, origin,
  payment_reference AS "paymentReference", ${ms("expires_at")} AS "expiresAt", ${ms("created_at")} AS "createdAt",
  ${ms("purchased_at")} AS "purchasedAt", ${ms("ended_at")} AS "endedAt", end_reason AS "endReason"`;

/** Null when there is none, or when it is somebody else's. */
export async function findReservationOf(
  db: Queryable,
  userId: UserId,
  id: ReservationId,
): Promise<Reservation | null> {
  const { rows } = await db.query<Reservation>(
    `SELECT ${RESERVATION_COLUMNS} FROM reservations WHERE id = $1 AND user_id = $2`,
    [id, userId],
  );
  return rows[0] ?? null;
}

/** What never changes about a reservation: whose it is, and of which event. */
export interface ReservationOrigin {
  readonly eventId: EventId;
  readonly userId: UserId;
}

/** The origins of those that there are. */
export async function findReservationOrigins(
  db: Queryable,
  ids: readonly ReservationId[],
): Promise<Map<ReservationId, ReservationOrigin>> {
  const { rows } = await db.query<ReservationOrigin & { id: ReservationId }>({
    name: "find-reservation-origins",
    text: originsOf("reservations"),
    values: [ids],
  });
  return new Map(rows.map(({ id, eventId, userId }) => [id, { eventId, userId }]));
}

export interface ReservationListing {
  /** At least one of the two is given: nobody lists everything. */
  readonly of: { readonly userId: UserId; readonly eventId?: EventId } | { readonly eventId: EventId };
  readonly status: ReservationStatus | null;
  /** past: its slot has ended. */
  readonly when: "upcoming" | "past" | "all";
  readonly now: number;
  readonly limit: number;
  /** The last one of the page before; null for the first page. */
  readonly after: { readonly createdAt: EpochMs; readonly id: ReservationId } | null;
}

/** The newest first by their times: ids of those that keyed commands made are hashes. */
export async function listReservations(db: Queryable, listing: ReservationListing): Promise<Reservation[]> {
  const { of, status, when, now, limit, after } = listing;
  const values: unknown[] = [limit];
  const value = (given: unknown) => `$${values.push(given)}`;
  const conditions: string[] = [];
  if ("userId" in of) conditions.push(`user_id = ${value(of.userId)}`);
  if (of.eventId !== undefined) conditions.push(`event_id = ${value(of.eventId)}`);
  if (status !== null) conditions.push(`status = ${value(status)}`);
  if (when === "upcoming") conditions.push(`upper(during) > ${value(new Date(now))}`);
  if (when === "past") conditions.push(`upper(during) <= ${value(new Date(now))}`);
  if (after !== null) {
    conditions.push(`(created_at, id) < (${value(new Date(after.createdAt))}, ${value(after.id)})`);
  }
  const { rows } = await db.query<Reservation>(
    `SELECT ${RESERVATION_COLUMNS} FROM reservations WHERE ${conditions.join(" AND ")}
    ORDER BY created_at DESC, id DESC LIMIT $1`,
    values,
  );
  return rows;
}
