// Opens stores, says where they are, and holds them until it is killed. For the tests of what a killed start leaves.
import { openStores } from "../../src/stores.ts";

const [dataDir = "", cacheDir = ""] = process.argv.slice(2);
const { databaseUrl, redisUrl } = await openStores({ dataDir, cacheDir, env: process.env, log: () => {} });
process.send?.({ databaseUrl, redisUrl });
setInterval(() => {}, 1_000_000);
