// pnpm stop
import { existsSync } from "node:fs";
import { defineCommand } from "citty";
import { endEarlierStart } from "../launcher.ts";
import { lockHolder } from "../lock.ts";
import { readSettings } from "../settings.ts";
import { prepareDataDir } from "../stores.ts";

export const stop = defineCommand({
  meta: { name: "stop", description: "End a running start, and what a killed one left behind" },
  run: async () => {
    const settings = readSettings();
    const ended = existsSync(settings.dataDir) ? await stopOn(prepareDataDir(settings.dataDir)) : [];
    process.stdout.write(ended.length === 0 ? "Nothing was running.\n" : `Ended ${ended.join(", ")}.\n`);
  },
});

async function stopOn(dataDir: string): Promise<string[]> {
  return await endEarlierStart(dataDir, lockHolder(dataDir)?.pid);
}
