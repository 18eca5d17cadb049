// What an error of the database means for a batch. A small closed vocabulary: whoever retries must not guess.
import pg from "pg";

export type Trouble =
  /** Somebody else holds the lane or a user: let go, come back. */
  | "locked"
  /** It took too long: try again with less. */
  | "slow"
  /** Lost a race or the connection: try again. */
  | "transient"
  /** A command was withdrawn while the batch was decided: load it again. */
  | "overtaken"
  /** A constraint, or a count that was not met: the rules and the tables disagree. */
  | "contradiction";

/** The rules met a state that they hold to be impossible. */
export class Contradiction extends Error {
  override name = "Contradiction";
}

export function troubleOf(error: unknown): Trouble {
  if (error instanceof Contradiction) return "contradiction";
  const code = codeOf(error);
  if (code === null) return "transient"; // no word from the server: the connection is gone
  if (code === "55P03") return "locked";
  if (code === "57014" || code === "25P03" || code === "25P04") return "slow";
  if (code === "23505" && OVERTAKEN.has((error as pg.DatabaseError).constraint ?? "")) return "overtaken";
  if (code.startsWith("23") || code.startsWith("22") || code === "HF001") return "contradiction";
  return "transient";
}

/**
 * Which commands have ended, and under whose keys, is loaded under the locks of lane and users: whatever is written behind
 * that is written by a gateway, which takes none of them to withdraw a command.
 */
const OVERTAKEN: ReadonlySet<string> = new Set(["outcomes_pkey", "outcomes_user_key_key"]);

/** True when the command's own words are at fault, whatever it ends as: text that the database cannot hold. */
export const isUnwritable = (error: unknown): boolean => UNWRITABLE_TEXT.has(codeOf(error) ?? "");

/** character_not_in_repertoire, untranslatable_character */
const UNWRITABLE_TEXT: ReadonlySet<string> = new Set(["22021", "22P05"]);

/** The SQLSTATE, or null when the error did not come from the server. */
export function codeOf(error: unknown): string | null {
  if (error instanceof pg.DatabaseError) return error.code ?? null;
  return null;
}
