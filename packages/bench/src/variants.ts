// What is compared: each a set of real processes behind one address.
import { type ServiceProcess, spawnProgram, spawnService } from "@holdfast/testkit/service";
import type { BaselineName } from "./baselines/names.ts";

const BASELINE_PROGRAM = new URL("baselines/main.ts", import.meta.url);
const PLAIN_WORKER_PROGRAM = new URL("baselines/plain-worker-main.ts", import.meta.url);

interface Variant {
  readonly title: string;
  readonly baseline: BaselineName | null;
  /** Database connections that it is tried with: the best is compared. None where nothing depends on it. */
  readonly pools: readonly number[];
  /** Whether it keeps what it answers. */
  readonly writes: boolean;
}

const POOL_SIZES = [4, 8, 16];
/** One job at a time takes one connection. */
const PLAIN_WORKER_POOL = [1];

export const VARIANTS = {
  holdfast: { title: "Holdfast", baseline: null, pools: [], writes: true },
  b0: { title: "B0, FOR UPDATE", baseline: "row-lock", pools: POOL_SIZES, writes: true },
  b1: { title: "B1, one call", baseline: "one-call", pools: POOL_SIZES, writes: true },
  b2: { title: "B2, plain BullMQ", baseline: "plain-queue", pools: PLAIN_WORKER_POOL, writes: true },
  b3: { title: "B3, HTTP alone", baseline: "echo", pools: [], writes: false },
} as const satisfies Record<string, Variant>;
export type VariantName = keyof typeof VARIANTS;

export interface Place {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly jwtSecret: string;
  /** Environment beside the usual. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface Running {
  readonly url: string;
  readonly processes: ReadonlyMap<string, ServiceProcess>;
  /** Rejects when a process does not end as it should. */
  stop(): Promise<void>;
}

/** Starts the processes with the settings that they have by default, but for the rate limits: these would answer. */
export async function startVariant(name: VariantName, pool: number | null, place: Place): Promise<Running> {
  const env = {
    DATABASE_URL: place.databaseUrl,
    REDIS_URL: place.redisUrl,
    JWT_SECRET: place.jwtSecret,
    PORT: "0",
    RATE_LIMITS: "off",
    WEBHOOK_ENCRYPTION_KEY: place.jwtSecret,
    ...place.settings,
  };
  const { baseline } = VARIANTS[name];
  const gateway =
    baseline === null
      ? spawnService("gateway", env)
      : spawnProgram("gateway", BASELINE_PROGRAM, env, [baseline, String(pool)]);
  const processes = new Map([["gateway", gateway]]);
  if (baseline === null) {
    processes.set("reservation-worker", spawnService("reservation-worker", env));
    processes.set("expiry-worker", spawnService("expiry-worker", env));
    processes.set("waitlist-worker", spawnService("waitlist-worker", env));
    processes.set("webhook-worker", spawnService("webhook-worker", env));
  }
  if (baseline === "plain-queue")
    processes.set("plain-worker", spawnProgram("plain-worker", PLAIN_WORKER_PROGRAM, env, [String(pool)]));
  const stop = async (): Promise<void> => {
    const ends = await Promise.all(
      [...processes].map(async ([of, service]) => ({ of, ...(await service.stop()) })),
    );
    const bad = ends
      .filter(({ code }) => code !== 0)
      .map(({ of, code, signal }) => `${of} (${signal ?? code})`);
    if (bad.length > 0) throw new Error(`did not stop as promised: ${bad.join(", ")}`);
  };
  try {
    await Promise.all([...processes.values()].map(({ ready }) => ready));
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
  return { url: gateway.url, processes, stop };
}
