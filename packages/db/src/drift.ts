// A check, run by `pnpm check`: do the migrations say what the schema says? Needs no database.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MIGRATIONS_FOLDER } from "./migrate.ts";

const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "holdfast-drift-"));
try {
  cpSync(MIGRATIONS_FOLDER, scratch, { recursive: true });
  const before = readdirSync(scratch).length;
  const { status, stdout, stderr } = spawnSync(
    join(packageFolder, "node_modules/.bin/drizzle-kit"),
    [
      "generate",
      "--dialect",
      "postgresql",
      "--schema",
      "./src/schema.ts",
      "--out",
      scratch,
      "--name",
      "drift",
    ],
    { cwd: packageFolder, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`drizzle-kit ended with ${status}: ${stdout}${stderr}`);
  if (readdirSync(scratch).length > before) {
    process.stderr.write(
      `The schema has changed and no migration says so. Run drizzle-kit generate.\n${stdout}\n`,
    );
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
