// B2's worker as a process. Argument: how many database connections it may use.
import process from "node:process";
import { runService, StoresConfig, tellTrouble } from "@holdfast/runtime";
import { startPlainWorker } from "./plain-worker.ts";

await runService("plain-worker", StoresConfig, async ({ config, log }) => {
  const worker = await startPlainWorker(config.DATABASE_URL, Number(process.argv[2]), {
    redisUrl: config.REDIS_URL,
    prefix: config.REDIS_PREFIX,
    onError: tellTrouble(log, "a store had trouble"),
  });
  return { stop: () => worker.close() };
});
