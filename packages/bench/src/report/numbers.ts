// Numbers as people read them: few digits, thousands apart.

/** Digits that say something. */
const DIGITS = 3;

/** 12,345 · 123 · 12.3 · 1.23 · 0.0123 */
export const numberText = (value: number): string =>
  Math.abs(value) >= 10 ** (DIGITS - 1)
    ? Math.round(value).toLocaleString("en-GB")
    : Number(value.toPrecision(DIGITS)).toLocaleString("en-GB", { maximumSignificantDigits: DIGITS });

/** As numberText, but short from ten thousand on: 10 k · 2.5 M */
export function tickText(value: number): string {
  const size = Math.abs(value);
  if (size >= 1_000_000) return `${numberText(value / 1_000_000)} M`;
  if (size >= 10_000) return `${numberText(value / 1_000)} k`;
  return numberText(value);
}

/** With its unit: "4.2 ×", "37 ms"; "12 %". */
export const measureText = (value: number, unit: string): string =>
  unit === "" ? numberText(value) : `${numberText(value)} ${unit}`;
