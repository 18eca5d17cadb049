// pnpm demo

import { SLOT_CAPACITY_MAX } from "@holdfast/domain";
import { openClient } from "@holdfast/load";
import { defineCommand } from "citty";
import { withDatabase } from "../attach.ts";
import { NO_PROGRESS, openProgress } from "../demo/progress.ts";
import { type RushReport, reportOf, reportText } from "../demo/report.ts";
import { rush } from "../demo/rush.ts";
import { refuseRateLimits, stageBuyers, stageEvent } from "../demo/stage.ts";
import { findTarget, type Target } from "../demo/target.ts";
import { judge } from "../demo/verdict.ts";
import { type LocalSettings, readSettings } from "../settings.ts";
import { countArgument } from "./arguments.ts";

const MOST_BUYERS = 1_000_000;
const MOST_CLIENTS = 10_000;
/** What a shell tells of a command that Ctrl-C ended. */
const INTERRUPTED = 130;

export const demo = defineCommand({
  meta: {
    name: "demo",
    description: "A rush for an event of its own against the running system, judged by the database",
  },
  args: {
    buyers: { type: "string", default: "2000", description: "how many want a ticket" },
    tickets: { type: "string", default: "500", description: "how many there are" },
    clients: { type: "string", default: "500", description: "how many ask at once" },
    url: { type: "string", description: "gateways of another system, separated by commas" },
    json: { type: "boolean", default: false, description: "for programs: one document at the end" },
  },
  run: async ({ args }) => {
    const wanted: Wanted = {
      buyers: countArgument("buyers", args.buyers, MOST_BUYERS),
      tickets: countArgument("tickets", args.tickets, SLOT_CAPACITY_MAX),
      clients: countArgument("clients", args.clients, MOST_CLIENTS),
      json: args.json,
    };
    const settings = readSettings();
    const target = findTarget(settings, args.url);
    const ending = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ending.abort());
    try {
      const report = await run(settings, target, wanted, ending.signal);
      process.stdout.write(`${wanted.json ? JSON.stringify(report, null, 2) : reportText(report)}\n`);
      process.exitCode = report.verdict === "correct" ? 0 : 1;
    } catch (error) {
      if (!ending.signal.aborted) throw error;
      process.stderr.write("stopped before there was a verdict\n");
      process.exitCode = INTERRUPTED;
    }
  },
});

interface Wanted {
  readonly buyers: number;
  readonly tickets: number;
  readonly clients: number;
  readonly json: boolean;
}

/** Rejects when it is aborted: then every connection is cut, and whoever waits for an answer waits no more. */
async function run(
  settings: LocalSettings,
  { urls, secret }: Target,
  { json, ...wanted }: Wanted,
  signal: AbortSignal,
): Promise<RushReport> {
  const connections = Math.ceil(wanted.clients / urls.length);
  const clients = urls.map((url) => openClient(url, { connections }));
  const closeAll = () => void Promise.all(clients.map((client) => client.close()));
  signal.addEventListener("abort", closeAll, { once: true });
  try {
    await refuseRateLimits(clients);
    return await withDatabase(settings, "holdfast-demo", async (pool) => {
      const eventId = await stageEvent(clients, wanted.tickets);
      const buyers = await stageBuyers(pool, wanted.buyers, secret);
      signal.throwIfAborted();
      const progress = json ? NO_PROGRESS : openProgress({ ...wanted, ...screen(settings) });
      const begun = performance.now();
      const deeds = await rush({
        clients,
        eventId,
        buyers,
        width: wanted.clients,
        signal,
        onDeed: progress.heard,
      }).finally(progress.close);
      const durationMs = performance.now() - begun;
      const verdict = await judge(pool, { eventId, tickets: wanted.tickets, deeds });
      return reportOf({ eventId, ...wanted, gateways: urls.length }, deeds, durationMs, verdict);
    });
  } finally {
    closeAll();
  }
}

/** Lines are drawn again only where somebody sees it and has not asked for plain text. */
const screen = ({ env }: LocalSettings) => ({
  live: process.stdout.isTTY && env["NO_COLOR"] === undefined && env["CI"] === undefined,
  columns: process.stdout.columns,
  write: (text: string) => void process.stdout.write(text),
});
