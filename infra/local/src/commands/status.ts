// pnpm status
import { defineCommand } from "citty";
import { inspect } from "../inspection.ts";
import { readSettings } from "../settings.ts";
import { renderTable } from "../table.ts";

export const status = defineCommand({
  meta: { name: "status", description: "What runs: pids, ports, versions, data directory" },
  args: { json: { type: "boolean", default: false, description: "for programs" } },
  run: async ({ args }) => {
    const found = await inspect(readSettings());
    if (args.json) {
      process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
      return;
    }
    const text = (value: string | number | undefined) => (value === undefined ? "-" : String(value));
    const rows = [
      [found.running ? `Holdfast is running (pid ${text(found.launcherPid)})` : "Holdfast is not running"],
      [],
      ["what", "status", "pid", "address", "version or restarts", "metrics"],
      ...found.stores.map((store) => [
        store.name,
        store.status,
        text(store.pid),
        text(store.address),
        text(store.version),
      ]),
      ...found.services.map((service) => [
        service.name,
        service.status,
        text(service.pid),
        text(service.url),
        `restarted ${service.restarts} times`,
        text(service.metricsUrl),
      ]),
      [],
      [`data ${found.dataDir} · Node ${found.versions.node} · Holdfast ${found.versions.holdfast}`],
    ];
    process.stdout.write(`${renderTable(rows)}\n`);
  },
});
