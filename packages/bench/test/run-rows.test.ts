// Running rows: what is kept, what is gone on with, and what is measured again.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CodeState } from "../src/code-state.ts";
import { codeState, sameCode } from "../src/code-state.ts";
import { type Result, readResults } from "../src/results.ts";
import type { Findings, Row, RowRun } from "../src/row.ts";
import { type RunWish, runRows } from "../src/run-rows.ts";

const NOTHING: Findings = { goals: [], tables: [], plots: [], notes: [], faults: [] };
const CLEAN: CodeState = { commit: "c1", dirty: false };

let folder: string;
let measured: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-rows-"));
  measured = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Three blocks that tell of being measured; `before` is asked before each. */
const row = (
  name: string,
  {
    before = () => {},
    faults = [],
  }: { before?: (block: number, run: RowRun) => void; faults?: string[] } = {},
): Row => ({
  name,
  title: name,
  about: "",
  minutes: 1,
  async measure(run) {
    const notes: string[] = [];
    for (const block of [1, 2, 3]) {
      before(block, run);
      notes.push(
        await run.block(`block ${block}`, () => {
          measured.push(`${name} ${block}`);
          return Promise.resolve(`${name} ${block}`);
        }),
      );
    }
    return { ...NOTHING, notes, faults };
  },
});

const run = (
  rows: Row[],
  wish: Partial<RunWish> = {},
  code: () => CodeState = () => CLEAN,
): Promise<Result[]> =>
  runRows(
    rows,
    {
      smoke: false,
      rounds: null,
      onlyMissing: false,
      again: false,
      signal: new AbortController().signal,
      say: () => {},
      finished: () => {},
      ...wish,
    },
    { documents: folder, dataDir: join(folder, "data"), code },
  );

/** Breaks off before the third block. */
async function breakOff(code?: () => CodeState): Promise<void> {
  const broken = row("a", {
    before: (block) => {
      if (block === 3) throw new Error("power cut");
    },
  });
  await expect(run([broken], {}, code)).rejects.toThrow("power cut");
  measured = [];
}

describe("a row that is finished", () => {
  test("is kept with day, commit and findings", async () => {
    const [result] = await run([row("a")], { rounds: 9 });
    expect(readResults(folder)).toEqual([result]);
    expect(result).toMatchObject({ row: "a", commit: "c1", dirty: false, rounds: 9, machine: null });
    expect(result?.findings.notes).toEqual(["a 1", "a 2", "a 3"]);
    expect(Date.parse(result?.date ?? "")).toBeGreaterThan(0);
  });

  test("is measured anew when somebody asks for it", async () => {
    await run([row("a")]);
    await run([row("a")]);
    expect(measured).toHaveLength(6);
  });

  test("is left out when only what is missing is asked for, unless the code has changed or again is said", async () => {
    await run([row("a")]);
    measured = [];
    const missing = { onlyMissing: true };
    await run([row("a"), row("b")], missing);
    expect(measured).toEqual(["b 1", "b 2", "b 3"]);
    await run([row("a")], missing, () => ({ commit: "c2", dirty: false }));
    await run([row("a")], missing, () => ({ commit: "c2", dirty: true }));
    await run([row("a")], { ...missing, again: true }, () => ({ commit: "c2", dirty: false }));
    expect(measured).toHaveLength(3 + 3 * 3);
  });

  test("says that it is of no commit when the code changed meanwhile", async () => {
    const states = [CLEAN, { commit: "c2", dirty: false }];
    const [result] = await run([row("a")], {}, () => states.shift() ?? CLEAN);
    expect(result).toMatchObject({ commit: "c1", dirty: true });
  });

  test("is not kept when it has a fault, and begins from its first block the next time", async () => {
    const [result] = await run([row("a", { faults: ["a row was wrong"] })]);
    expect(result?.findings.faults).toEqual(["a row was wrong"]);
    expect(readResults(folder)).toEqual([]);
    await run([row("a")]);
    expect(measured).toHaveLength(6);
  });

  test("must have numbers for figures", async () => {
    const goal = {
      sentence: "",
      value: Number.NaN,
      unit: "",
      direction: "at-least",
      floor: 1,
      goal: 1,
    } as const;
    const odd: Row = { ...row("a"), measure: () => Promise.resolve({ ...NOTHING, goals: [goal] }) };
    await expect(run([odd])).rejects.toThrow("value");
  });
});

describe("a run that was broken off", () => {
  test("goes on behind the last block", async () => {
    await breakOff();
    const [result] = await run([row("a")]);
    expect(measured).toEqual(["a 3"]);
    expect(result?.findings.notes).toEqual(["a 1", "a 2", "a 3"]);
  });

  test("begins anew when again is said, at another commit, or where code was changed", async () => {
    const dirty = (): CodeState => ({ commit: "c1", dirty: true });
    await breakOff();
    await run([row("a")], { again: true });
    await breakOff();
    await run([row("a")], {}, () => ({ commit: "c2", dirty: false }));
    await breakOff(dirty);
    await run([row("a")], {}, dirty);
    expect(measured).toEqual(["a 1", "a 2", "a 3"]);
  });

  test("ends before the next block with the reason that it was given", async () => {
    const interrupted = new AbortController();
    const slow = row("a", {
      before: (block) => block === 2 && interrupted.abort(new Error("ended by SIGINT")),
    });
    await expect(run([slow], { signal: interrupted.signal })).rejects.toThrow("ended by SIGINT");
    expect(measured).toEqual(["a 1"]);
  });
});

test("a smoke run keeps nothing, and takes nothing that is kept", async () => {
  await breakOff();
  const [result] = await run([row("a")], { smoke: true });
  expect(measured).toHaveLength(3);
  expect(result?.findings.notes).toHaveLength(3);
  expect(readResults(folder)).toEqual([]);
});

test("code is of the last commit that changed more than documents", () => {
  const { commit } = codeState();
  expect(commit).toMatch(/^([0-9a-f]{40}|unknown)$/);
  expect(sameCode({ commit, dirty: true }, { commit, dirty: true })).toBe(false);
  expect(sameCode({ commit, dirty: false }, { commit, dirty: false })).toBe(true);
});
