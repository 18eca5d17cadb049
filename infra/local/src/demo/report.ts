// A rush in numbers: as one document for programs, as a table for people.

import { PROBLEMS } from "@holdfast/contracts";
import type { EventId } from "@holdfast/domain";
import { quantile, tally } from "@holdfast/load";
import { type Row, renderTable } from "../table.ts";
import { DEEDS, type Deed, wordOf } from "./rush.ts";
import type { Verdict } from "./verdict.ts";

export interface Staged {
  readonly eventId: EventId;
  readonly buyers: number;
  readonly tickets: number;
  readonly clients: number;
  readonly gateways: number;
}

const LATENCIES = { p50: 0.5, p95: 0.95, p99: 0.99, max: 1 } as const;
type Latencies = Record<keyof typeof LATENCIES, number | null>;

export interface RushReport extends Omit<Staged, "tickets"> {
  readonly verdict: Verdict["verdict"];
  readonly contradictions: readonly string[];
  readonly durationMs: number;
  readonly answers: number;
  readonly answersPerSecond: number;
  /** From the first try to the outcome, promised ones included; null where nothing was asked. */
  readonly latencyMs: Record<"all" | Deed["kind"], Latencies>;
  /** How often each ending came, by what was asked for. */
  readonly outcomes: Record<Deed["kind"], Record<string, number>>;
  /** Why requests were tried again, and how often. */
  readonly triedAgain: Record<string, number>;
  readonly tickets: {
    readonly total: number;
    readonly sold: number;
    readonly held: number;
    readonly free: number;
  };
}

export function reportOf(
  staged: Staged,
  deeds: readonly Deed[],
  durationMs: number,
  { verdict, contradictions, count }: Verdict,
): RushReport {
  const of = (kind: Deed["kind"]): Deed[] => deeds.filter((deed) => deed.kind === kind);
  const outcomes = (kind: Deed["kind"]) => tally(of(kind).map(({ told }) => wordOf(told)));
  const answered = deeds.filter(({ told }) => told.status !== "unanswered").length;
  return {
    verdict,
    contradictions,
    ...staged,
    durationMs: Math.round(durationMs),
    answers: answered,
    answersPerSecond: Math.round(answered / (durationMs / 1_000)),
    latencyMs: {
      all: latenciesOf(deeds),
      reserve: latenciesOf(of("reserve")),
      purchase: latenciesOf(of("purchase")),
      cancel: latenciesOf(of("cancel")),
    },
    outcomes: { reserve: outcomes("reserve"), purchase: outcomes("purchase"), cancel: outcomes("cancel") },
    triedAgain: tally(deeds.flatMap(({ troubles }) => troubles)),
    tickets: { total: staged.tickets, ...count },
  };
}

function latenciesOf(deeds: readonly Deed[]): Latencies {
  const took = deeds.map(({ tookMs }) => tookMs);
  const at = (share: number) => (took.length === 0 ? null : Number(quantile(took, share).toFixed(1)));
  return { p50: at(LATENCIES.p50), p95: at(LATENCIES.p95), p99: at(LATENCIES.p99), max: at(LATENCIES.max) };
}

/** Contradictions that people are shown; programs get all. */
const CONTRADICTIONS_SHOWN = 20;

const VERDICTS = {
  correct:
    "correct: the database says what every buyer was told, and every refusal was true when it was given",
  failed: "FAILED: the database and what the buyers were told do not agree",
} as const satisfies Record<Verdict["verdict"], string>;

export function reportText(report: RushReport): string {
  const { tickets, latencyMs, contradictions } = report;
  const again = Object.entries(report.triedAgain).map(([why, times]) => `${times} × ${why}`);
  const table = renderTable([
    [
      `${report.buyers} buyers, ${report.clients} at a time, ${report.gateways} gateway${report.gateways === 1 ? "" : "s"}:` +
        ` ${report.answers} answers in ${(report.durationMs / 1_000).toFixed(1)} s, ${report.answersPerSecond} a second`,
    ],
    [],
    ["asked to", "times", "and got"],
    ...DEEDS.flatMap((kind) => endingRows(kind, report.outcomes[kind])),
    [],
    ["answer after", ...Object.keys(LATENCIES).map((name) => `${name} ms`)],
    ...(["all", ...DEEDS] as const)
      .filter((kind) => latencyMs[kind].max !== null)
      .map((kind) => [kind, ...Object.values(latencyMs[kind]).map(String)]),
    [],
    ...(again.length === 0 ? [] : [[`tried again: ${again.join(", ")}`]]),
    [`${tickets.total} tickets: ${tickets.sold} sold, ${tickets.held} held, ${tickets.free} free`],
    [VERDICTS[report.verdict]],
  ]);
  const hidden = contradictions.length - CONTRADICTIONS_SHOWN;
  return [
    table,
    ...contradictions.slice(0, CONTRADICTIONS_SHOWN).map((line) => `- ${line}`),
    ...(hidden > 0 ? [`- and ${hidden} more; --json shows all`] : []),
  ].join("\n");
}

function endingRows(kind: Deed["kind"], endings: Readonly<Record<string, number>>): Row[] {
  return Object.entries(endings)
    .sort(([, a], [, b]) => b - a)
    .map(([word, times], nth) => [nth === 0 ? kind : "", String(times), word, "", titleOf(word)]);
}

const titleOf = (word: string): string =>
  word in PROBLEMS ? PROBLEMS[word as keyof typeof PROBLEMS].title : "";
