// The migrator: brings the database to the newest schema and, in local mode, fills an empty one. Then it ends.
import { runTask } from "@holdfast/runtime";
import { MigratorConfig } from "./config.ts";
import { prepareDatabase } from "./prepare.ts";

await runTask("migrator", MigratorConfig, ({ config, log }) => prepareDatabase(config, log));
