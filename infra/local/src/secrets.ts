// The data directory's secrets: made once, readable by their owner only, never printed.
import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const SECRET_BYTES = 32;
const secret = z.string().min(32);
const secretsShape = z.object({
  postgresPassword: secret,
  redisPassword: secret,
  jwtSecret: secret,
  controlToken: secret,
});

export type LocalSecrets = z.infer<typeof secretsShape>;

/** Reads the secrets, making them at the first call. Throws when the file is not what this made. */
export function openSecrets(dataDir: string): LocalSecrets {
  const path = join(dataDir, "secrets.json");
  const made = `${path}.${process.pid}`;
  const fresh: LocalSecrets = {
    postgresPassword: newSecret(),
    redisPassword: newSecret(),
    jwtSecret: newSecret(),
    controlToken: newSecret(),
  };
  try {
    writeFileSync(made, `${JSON.stringify(fresh, null, 2)}\n`, { mode: 0o600 });
    linkSync(made, path); // fails when there are secrets already: those stay
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(made, { force: true });
  }
  chmodSync(path, 0o600);
  const parsed = secretsShape.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (!parsed.success) throw new Error(`${path} is damaged; move it away together with its data directory`);
  return parsed.data;
}

function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString("base64url");
}
