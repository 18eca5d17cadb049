// What a rush goes against: the gateways of a running start, or of a system that was named by its address.
import { lockHolder } from "../lock.ts";
import type { LocalSettings } from "../settings.ts";
import { signingSecret } from "../signing-secret.ts";
import { readState } from "../state.ts";
import { prepareDataDir } from "../stores.ts";

export const HOW_TO_START = "start it with: RATE_LIMITS=off npx pnpm@12 start";

export interface Target {
  /** Each gateway's address. */
  readonly urls: readonly string[];
  /** Signs the buyers' tokens. */
  readonly secret: string;
}

/** `given`: addresses separated by commas, or nothing for the running start. Throws an error that says what is missing. */
export function findTarget(settings: LocalSettings, given: string | undefined): Target {
  const urls = given === undefined ? urlsOfRunning(settings) : urlsGiven(settings, given);
  return { urls, secret: signingSecret(settings) };
}

function urlsOfRunning(settings: LocalSettings): string[] {
  const dataDir = prepareDataDir(settings.dataDir);
  if (lockHolder(dataDir) === undefined) throw new Error(`Holdfast is not running; ${HOW_TO_START}`);
  const { services } = readState(dataDir);
  const urls = services.flatMap(({ url, status }) => (url !== undefined && status === "ready" ? [url] : []));
  if (urls.length === 0) throw new Error("No gateway is ready yet; look at: pnpm status");
  return urls;
}

function urlsGiven({ databaseUrl, env }: LocalSettings, given: string): string[] {
  const urls = given.split(",").map((url) => url.trim());
  for (const url of urls) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new Error(`--url: "${url}" is no address such as http://localhost:3000`);
  }
  if (databaseUrl === undefined || env["JWT_SECRET"] === undefined || env["HOLDFAST_MODE"] !== "local") {
    throw new Error(
      "--url needs what that system was started with, in the environment: HOLDFAST_MODE=local, DATABASE_URL " +
        "(for the buyers and the verdict) and JWT_SECRET (for the buyers' tokens).",
    );
  }
  return urls;
}
