// The examples of the package's README, as somebody who copies them has them.
import { readFile } from "node:fs/promises";

const README = new URL("../README.md", import.meta.url);

export interface Example {
  /** The heading that it stands under. */
  readonly name: string;
  readonly code: string;
}

export async function readExamples(): Promise<Example[]> {
  const sections = (await readFile(README, "utf8")).split(/^## /m).slice(1);
  return sections.flatMap((section) => {
    const name = section.slice(0, section.indexOf("\n"));
    return [...section.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => ({ name, code }));
  });
}
