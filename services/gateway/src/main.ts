// The gateway: HTTP in, commands out, results back. Opens its stores, listens, stops.
import { runService } from "@holdfast/runtime";
import { GatewayConfig } from "./config.ts";
import { startGateway } from "./server.ts";

await runService("gateway", GatewayConfig, (opening) => startGateway(opening));
