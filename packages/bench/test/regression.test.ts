// Holds what a command costs, as far as that can be told on any machine: relative to B1 in the same minute, and by counting.
// On stores of its own, and with nothing else beside it (see vitest.config.ts).
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Dearness, measureDearness } from "../src/regression.ts";
import { type BenchStores, openBenchStores } from "../src/stores.ts";

/**
 * A command's CPU time over B1's, the least of the rounds each. Seen: 0.12 to 0.18, the latter with twenty others waiting
 * for two cores.
 */
const CPU_OVER_B1_MAX = 0.22;
/** Seen: one commit for 170 to 220 commands; 512 clients would let it be one for 256. */
const COMMANDS_PER_COMMIT_MIN = 120;
/** Seen: 0.24, and 0.40 where jobs get small because everything waits for a core. */
const REDIS_COMMANDS_MAX = 0.45;

/** Milliseconds in which a machine with two cores that does other things, too, has made a cluster and pressed ten times. */
const TIMEOUT_MS = 400_000;

const said: string[] = [];
let stores: BenchStores;
let dearness: Dearness;
beforeAll(async () => {
  const { signal } = new AbortController();
  stores = await openBenchStores({ log: () => {}, signal });
  dearness = await measureDearness({
    smoke: false,
    signal,
    say: (line) => said.push(line),
    block: (_key, act) => act(),
    stores: () => Promise.resolve(stores),
  });
}, TIMEOUT_MS);
afterAll(() => stores.close());

const seen = (): string => said.join("\n");

test("every block has right rows", () => {
  expect(dearness.faults).toEqual([]);
});

test(`a command takes at most ${CPU_OVER_B1_MAX} of the CPU time that B1 takes for one`, () => {
  expect(dearness.cpuOverB1, seen()).toBeLessThanOrEqual(CPU_OVER_B1_MAX);
});

test(`a commit carries at least ${COMMANDS_PER_COMMIT_MIN} commands of a rush`, () => {
  expect(1 / dearness.commitsPerCommand, seen()).toBeGreaterThanOrEqual(COMMANDS_PER_COMMIT_MIN);
});

test(`a command of a rush takes at most ${REDIS_COMMANDS_MAX} Redis commands`, () => {
  expect(dearness.redisCommandsPerCommand, seen()).toBeLessThanOrEqual(REDIS_COMMANDS_MAX);
});
