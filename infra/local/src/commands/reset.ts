// pnpm reset
import { defineCommand } from "citty";
import { withStores } from "../attach.ts";
import { askForReset } from "../control.ts";
import { resetData } from "../data-reset.ts";
import { lockHolder } from "../lock.ts";
import { openSecrets } from "../secrets.ts";
import { readSettings } from "../settings.ts";
import { readState } from "../state.ts";
import { prepareDataDir } from "../stores.ts";

export const reset = defineCommand({
  meta: { name: "reset", description: "Empty both stores, migrate and seed again; works while running, too" },
  args: {
    force: { type: "boolean", default: false, description: "also a database that was given as DATABASE_URL" },
  },
  run: async ({ args }) => {
    const settings = readSettings();
    const dataDir = prepareDataDir(settings.dataDir);
    const running = lockHolder(dataDir) !== undefined;
    const { launcher } = readState(dataDir);
    const given = settings.databaseUrl !== undefined || (running && launcher?.databaseGiven === true);
    if (given && !args.force) {
      throw new Error("The database was given as DATABASE_URL. To empty it nevertheless: pnpm reset --force");
    }
    const log = (line: string) => process.stdout.write(`${line}\n`);
    if (running) {
      if (launcher === undefined)
        throw new Error("The running start is not ready yet; try again in a moment.");
      await askForReset(launcher.controlPort, openSecrets(dataDir).controlToken, log);
    } else {
      const ownRedis = settings.redisUrl === undefined;
      await withStores(settings, (stores) =>
        resetData({ ...stores, ownRedis, prefix: settings.redisPrefix, log }),
      );
    }
    log("reset done");
  },
});
