// A run in words, for a terminal. Computes nothing that `figures` does not.

import { median } from "@holdfast/load";
import type { Block } from "./block.ts";
import { blocksOf, goalsOf, ratios } from "./figures.ts";
import type { Machine } from "./machine.ts";
import type { RoundBlock, RunResult } from "./run.ts";
import { VARIANTS } from "./variants.ts";

/** Of the machine's time, what may go to others before the report warns. */
const OTHERS_SHARE_MAX = 0.1;

const percent = (share: number): string => `${Math.round(share * 100)} %`;
const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
const times = (value: number): string => `${value.toFixed(2)} ×`;

export function machineText({ cpu, cores, versions, settings, syncMs }: Machine): string {
  const list = (given: Readonly<Record<string, string>>, between: string): string =>
    Object.entries(given)
      .map(([name, value]) => `${name}${between}${value}`)
      .join(", ");
  return [
    `machine     ${cores} × ${cpu}`,
    `versions    ${list(versions, " ")}`,
    `durability  ${list(settings, "=")}`,
    `disk        ${syncMs.toFixed(3)} ms for 8 kB and fdatasync, median`,
  ].join("\n");
}

export const trialText = (trial: Block): string =>
  `pool of ${String(trial.pool).padStart(2)} for ${VARIANTS[trial.variant].title}: ${whole(trial.perSecond)}/s` +
  faultsText(trial);

export function blockText(block: RoundBlock): string {
  const cpu = Object.entries(block.cpuMicros)
    .map(([name, micros]) => `${name} ${whole(micros)}`)
    .join(", ");
  const pool = block.pool === null ? "" : `, pool of ${block.pool}`;
  return [
    `round ${block.round}, ${whole(block.clients)} clients, ${VARIANTS[block.variant].title}${pool}`,
    `  ${whole(block.perSecond)}/s, ${whole(block.answered)} answered; P50 ${whole(block.p50Ms)} ms, P99 ${whole(block.p99Ms)} ms; ` +
      `${block.commandsPerCommit.toFixed(1)} commands a commit`,
    `  CPU µs a command: ${whole(block.cpuMicrosServing)} (${cpu})`,
    `  of the machine: idle ${percent(block.idleShare)}, generator ${percent(block.generatorShare)}, ` +
      `other programs ${percent(block.othersShare)}${faultsText(block)}`,
  ].join("\n");
}

const faultsText = ({ faults }: Block): string =>
  faults.map((fault) => `\n  COUNTS FOR NOTHING: ${fault}`).join("");

/** The table of medians and the goals. */
export function summaryText({ wish, blocks }: RunResult): string {
  const heading = ["clients", "variant", "a second", "P50 ms", "P99 ms", "CPU µs", "a commit", "B0", "B1"];
  const rows = wish.clients.flatMap((clients) =>
    wish.variants.map((variant) => {
      const those = blocksOf(blocks, variant, clients);
      if (those.length === 0) return [whole(clients), VARIANTS[variant].title, "counts for nothing"];
      const of = (figure: (block: RoundBlock) => number): number => median(those.map(figure));
      const over = (base: "b0" | "b1"): string => {
        const seen = variant === "holdfast" ? ratios(blocks, base, clients) : [];
        return seen.length === 0 ? "" : times(median(seen));
      };
      return [
        whole(clients),
        VARIANTS[variant].title,
        whole(of((block) => block.perSecond)),
        whole(of((block) => block.p50Ms)),
        whole(of((block) => block.p99Ms)),
        whole(of((block) => block.cpuMicrosServing)),
        of((block) => block.commandsPerCommit).toFixed(1),
        over("b0"),
        over("b1"),
      ];
    }),
  );
  const others = Math.max(...blocks.map(({ othersShare }) => othersShare));
  const noise =
    others > OTHERS_SHARE_MAX
      ? [
          `other programs took up to ${percent(others)} of the machine: not a measurement, and CPU times run high, too`,
        ]
      : [];
  const goals = goalsOf(blocks).map(
    ({ sentence, value, met }) =>
      `${met ? "PASS" : "FAIL"}  ${sentence}: ${value.toFixed(value < 10 ? 3 : 1)}`,
  );
  return [
    `medians of ${wish.rounds} rounds of ${wish.seconds} s, after ${wish.warmUpSeconds} s to warm up`,
    table([heading, ...rows]),
    ...noise,
    "",
    ...goals,
  ].join("\n");
}

/** Text to the left, figures to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 1 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
