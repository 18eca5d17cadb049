// pnpm start
import { defineCommand } from "citty";
import { launch } from "../launcher.ts";
import { readSettings } from "../settings.ts";
import { countArgument } from "./arguments.ts";

const MOST_PROCESSES = 32;

export const start = defineCommand({
  meta: { name: "start", description: "Start everything: stores, services. Ctrl-C ends it." },
  args: {
    workers: { type: "string", default: "1", description: "how many reservation workers" },
    gateways: { type: "string", default: "1", description: "how many gateways, on following ports" },
  },
  run: async ({ args }) => {
    process.exitCode = await launch({
      settings: readSettings(),
      workers: countArgument("workers", args.workers, MOST_PROCESSES),
      gateways: countArgument("gateways", args.gateways, MOST_PROCESSES),
    });
  },
});
