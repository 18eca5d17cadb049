// What is checked of a command line before a command runs: that it names nothing unknown, and that counts are counts.
import { parseArgs } from "node:util";
import type { ArgsDef } from "citty";

/** Throws an error that names the first option or argument that the command does not know. */
export function refuseUnknown(rawArgs: string[], known: ArgsDef): void {
  const options: Record<string, { type: "boolean" | "string" }> = {};
  let positionalsMax = 0;
  for (const [name, { type }] of Object.entries(known)) {
    if (type === "positional") positionalsMax += 1;
    else options[name] = { type: type === "boolean" ? "boolean" : "string" };
  }
  const { tokens } = parseArgs({
    args: rawArgs,
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  let positionals = 0;
  for (const token of tokens) {
    if (token.kind === "option" && !Object.hasOwn(options, token.name)) {
      throw new Error(`There is no option ${token.rawName}`);
    }
    if (token.kind === "option" && options[token.name]?.type === "string" && token.value === undefined) {
      throw new Error(`${token.rawName} needs a value`);
    }
    if (token.kind === "option-terminator") throw new Error('There is no argument "--"; leave it out');
    if (token.kind !== "positional") continue;
    positionals += 1;
    if (positionals > positionalsMax) throw new Error(`There is no argument "${token.value}"`);
  }
}

/** A whole number from 1 to `most`. Throws an error that names the argument. */
export function countArgument(name: string, given: string, most: number): number {
  const count = /^\d{1,9}$/.test(given) ? Number(given) : 0;
  if (count < 1 || count > most) throw new Error(`--${name} must be a whole number from 1 to ${most}`);
  return count;
}
