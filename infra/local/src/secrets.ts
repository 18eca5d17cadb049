// The data directory's secrets: made once, completed when a newer version needs more, readable by their owner only, never printed.
import { hkdfSync, randomBytes } from "node:crypto";
import { chmodSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const SECRET_BYTES = 32;
const secret = z.string().min(32);
/** What the first version made. Without these a file is not ours. */
const firstShape = z.object({
  postgresPassword: secret,
  redisPassword: secret,
  jwtSecret: secret,
  controlToken: secret,
});
const secretsShape = firstShape.extend({ webhookEncryptionKey: secret });

export type LocalSecrets = z.infer<typeof secretsShape>;

/** Reads the secrets, making them at the first call. Throws when the file is not what this made. */
export function openSecrets(dataDir: string): LocalSecrets {
  const path = join(dataDir, "secrets.json");
  const fresh: LocalSecrets = {
    postgresPassword: newSecret(),
    redisPassword: newSecret(),
    jwtSecret: newSecret(),
    controlToken: newSecret(),
    webhookEncryptionKey: newSecret(),
  };
  write(path, fresh, (made) => {
    try {
      linkSync(made, path); // fails when there are secrets already: those stay
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  });
  chmodSync(path, 0o600);
  const found: unknown = JSON.parse(readFileSync(path, "utf8"));
  const first = firstShape.safeParse(found);
  const earlier = first.success && !("webhookEncryptionKey" in (found as object));
  const whole = secretsShape.safeParse(earlier ? completed(first.data) : found);
  if (!whole.success) throw new Error(`${path} is damaged; move it away together with its data directory`);
  if (earlier) write(path, whole.data, (made) => renameSync(made, path));
  return whole.data;
}

/** An earlier version's secrets and what they lack. Derived, not drawn: whoever else completes them at this moment, too, must
 * come to the same. */
function completed(first: z.infer<typeof firstShape>): LocalSecrets {
  const key = hkdfSync("sha256", first.controlToken, "", "webhook-encryption-key", SECRET_BYTES);
  return { ...first, webhookEncryptionKey: Buffer.from(key).toString("base64url") };
}

/** Has `put` bring a file with these secrets to its place, whole or not at all. */
function write(path: string, secrets: LocalSecrets, put: (made: string) => void): void {
  const made = `${path}.${process.pid}`;
  try {
    writeFileSync(made, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
    put(made);
  } finally {
    rmSync(made, { force: true });
  }
}

function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString("base64url");
}
