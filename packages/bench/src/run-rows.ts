// Runs rows, one after the other: gives each what it needs, keeps its blocks until it is finished, then its result.

import { cpus } from "node:os";
import { type CodeState, codeState, sameCode } from "./code-state.ts";
import { inspectMachine, type Machine } from "./machine.ts";
import {
  asKept,
  blocksOf,
  DOCUMENTS,
  type KeptBlocks,
  keepResult,
  type Result,
  readResults,
} from "./results.ts";
import type { Row, RowRun } from "./row.ts";
import { type BenchStores, openBenchStores } from "./stores.ts";

/** Where the machine is kept among a row's blocks. */
const MACHINE = "machine";

export interface RunWish {
  readonly smoke: boolean;
  /** Rounds that somebody asks for. */
  readonly rounds: number | null;
  /** Leaves out rows that have a result of this commit and this machine. */
  readonly onlyMissing: boolean;
  /** Forgets the blocks of a run that was broken off. */
  readonly again: boolean;
  readonly signal: AbortSignal;
  say(line: string): void;
  /** A row is finished, whatever came of it. */
  finished(row: Row, result: Result): void;
}

export interface RunPlace {
  readonly documents?: string;
  readonly dataDir?: string;
  readonly code?: () => CodeState;
}

/** Rejects when the signal is aborted: what was finished by then is kept. */
export async function runRows(
  rows: readonly Row[],
  wish: RunWish,
  { documents = DOCUMENTS, dataDir, code = codeState }: RunPlace = {},
): Promise<Result[]> {
  const finished: Result[] = [];
  const measured = wish.onlyMissing && !wish.again ? readResults(documents) : [];
  const stores = shelf(wish);
  try {
    for (const row of rows) {
      wish.signal.throwIfAborted();
      const before = code();
      if (measured.some((result) => result.row === row.name && isOf(result, before))) {
        wish.say(`${row.name}: has a result of this commit`);
        continue;
      }
      const blocks = wish.smoke
        ? blocksOf(row.name, { ...before, dirty: true })
        : blocksOf(row.name, before, dataDir);
      if (wish.again) blocks.forget();
      if (blocks.count > 0) wish.say(`${row.name}: goes on behind ${blocks.count} kept blocks`);
      const findings = await row.measure(runOf(wish, blocks, stores));
      const after = code();
      const result = asKept({
        row: row.name,
        date: new Date().toISOString(),
        commit: before.commit,
        dirty: !sameCode(before, after),
        machine: (blocks.get(MACHINE) as Machine | undefined) ?? null,
        rounds: wish.rounds,
        findings,
      });
      if (!wish.smoke && findings.faults.length === 0) keepResult(result, documents);
      blocks.forget(); // what had a fault is measured anew
      finished.push(result);
      wish.finished(row, result);
      if (!wish.smoke) await stores.clear();
    }
    return finished;
  } catch (error) {
    throw wish.signal.aborted ? wish.signal.reason : error;
  } finally {
    await stores.clear();
  }
}

/** Whether a result tells of this code on this machine. */
const isOf = ({ commit, dirty, machine }: Result, code: CodeState): boolean =>
  sameCode({ commit, dirty }, code) &&
  (machine === null || (machine.cpu === cpus()[0]?.model && machine.cores === cpus().length));

/** As it will be read again by a run that goes on. */
const asRead = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

interface Shelf {
  open(): Promise<BenchStores>;
  clear(): Promise<void>;
}

/** The stores of the row that is measured; in a smoke run all rows share them. */
function shelf({ say, signal }: RunWish): Shelf {
  let opened: Promise<BenchStores> | undefined;
  return {
    open() {
      opened ??= openBenchStores({ log: say, signal });
      return opened;
    },
    async clear() {
      const closing = await opened?.catch(() => undefined); // whoever opened it has been told
      opened = undefined;
      await closing?.close();
    },
  };
}

const runOf = ({ smoke, rounds, signal, say }: RunWish, blocks: KeptBlocks, stores: Shelf): RowRun => ({
  smoke,
  ...(rounds === null ? {} : { rounds }),
  signal,
  say,
  async block<Block>(key: string, act: () => Promise<Block>): Promise<Block> {
    signal.throwIfAborted();
    if (!blocks.has(key)) blocks.keep(key, asRead(await act()));
    return blocks.get(key) as Block;
  },
  async stores() {
    const opened = await stores.open();
    if (!blocks.has(MACHINE)) blocks.keep(MACHINE, await inspectMachine(opened));
    return opened;
  },
});
