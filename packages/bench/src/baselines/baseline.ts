// What the baselines have in common: the pool, and the door's view of a way to carry out reserves and nothing else.
import type { Outcome, ReserveCommand } from "@holdfast/domain";
import type { Commands, SubmitRefused, Submitted } from "@holdfast/gateway/submit";
import pg from "pg";
import type { BaselineName } from "./names.ts";
import { installOneCall, reserveInOneCall } from "./one-call.ts";
import { reserveUnderRowLock } from "./row-lock.ts";

export interface Ended {
  readonly outcome: Outcome;
  /** True when the command had ended before. */
  readonly replayed: boolean;
}

export interface Baseline {
  commands(onError: (error: unknown) => void): Commands;
  close(): Promise<void>;
}

/** What batches are spared, baselines are spared, too: plans that were made for empty tables, and plans made again. */
const SESSION = [
  "plan_cache_mode=force_generic_plan",
  "enable_seqscan=off",
  "enable_hashjoin=off",
  "jit=off",
];
const RETRY_AFTER_SECONDS = 1;

export async function createBaseline(
  name: BaselineName,
  databaseUrl: string,
  connections: number,
): Promise<Baseline> {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: `holdfast-bench-${name}`,
    max: connections,
    options: SESSION.map((setting) => `-c ${setting}`).join(" "),
  });
  if (name === "one-call") await installOneCall(pool);
  const reserve = { "row-lock": reserveUnderRowLock, "one-call": reserveInOneCall }[name];
  return {
    commands: (onError) => {
      pool.on("error", onError);
      return onlyReserves((command) => reserve(pool, command), onError);
    },
    close: () => pool.end(),
  };
}

function onlyReserves(
  reserve: (command: ReserveCommand) => Promise<Ended | null>,
  onError: (error: unknown) => void,
): Commands {
  const notHere = (): never => {
    throw new Error("a baseline answers reserves and nothing else, and keeps no line of who would wait");
  };
  return {
    async submit({ command }): Promise<Submitted | SubmitRefused> {
      if (command.type !== "reserve" || command.input.orWait === true) return notHere();
      try {
        const ended = await reserve(command);
        return ended === null ? { kind: "unknown-sender" } : { kind: "ended", ...ended };
      } catch (error) {
        onError(error);
        return { kind: "unavailable", retryAfterSeconds: RETRY_AFTER_SECONDS };
      }
    },
    find: notHere,
    watch: notHere,
    withdraw: notHere,
    list: notHere,
    hurry: () => {},
  };
}
