// The secret that the gateways check access tokens with, for tools that make people with tokens of their own.
import { openSecrets } from "./secrets.ts";
import type { LocalSettings } from "./settings.ts";
import { prepareDataDir } from "./stores.ts";

/** Throws for a database that may be anybody's. */
export function signingSecret({ databaseUrl, dataDir, env }: LocalSettings): string {
  if (databaseUrl !== undefined && env["HOLDFAST_MODE"] !== "local") {
    throw new Error(
      "The database was given as DATABASE_URL: there, buyers are made only with HOLDFAST_MODE=local.",
    );
  }
  return env["JWT_SECRET"] ?? openSecrets(prepareDataDir(dataDir)).jwtSecret;
}
