// Where a value stands on an axis, and which values are marked there. Pure.
import type { Axis } from "../row.ts";

export interface Scale {
  /** From 0, where the axis begins, to 1. Null for what a logarithm does not know. */
  place(value: number): number | null;
  readonly ticks: readonly number[];
}

/** Steps between ticks, about. */
const STEPS = 5;
/** Marked within a decade, when few decades are to be seen. */
const STROKES = [1, 2, 5];
/** Decades above which only every full one is marked. */
const DECADES_FINE_MAX = 2;

export const scaleOf = ({ scale = "linear" }: Axis, values: readonly number[]): Scale =>
  scale === "log" ? logScale(values.filter((value) => value > 0)) : linearScale(values);

/** From zero, for lengths are compared, unless there is less than zero. */
function linearScale(values: readonly number[]): Scale {
  const lowest = Math.min(0, ...values);
  const highest = Math.max(0, ...values);
  const step = roundStep((highest - lowest || 1) / STEPS);
  const from = Math.floor(lowest / step);
  const to = Math.max(from + 1, Math.ceil(highest / step));
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => tidy((from + i) * step));
  return { place: (value) => (value / step - from) / (to - from), ticks };
}

/** The 1, 2 or 5 with noughts that is next above. */
function roundStep(step: number): number {
  const decade = 10 ** Math.floor(Math.log10(step));
  return decade * (STROKES.find((stroke) => stroke * decade >= step * (1 - Number.EPSILON)) ?? 10);
}

function logScale(values: readonly number[]): Scale {
  const lowest = Math.min(...(values.length === 0 ? [1] : values));
  const highest = Math.max(...(values.length === 0 ? [10] : values));
  const fine = Math.log10(highest / lowest) <= DECADES_FINE_MAX;
  const from = Math.floor(Math.log10(lowest));
  const to = Math.ceil(Math.log10(highest));
  const strokes = Array.from({ length: to - from + 1 }, (_, i) =>
    (fine ? STROKES : [1]).map((stroke) => tidy(stroke * 10 ** (from + i))),
  ).flat();
  const first = strokes.findLast((stroke) => stroke <= lowest) ?? lowest;
  const last = strokes.find((stroke) => stroke >= highest && stroke > first) ?? first * 10;
  const ticks = strokes.filter((stroke) => stroke >= first && stroke <= last);
  const width = Math.log10(last / first);
  return { place: (value) => (value > 0 ? Math.log10(value / first) / width : null), ticks };
}

/** Without what binary fractions leave behind. */
const tidy = (value: number): number => Number(value.toPrecision(12));
