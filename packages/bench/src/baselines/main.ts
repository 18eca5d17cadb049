// A baseline as a process: the gateway as it is, with another way to carry out commands behind its door.
// Arguments: which one, and how many database connections it may use.
import process from "node:process";
import { GatewayConfig } from "@holdfast/gateway/config";
import { startGateway } from "@holdfast/gateway/server";
import { runService } from "@holdfast/runtime";
import { createBaseline } from "./baseline.ts";
import { BASELINE_NAMES } from "./names.ts";

const [wanted, connections] = process.argv.slice(2);
const name = BASELINE_NAMES.find((one) => one === wanted);
if (name === undefined) throw new Error(`there is no baseline ${wanted}`);

await runService("baseline", GatewayConfig, async (opening) => {
  const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, REDIS_PREFIX: prefix } = opening.config;
  const baseline = await createBaseline(name, {
    databaseUrl,
    redisUrl,
    prefix,
    connections: Number(connections),
  });
  const gateway = await startGateway(opening, ({ onError }) => baseline.commands(onError));
  return {
    ...gateway,
    stop: async () => {
      await gateway.stop();
      await baseline.close();
    },
  };
});
