// The text of `pnpm diagnose`: versions, stores, durability, services, queues, last log lines. Holds no secret.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { askPostgres, askRedis, inspect, knownUrls } from "./inspection.ts";
import { openSecrets } from "./secrets.ts";
import type { LocalSettings } from "./settings.ts";

const LOG_LINES = 8;
/** How much of a log's end is read for its last lines. */
const LOG_TAIL_BYTES = 64 * 1024;
const HEALTH_MS = 2_000;
const SCAN_COUNT = 1_000;
const GIB = 1024 ** 3;

/** Settings that decide what a crash may cost, and how many locks the drains may hold. */
const POSTGRES_SETTINGS = [
  "fsync",
  "synchronous_commit",
  "full_page_writes",
  "max_connections",
  "max_locks_per_transaction",
  "shared_buffers",
];
const REDIS_SETTINGS = ["appendonly", "appendfsync", "maxmemory", "maxmemory-policy"];
const ROW_COUNTS = [
  "users",
  "events",
  "reservations",
  "waitlist_entries",
  "accepted_commands",
  "outcomes",
  "webhook_endpoints",
  "webhook_messages",
  "webhook_deliveries",
];

/** Asks everything that runs and writes down what it says; what does not answer is said, too. */
export async function diagnosis(settings: LocalSettings): Promise<string> {
  const found = await inspect(settings);
  const urls = knownUrls(settings, found.dataDir);
  const parts = [
    section("Machine", [
      `${platform()} ${release()} ${arch()}, ${cpus().length} cores, ${(totalmem() / GIB).toFixed(1)} GiB`,
      `Node ${found.versions.node}, Holdfast ${found.versions.holdfast}, user id ${process.getuid?.() ?? "-"}`,
      `data directory ${found.dataDir}`,
      found.running
        ? `running, pid ${found.launcherPid}, since ${found.startedAt ?? "(starting)"}`
        : "not running",
    ]),
    section(
      "Stores",
      found.stores.map(
        (store) =>
          `${store.name} ${store.version ?? ""}: ${store.status}${store.address === undefined ? "" : ` at ${store.address}`}` +
          ` (${store.source ?? "never started"})`,
      ),
    ),
    section("PostgreSQL settings", await answerOf(urls.database, postgresSettings)),
    section("Redis settings", await answerOf(urls.redis, redisSettings)),
    section("Rows", await answerOf(urls.database, rowCounts)),
    section("Queues", await answerOf(urls.redis, (url) => queueDepths(url, settings.redisPrefix))),
    section(
      "Services",
      await Promise.all(
        found.services.map(
          async ({ name, status, pid, url, restarts }) =>
            `${name}: ${status}, pid ${pid ?? "-"}, restarted ${restarts} times${url === undefined ? "" : await health(url)}`,
        ),
      ),
    ),
    ...lastLogLines(join(found.dataDir, "logs")),
  ];
  return withoutSecrets(parts.join("\n\n"), found.dataDir);
}

/** What a store says when it is asked, or why it says nothing. */
async function answerOf(
  url: string | undefined,
  ask: (url: string) => Promise<string[] | undefined>,
): Promise<string[]> {
  if (url === undefined) return ["(not running)"];
  return (await ask(url)) ?? ["(no answer)"];
}

async function postgresSettings(url: string): Promise<string[] | undefined> {
  return await askPostgres(url, async (client) => {
    const { rows } = await client.query<{ name: string; value: string }>(
      "select name, current_setting(name) as value from pg_settings where name = any($1) order by name",
      [POSTGRES_SETTINGS],
    );
    return rows.map(({ name, value }) => `${name} = ${value}`);
  });
}

async function redisSettings(url: string): Promise<string[] | undefined> {
  return await askRedis(url, async (redis) => {
    const memory = /used_memory_human:(\S+)/.exec(await redis.info("memory"))?.[1] ?? "?";
    const lines: string[] = [];
    for (const name of REDIS_SETTINGS) {
      const [, value] = (await redis.config("GET", name)) as string[];
      lines.push(`${name} = ${value ?? "?"}`);
    }
    return [...lines, `memory in use = ${memory}`, `keys = ${await redis.dbsize()}`];
  });
}

async function rowCounts(url: string): Promise<string[] | undefined> {
  return await askPostgres(url, async (client) => {
    const lines: string[] = [];
    for (const table of ROW_COUNTS) {
      const { rows } = await client.query<{ there: boolean }>("select to_regclass($1) is not null as there", [
        table,
      ]);
      if (rows[0]?.there !== true) continue;
      const counted = await client.query<{ count: number }>(`select count(*)::int as count from ${table}`);
      lines.push(`${table}: ${counted.rows[0]?.count ?? 0}`);
    }
    return lines;
  });
}

/** Depths of the queues that always exist, and how many event queues hold commands. */
async function queueDepths(url: string, prefix: string): Promise<string[] | undefined> {
  return await askRedis(url, async (redis) => {
    const perQueue = new Map<string, { waiting: number; active: number; delayed: number }>();
    for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: SCAN_COUNT })) {
      for (const key of keys as string[]) {
        const [, queue, part] = /^(.+):(wait|active|delayed)$/.exec(key.slice(prefix.length + 1)) ?? [];
        if (queue === undefined || part === undefined) continue;
        const depth = perQueue.get(queue) ?? { waiting: 0, active: 0, delayed: 0 };
        if (part === "wait") depth.waiting = await redis.llen(key);
        if (part === "active") depth.active = await redis.llen(key);
        if (part === "delayed") depth.delayed = await redis.zcard(key);
        perQueue.set(queue, depth);
      }
    }
    const events = [...perQueue].filter(([queue]) => queue.startsWith("{evt_"));
    const fixed = [...perQueue].filter(([queue]) => !queue.startsWith("{evt_"));
    const waiting = events.reduce((sum, [, depth]) => sum + depth.waiting + depth.active, 0);
    return [
      `event queues with jobs: ${events.length}, jobs in them: ${waiting}`,
      ...fixed.map(
        ([queue, d]) => `${queue}: ${d.waiting} waiting, ${d.active} active, ${d.delayed} delayed`,
      ),
    ];
  });
}

async function health(url: string): Promise<string> {
  const answers = await Promise.all(
    ["/livez", "/readyz"].map(async (path) => {
      try {
        const { status } = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(HEALTH_MS) });
        return `${path} ${status}`;
      } catch {
        return `${path} no answer`;
      }
    }),
  );
  return `, at ${url}, ${answers.join(", ")}`;
}

function lastLogLines(logsDir: string): string[] {
  if (!existsSync(logsDir)) return [];
  return readdirSync(logsDir)
    .filter((name) => name.endsWith(".log"))
    .sort()
    .map((name) => {
      const tail = readFileSync(join(logsDir, name)).subarray(-LOG_TAIL_BYTES).toString("utf8");
      return section(`Last lines of ${name}`, tail.trimEnd().split("\n").slice(-LOG_LINES));
    });
}

/** The text with every known secret, and every password in an address, blotted out. */
function withoutSecrets(text: string, dataDir: string): string {
  const secrets = existsSync(join(dataDir, "secrets.json")) ? Object.values(openSecrets(dataDir)) : [];
  const blotted = secrets.reduce((all, secret) => all.replaceAll(secret, "[secret]"), text);
  return blotted.replace(/(\w+:\/\/[^\s:/@]*:)[^\s@]+@/g, "$1[secret]@");
}

function section(title: string, lines: string[]): string {
  return `${title}\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
