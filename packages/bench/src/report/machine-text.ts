// On what something was measured, in lines of text.
import type { Machine } from "../machine.ts";

export type KnownMachine = Pick<Machine, "cpu" | "cores" | "versions" | "settings" | "syncMs">;

export function machineLines({ cpu, cores, versions, settings, syncMs }: KnownMachine): [string, string][] {
  const list = (given: Readonly<Record<string, string>>, between: string): string =>
    Object.entries(given)
      .map(([name, value]) => `${name}${between}${value}`)
      .join(", ");
  return [
    ["machine", `${cores} × ${cpu}`],
    ["versions", list(versions, " ")],
    ["durability", list(settings, "=")],
    ["disk", `${syncMs.toFixed(3)} ms for 8 kB and fdatasync, median`],
  ];
}
