// What the baselines have in common: the door's view of a way to carry out reserves and nothing else.
import type { Outcome, ReserveCommand } from "@holdfast/domain";
import type { Commands, SubmitRefused, Submitted } from "@holdfast/gateway/submit";
import type pg from "pg";
import { echo } from "./echo.ts";
import type { BaselineName } from "./names.ts";
import { installOneCall, reserveInOneCall } from "./one-call.ts";
import { openPlainQueues } from "./plain-queue.ts";
import { openBaselinePool } from "./pool.ts";
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

export interface BaselinePlace {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix: string;
  /** Connections to the database. */
  readonly connections: number;
}

/** Null when the sender is not there. */
type Reserve = (command: ReserveCommand) => Promise<Ended | null> | Ended;

const RETRY_AFTER_SECONDS = 1;

export async function createBaseline(name: BaselineName, place: BaselinePlace): Promise<Baseline> {
  const { databaseUrl, connections } = place;
  switch (name) {
    case "row-lock": {
      const pool = openBaselinePool(name, databaseUrl, connections);
      return overPool(pool, (command) => reserveUnderRowLock(pool, command));
    }
    case "one-call": {
      const pool = openBaselinePool(name, databaseUrl, connections);
      await installOneCall(pool);
      return overPool(pool, (command) => reserveInOneCall(pool, command));
    }
    case "plain-queue": {
      let report: (error: unknown) => void = () => {};
      const queues = openPlainQueues({ ...place, onError: (error) => report(error) });
      return {
        commands: (onError) => {
          report = onError;
          return onlyReserves(queues.reserve, onError);
        },
        close: queues.close,
      };
    }
    case "echo":
      return { commands: (onError) => onlyReserves(echo, onError), close: async () => {} };
  }
}

const overPool = (pool: pg.Pool, reserve: Reserve): Baseline => ({
  commands: (onError) => {
    pool.on("error", onError);
    return onlyReserves(reserve, onError);
  },
  close: () => pool.end(),
});

function onlyReserves(reserve: Reserve, onError: (error: unknown) => void): Commands {
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
