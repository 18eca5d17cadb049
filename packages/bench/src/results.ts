// What is kept of a row: its result among the documents, once it is finished, and until then its blocks in the data
// directory. Both are read through a schema: people edit files, and older ones lie about.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { dataDirFrom } from "@holdfast/local/stores";
import { z } from "zod";
import type { CodeState } from "./code-state.ts";
import type { Findings } from "./row.ts";

export const DOCUMENTS = fileURLToPath(new URL("../../../docs/benchmarks/", import.meta.url));

const Axis = z.object({ label: z.string(), scale: z.enum(["linear", "log"]).exactOptional() });
const KeptFindings = z.object({
  goals: z.array(
    z.object({
      sentence: z.string(),
      value: z.number(),
      unit: z.string(),
      direction: z.enum(["at-least", "at-most"]),
      floor: z.number().nullable(),
      goal: z.number(),
    }),
  ),
  tables: z.array(
    z.object({
      title: z.string(),
      columns: z.array(z.string()),
      rows: z.array(z.array(z.union([z.string(), z.number()]))),
    }),
  ),
  plots: z.array(
    z.object({
      name: z.string(),
      title: z.string(),
      kind: z.enum(["bars", "lines"]),
      x: Axis,
      y: Axis,
      series: z.array(
        z.object({
          name: z.string(),
          points: z.array(z.object({ x: z.union([z.string(), z.number()]), y: z.number() })),
        }),
      ),
    }),
  ),
  notes: z.array(z.string()),
  faults: z.array(z.string()),
}) satisfies z.ZodType<Findings>;
const KeptResult = z.object({
  row: z.string(),
  /** When it was finished, ISO. */
  date: z.iso.datetime(),
  commit: z.string(),
  dirty: z.boolean(),
  /** Null when the row needed no stores. */
  machine: z
    .object({
      cpu: z.string(),
      cores: z.number(),
      versions: z.record(z.string(), z.string()),
      settings: z.record(z.string(), z.string()),
      syncMs: z.number(),
    })
    .nullable(),
  /** Rounds that were asked for; null when the row chose. */
  rounds: z.number().nullable(),
  findings: KeptFindings,
});
export interface Result extends Omit<z.infer<typeof KeptResult>, "findings"> {
  readonly findings: Findings;
}

/** Of every row that has one. */
export function readResults(documents: string = DOCUMENTS): Result[] {
  const folder = join(documents, "results");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => KeptResult.parse(JSON.parse(readFileSync(join(folder, file), "utf8"))));
}

/** As it will be read again. Throws when it would not be: a figure that is no number tells nothing. */
export const asKept = (result: Result): Result => KeptResult.parse(JSON.parse(JSON.stringify(result)));

export function keepResult(result: Result, documents: string = DOCUMENTS): void {
  writeWhole(join(documents, "results", `${result.row}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

/** The finished blocks of a row that is not finished. */
export interface KeptBlocks {
  get(key: string): unknown;
  has(key: string): boolean;
  readonly count: number;
  keep(key: string, block: unknown): void;
  forget(): void;
}

/** Of changed code nothing is kept for the next run: nobody knows whether it is still the same. */
export function blocksOf(row: string, code: CodeState, dataDir = dataDirFrom(process.env)): KeptBlocks {
  const path = code.dirty ? null : join(dataDir, "bench", code.commit, `${row}.json`);
  const blocks = new Map<string, unknown>(
    path !== null && existsSync(path)
      ? Object.entries(z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(path, "utf8"))))
      : [],
  );
  return {
    get: (key) => blocks.get(key),
    has: (key) => blocks.has(key),
    get count() {
      return blocks.size;
    },
    keep(key, block) {
      blocks.set(key, block);
      if (path !== null) writeWhole(path, JSON.stringify(Object.fromEntries(blocks)));
    },
    forget() {
      blocks.clear();
      if (path !== null) rmSync(path, { force: true });
    },
  };
}

/** Whole or not at all: whoever breaks a run off may do so now. */
function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.unfinished`;
  writeFileSync(unfinished, text);
  renameSync(unfinished, path);
}
