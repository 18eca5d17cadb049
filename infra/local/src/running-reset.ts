// A reset under running services: in which order, and that they run again whatever happens. Empties nothing itself.
import { setTimeout as pause } from "node:timers/promises";
import { messageOf } from "./message-of.ts";

/** A store that dies during a reset is back after a moment; services that cannot start without it get more than one try. */
const START_TRIES = 6;
const FIRST_PAUSE_MS = 250;
const AGAIN = "Then run it again: pnpm reset";

export interface RunningReset {
  /** The names of the stores that do not answer. */
  silentStores(): Promise<string[]>;
  services: { start(): Promise<void>; stop(): Promise<void> };
  empty(): Promise<unknown>;
  log(line: string): void;
  /** The end of everything: then nothing is started any more. */
  signal: AbortSignal;
}

/** Throws, saying what to do, when a store is down (then nothing was touched) or a step failed. */
export async function resetUnderServices(reset: RunningReset): Promise<void> {
  const { services, log, signal } = reset;
  const silent = await reset.silentStores();
  if (silent.length > 0) {
    throw new Error(
      `${silent.join(" and ")} ${silent.length === 1 ? "does" : "do"} not answer, so nothing was changed. ` +
        `Wait until it does (pnpm status). ${AGAIN}`,
    );
  }
  log("stopping the services");
  await services.stop();
  const failure = await reset.empty().then(
    () => undefined,
    (error: unknown) => ({ cause: error }),
  );
  if (failure !== undefined) log("that failed; the data may be half reset");
  signal.throwIfAborted();
  log("starting the services");
  await startPersistently(reset);
  if (failure !== undefined) {
    throw new Error(
      `the reset failed: ${messageOf(failure.cause)}. The services run again, maybe on half the data. ` +
        `See that both stores answer (pnpm status). ${AGAIN}`,
      failure,
    );
  }
}

async function startPersistently({ services, log, signal }: RunningReset): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      await services.start();
      return;
    } catch (error) {
      signal.throwIfAborted();
      await services.stop(); // those that did start begin again with the others
      if (tried === START_TRIES) {
        throw new Error(
          `the services do not start: ${messageOf(error)}. See that both stores answer (pnpm status). ${AGAIN}`,
          { cause: error },
        );
      }
      log(`${messageOf(error)}; trying again`);
      await pause(FIRST_PAUSE_MS * 2 ** (tried - 1), undefined, { signal });
    }
  }
}
