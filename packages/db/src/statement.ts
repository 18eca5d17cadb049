// How the batch's statements are written down: prepared by name, times in milliseconds since 1970, arrays as text.
import type { CommandId, ReservationId, SlotId, UserId, WaitlistEntryId } from "@holdfast/domain";
import type pg from "pg";

/** A query with a name is prepared once for each connection. */
export type Statement = (...values: unknown[]) => pg.QueryConfig;
export const statement =
  (name: string, text: string): Statement =>
  (...values) => ({ name, text, values });

/** What is written in letters that mean nothing to PostgreSQL's arrays: ids, and words of the domain's own. */
type Id = CommandId | ReservationId | SlotId | UserId | WaitlistEntryId;

/** An array, written at once: the driver would look into each element for what must be escaped. */
export const arrayOf = <Word extends string = never>(words: readonly (Id | Word | number | null)[]): string =>
  `{${words.map((word) => word ?? "NULL").join(",")}}`;

export const NO_ROWS: { readonly rows: never[] } = { rows: [] };

export const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
