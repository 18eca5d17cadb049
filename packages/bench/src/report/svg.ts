// SVG as text: elements with attributes, everything escaped. Draws nothing by itself.

export type Attributes = Readonly<Record<string, string | number>>;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

export const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => ESCAPES[sign] ?? sign);

/** An element around others. */
export const element = (name: string, attributes: Attributes, inner: readonly string[] = []): string => {
  const head = [name, ...Object.entries(attributes).map(([key, value]) => `${key}="${written(value)}"`)].join(
    " ",
  );
  return inner.length === 0 ? `<${head}/>` : `<${head}>${inner.join("")}</${name}>`;
};

export const text = (words: string, attributes: Attributes): string =>
  element("text", attributes, [escaped(words)]);

/** Tenths of a pixel are enough. */
const written = (value: string | number): string =>
  typeof value === "number" ? String(Math.round(value * 10) / 10) : escaped(value);
