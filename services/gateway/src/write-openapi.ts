// Run by hand after a change of the API: writes `openapi.json`, which a test holds to the running application.
import { writeFile } from "node:fs/promises";
import { endpointsOf } from "./app.ts";
import type { GatewayDeps } from "./deps.ts";
import { openApiOf } from "./openapi.ts";

const undescribed = {} as GatewayDeps; // endpoints are described without being called
const document = openApiOf(endpointsOf(undescribed));
await writeFile(new URL("../openapi.json", import.meta.url), `${JSON.stringify(document, null, 2)}\n`);
