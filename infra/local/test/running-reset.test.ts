import { expect, test } from "vitest";
import { resetUnderServices } from "../src/running-reset.ts";

interface Trial {
  silent?: string[];
  emptyFails?: boolean;
  startsFailing?: number;
}

function trial({ silent = [], emptyFails = false, startsFailing = 0 }: Trial) {
  const done: string[] = [];
  let failing = startsFailing;
  const ending = new AbortController();
  const reset = () =>
    resetUnderServices({
      silentStores: async () => silent,
      services: {
        stop: async () => {
          done.push("stop");
        },
        start: async () => {
          done.push("start");
          failing -= 1;
          if (failing >= 0) throw new Error("gateway did not start");
        },
      },
      empty: async () => {
        done.push("empty");
        if (emptyFails) throw new Error("the disk is full");
      },
      log: () => {},
      signal: ending.signal,
    });
  return { done, ending, reset };
}

test("a reset stops the services, empties, starts them again", async () => {
  const { done, reset } = trial({});
  await reset();
  expect(done).toEqual(["stop", "empty", "start"]);
});

test("a store that does not answer refuses the reset before anything is stopped", async () => {
  const { done, reset } = trial({ silent: ["PostgreSQL", "Redis"] });
  await expect(reset()).rejects.toThrow("PostgreSQL and Redis do not answer, so nothing was changed");
  expect(done).toEqual([]);
});

test("a reset that fails half-way starts the services again and says what to do", async () => {
  const { done, reset } = trial({ emptyFails: true });
  await expect(reset()).rejects.toThrow(/the disk is full\. The services run again.*pnpm reset/);
  expect(done).toEqual(["stop", "empty", "start"]);
});

test("services that do not start at first get another try, all of them together", async () => {
  const { done, reset } = trial({ startsFailing: 1 });
  await reset();
  expect(done).toEqual(["stop", "empty", "start", "stop", "start"]);
});

test("a start that is ending starts no service", async () => {
  const { done, ending, reset } = trial({ emptyFails: true });
  ending.abort();
  await expect(reset()).rejects.toThrow("aborted");
  expect(done).toEqual(["stop", "empty"]);
});
