// How a rush looks while it runs: on a terminal a few lines that are drawn again and again, elsewhere a line now and then.
import { quantile } from "@holdfast/load";
import { type Deed, wordOf } from "./rush.ts";

/** Milliseconds between two drawings, and between two lines where nothing can be drawn. */
const DRAW_EVERY_MS = 100;
const LINE_EVERY_MS = 1_000;
const BAR_WIDTH = 30;
/** Answers that the shown speed and latencies are about: the latest ones. */
const LATEST_MAX = 1_000;

export interface Progress {
  heard(deed: Deed): void;
  /** Shows how it stands once more, and no further. */
  close(): void;
}

export const NO_PROGRESS: Progress = { heard: () => {}, close: () => {} };

export interface Seen {
  readonly buyers: number;
  readonly tickets: number;
  /** Whether lines can be drawn again. */
  readonly live: boolean;
  /** What fits into a line that is drawn again: one that wraps would be two. */
  readonly columns: number;
  readonly write: (text: string) => void;
}

export function openProgress({ buyers, tickets, live, columns, write }: Seen): Progress {
  const counts = { held: 0, refused: 0, purchased: 0, cancelled: 0, again: 0 };
  const latest: { readonly at: number; readonly tookMs: number }[] = [];
  let drawn = 0;

  const lines = (): string[] => {
    const asked = counts.held + counts.refused;
    const took = latest.map(({ tookMs }) => tookMs);
    const ms = (share: number) => (took.length === 0 ? "-" : quantile(took, share).toFixed(0));
    return [
      `reserve  ${bar(asked / buyers)} ${asked} of ${buyers} asked: ${counts.held} held, ${counts.refused} refused`,
      `buy      ${bar(counts.purchased / tickets)} ${counts.purchased} of ${tickets} sold, ${counts.cancelled} given back`,
      `answers  ${speed()} a second, p50 ${ms(0.5)} ms, p99 ${ms(0.99)} ms, tried again ${counts.again}`,
    ];
  };
  const speed = (): number => {
    const first = latest[0]?.at ?? 0;
    const seconds = ((latest.at(-1)?.at ?? 0) - first) / 1_000;
    return seconds > 0 ? Math.round((latest.length - 1) / seconds) : 0;
  };
  const show = (): void => {
    const now = lines();
    const back = drawn === 0 ? "" : `\u001B[${drawn}A`;
    if (live) write(`${back}${now.map((line) => `\u001B[2K${line.slice(0, columns - 1)}\n`).join("")}`);
    else write(`${now.map((line) => line.replaceAll(/\s+/g, " ")).join(" | ")}\n`);
    drawn = now.length;
  };

  const timer = setInterval(show, live ? DRAW_EVERY_MS : LINE_EVERY_MS);
  return {
    heard({ kind, told, tookMs, troubles }) {
      latest.push({ at: performance.now(), tookMs });
      if (latest.length > LATEST_MAX) latest.shift();
      counts.again += troubles.length;
      const word = wordOf(told);
      if (word === "held" || word === "purchased" || word === "cancelled") counts[word] += 1;
      else if (kind === "reserve") counts.refused += 1;
    },
    close() {
      clearInterval(timer);
      show();
    },
  };

  function bar(share: number): string {
    const filled = Math.round(Math.min(1, share) * BAR_WIDTH);
    if (!live) return "";
    return "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  }
}
