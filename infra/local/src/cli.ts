// The command line behind `pnpm start`, `status`, `stop` and the rest. One file a command; this one only chooses.
import { defineCommand, runCommand, showUsage } from "citty";

const main = defineCommand({
  meta: { name: "holdfast", description: "Holdfast on this machine" },
  subCommands: {
    start: () => import("./commands/start.ts").then(({ start }) => start),
    status: () => import("./commands/status.ts").then(({ status }) => status),
    stop: () => import("./commands/stop.ts").then(({ stop }) => stop),
    reset: () => import("./commands/reset.ts").then(({ reset }) => reset),
    diagnose: () => import("./commands/diagnose.ts").then(({ diagnose }) => diagnose),
    buyers: () => import("./commands/buyers.ts").then(({ buyers }) => buyers),
    "release-expired": () =>
      import("./commands/release-expired.ts").then(({ releaseExpired }) => releaseExpired),
    role: () => import("./commands/role.ts").then(({ role }) => role),
  },
});

const rawArgs = process.argv.slice(2);
try {
  if (rawArgs.length === 0 || rawArgs.includes("--help") || rawArgs.includes("-h")) await showUsage(main);
  else await runCommand(main, { rawArgs });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
// Whatever a command left open must not keep the terminal waiting.
setTimeout(() => process.exit(), 500).unref();
