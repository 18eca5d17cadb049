// pnpm bench: Holdfast beside its baselines on the hot event, closed loop, with the correctness gate after each block.
import { writeFileSync } from "node:fs";
import process from "node:process";
import { countArgument, refuseUnknown } from "@holdfast/local/arguments";
import { messageOf } from "@holdfast/local/message-of";
import { type ArgsDef, defineCommand, renderUsage, runCommand } from "citty";
import { goalsOf } from "./figures.ts";
import { blockText, machineText, summaryText, trialText } from "./report.ts";
import { FULL, type RunResult, type RunWish, run, SMOKE } from "./run.ts";
import { isVariant, type VariantName } from "./variants.ts";

const CLIENTS_MAX = 10_000;
const SECONDS_MAX = 40;
const WARM_UP_SECONDS_MAX = 20;
const ROUNDS_MAX = 100;

const ARGUMENTS = {
  clients: {
    type: "string",
    description: `Kept connections, separated by commas (${FULL.clients.join(",")})`,
  },
  seconds: { type: "string", description: `Length of a block after its warm-up (${FULL.seconds})` },
  "warm-up": {
    type: "string",
    description: `Seconds of a block before its clock runs (${FULL.warmUpSeconds})`,
  },
  rounds: { type: "string", description: `Rounds of alternating blocks (${FULL.rounds})` },
  only: { type: "string", description: `Some of ${FULL.variants.join(",")}` },
  json: { type: "string", description: "Also write everything to this file; - for standard output alone" },
  smoke: { type: "boolean", description: "Some seconds in all: asks only whether every row is right" },
} as const satisfies ArgsDef;

const bench = defineCommand({
  meta: { name: "bench", description: "Measure the hot event: Holdfast beside its baselines" },
  args: ARGUMENTS,
  run: async ({ args, rawArgs }) => {
    refuseUnknown(rawArgs, ARGUMENTS);
    const usual = args.smoke ? SMOKE : FULL;
    const count = (name: "seconds" | "warm-up" | "rounds", most: number): number | undefined => {
      const given = args[name];
      return given === undefined ? undefined : countArgument(name, given, most);
    };
    const wish: RunWish = {
      ...usual,
      clients:
        args.clients?.split(",").map((text) => countArgument("clients", text, CLIENTS_MAX)) ?? usual.clients,
      seconds: count("seconds", SECONDS_MAX) ?? usual.seconds,
      warmUpSeconds: count("warm-up", WARM_UP_SECONDS_MAX) ?? usual.warmUpSeconds,
      rounds: count("rounds", ROUNDS_MAX) ?? usual.rounds,
      variants: variantsOf(args.only) ?? usual.variants,
    };
    const say = (text: string): void =>
      void (args.json === "-" ? process.stderr : process.stdout).write(`${text}\n`);
    const interrupted = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const)
      process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));

    const result = await run(
      wish,
      {
        step: say,
        begun: (machine) => say(`\n${machineText(machine)}\n`),
        tried: (trial) => say(trialText(trial)),
        done: (block) => say(blockText(block)),
      },
      interrupted.signal,
    );
    say(`\n${summaryText(result)}`);
    if (args.json === "-") process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    else if (args.json !== undefined) writeFileSync(args.json, `${JSON.stringify(result, null, 2)}\n`);
    if (!holds(result, args.smoke === true)) process.exitCode = 1;
  },
});

function holds({ trials, blocks }: RunResult, smoke: boolean): boolean {
  const clean = [...trials, ...blocks].every(({ faults }) => faults.length === 0);
  return clean && (smoke || goalsOf(blocks).every(({ met }) => met));
}

function variantsOf(given: string | undefined): VariantName[] | undefined {
  return given?.split(",").map((name) => {
    if (!isVariant(name)) throw new Error(`--only takes some of ${FULL.variants.join(", ")}`);
    return name;
  });
}

// `pnpm bench -- --smoke`: whoever is used to npm writes the dashes, and pnpm passes them on.
const rawArgs = process.argv.slice(2).filter((one) => one !== "--");
try {
  if (rawArgs.includes("--help")) process.stdout.write(`${await renderUsage(bench)}\n`);
  else await runCommand(bench, { rawArgs });
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
