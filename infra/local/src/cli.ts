// The command line behind `pnpm start`, `status`, `stop` and the rest. One file a command; this one only chooses.
import {
  type ArgsDef,
  type CommandDef,
  defineCommand,
  renderUsage,
  runCommand,
  type SubCommandsDef,
} from "citty";
import { refuseUnknown } from "./commands/arguments.ts";
import { messageOf } from "./message-of.ts";

const commands = {
  start: () => import("./commands/start.ts").then(({ start }) => start),
  status: () => import("./commands/status.ts").then(({ status }) => status),
  stop: () => import("./commands/stop.ts").then(({ stop }) => stop),
  reset: () => import("./commands/reset.ts").then(({ reset }) => reset),
  diagnose: () => import("./commands/diagnose.ts").then(({ diagnose }) => diagnose),
  demo: () => import("./commands/demo.ts").then(({ demo }) => demo),
  buyers: () => import("./commands/buyers.ts").then(({ buyers }) => buyers),
  "release-expired": () =>
    import("./commands/release-expired.ts").then(({ releaseExpired }) => releaseExpired),
  role: () => import("./commands/role.ts").then(({ role }) => role),
  fsck: () => import("./commands/fsck.ts").then(({ fsck }) => fsck),
} satisfies SubCommandsDef;

const main = defineCommand({
  meta: { name: "holdfast", description: "Holdfast on this machine" },
  subCommands: commands,
});

async function run([name = "--help", ...rest]: string[]): Promise<void> {
  const asksForHelp = [name, ...rest].some((one) => one === "--help" || one === "-h");
  const command = isCommand(name) ? ((await commands[name]()) as CommandDef) : undefined;
  const usage = () => (command === undefined ? renderUsage(main) : renderUsage(command));
  if (asksForHelp) {
    process.stdout.write(`${await usage()}\n`);
    return;
  }
  try {
    if (command === undefined) throw new Error(`There is no command "${name}"`);
    refuseUnknown(rest, (command.args ?? {}) as ArgsDef);
  } catch (error) {
    throw new Error(`${messageOf(error)}\n\n${await usage()}`, { cause: error });
  }
  await runCommand(command, { rawArgs: rest });
}

function isCommand(name: string): name is keyof typeof commands {
  return Object.hasOwn(commands, name);
}

/** What a command ends with that could not do what it was asked for. */
const FAILED = 1;
/** `fsck` says 1 of what it found. */
const COULD_NOT_LOOK = 2;

// `pnpm start -- --workers 2`: whoever is used to npm writes the dashes, and pnpm passes them on.
const line = process.argv.slice(2).filter((one) => one !== "--");
try {
  await run(line);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = line[0] === "fsck" ? COULD_NOT_LOOK : FAILED;
}
// Whatever a command left open must not keep the terminal waiting.
setTimeout(() => process.exit(), 500).unref();
