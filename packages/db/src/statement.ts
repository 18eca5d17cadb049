// How the batch's statements are written down: prepared by name, times in milliseconds since 1970, arrays as text.
import type {
  CommandId,
  DeliveryId,
  ReservationId,
  SlotId,
  UserId,
  WaitlistEntryId,
  WebhookEndpointId,
  WebhookMessageId,
} from "@holdfast/domain";
import type pg from "pg";

/** A query with a name is prepared once for each connection. */
export type Statement = (...values: unknown[]) => pg.QueryConfig;
export const statement =
  (name: string, text: string): Statement =>
  (...values) => ({ name, text, values });

/**
 * Ends a look for the one row of a key: by the key's index, whatever is known of the table. While it is known to be
 * empty, walking all of another index looks as good for `key =`, and that plan would be kept while the table grows; but
 * only the key's is in this order, and of a first row in order a walk seems long at every size.
 */
export const byKey = (column: string, asked: string): string =>
  `${column} BETWEEN ${asked} AND ${asked} ORDER BY ${column} LIMIT 1`;

/** Of which event, and whose, these rows are. $1 ids */
export const originsOf = (table: "reservations" | "waitlist_entries"): string =>
  `SELECT r.* FROM unnest($1::text[]) AS asked(id) CROSS JOIN LATERAL (
    SELECT id, event_id AS "eventId", user_id AS "userId" FROM ${table} WHERE ${byKey("id", "asked.id")}
  ) r`;

/** What is written in letters that mean nothing to PostgreSQL's arrays: ids, and words of the domain's own. */
type Id =
  | CommandId
  | DeliveryId
  | ReservationId
  | SlotId
  | UserId
  | WaitlistEntryId
  | WebhookEndpointId
  | WebhookMessageId;

/** An array, written at once: the driver would look into each element for what must be escaped. */
export const arrayOf = <Word extends string = never>(words: readonly (Id | Word | number | null)[]): string =>
  `{${words.map((word) => word ?? "NULL").join(",")}}`;

/**
 * Between the JSON texts of a batch, which never hold this character as it is: as an array each of their quotes would be
 * escaped here and unescaped there.
 */
export const JOINT_CODE = 30;
export const JOINT = String.fromCharCode(JOINT_CODE);

export const NO_ROWS: { readonly rows: never[] } = { rows: [] };

export const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

export const chunks = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size));
