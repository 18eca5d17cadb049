// `pnpm start` as somebody runs it, with the real services and stores, on a data directory of its own.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { eachLine } from "../src/output.ts";
import { LOOPBACK } from "../src/ports.ts";
import { runningPostgres } from "../src/postgres.ts";
import { isAlive, signalProcess, waitForEnd } from "../src/process.ts";
import { runningRedis } from "../src/redis.ts";
import { readState } from "../src/state.ts";
import { dataDirFrom, removeDataDir, stopLeftoverStores } from "../src/stores.ts";

const CLI = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
const TEST_MS = 180_000;
/** From Ctrl-C to nothing. */
const STOP_MS = 5_000;

interface Started {
  child: ChildProcess;
  url: string;
  output: string[];
  /** Waits for a line with that text, beginning with the next one. */
  says(text: string): Promise<void>;
}

function environment(dataDir: string): NodeJS.ProcessEnv {
  const { PATH } = process.env;
  return { PATH, HOLDFAST_DATA_DIR: dataDir, LOG_LEVEL: "info" };
}

function temporaryDataDir(): string {
  const dataDir = mkdtempSync(join(tmpdir(), "holdfast-local-"));
  chmodSync(dataDir, 0o711);
  const fetched = join(dataDirFrom(process.env), "redis-program");
  if (existsSync(fetched)) symlinkSync(fetched, join(dataDir, "redis-program"));
  onTestFinished(async () => {
    await stopLeftoverStores(dataDir);
    removeDataDir(dataDir);
  });
  return dataDir;
}

/** Starts and waits for the table that says how to go on. */
async function start(dataDir: string, ...parameters: string[]): Promise<Started> {
  const child = spawn(process.execPath, [CLI, "start", ...parameters], {
    env: environment(dataDir),
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const output: string[] = [];
  const waiting = new Map<string, () => void>();
  const url = await new Promise<string>((resolve, reject) => {
    eachLine(child.stdout, (line) => {
      output.push(line);
      for (const [text, resume] of waiting) if (line.includes(text)) resume();
      if (line.includes("pnpm stop")) resolve(/API +(\S+)/.exec(output.join("\n"))?.[1] ?? "");
    });
    child.once("exit", () => reject(new Error(`it ended:\n${output.join("\n")}`)));
  });
  const says = (text: string) => new Promise<void>((resume) => waiting.set(text, resume));
  return { child, url, output, says };
}

async function command(dataDir: string, ...parameters: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...parameters], {
    env: environment(dataDir),
  });
  return stdout;
}

async function eventIds(url: string): Promise<string[]> {
  const response = await fetch(`${url}/v1/events`);
  const { data } = (await response.json()) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

/** The lines of the table that names them. */
function scenarios({ output }: Started): string[] {
  const [, , ...lines] = output.slice(output.findIndex((line) => line.includes("Scenarios")));
  const end = lines.findIndex((line) => line.startsWith("└"));
  return lines.slice(0, end);
}

/** Makes it the data directory of a version that had no webhooks. */
function forgetWebhookKey(dataDir: string): void {
  const path = join(dataDir, "secrets.json");
  const { webhookEncryptionKey: _later, ...earlier } = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify(earlier));
}

/** Sends Ctrl-C to the whole process group, as a terminal does, and waits for the end. Returns how long it took. */
async function interrupt({ child }: Started): Promise<number> {
  const ended = once(child, "exit");
  const begun = performance.now();
  process.kill(-(child.pid ?? 0), "SIGINT");
  expect(await ended).toEqual([0, null]);
  return performance.now() - begun;
}

test("F1 one command starts everything, Ctrl-C ends it within 5 s and leaves nothing, a second start keeps the data", {
  timeout: TEST_MS,
}, async () => {
  const dataDir = temporaryDataDir();
  const first = await start(dataDir, "--workers", "2", "--gateways", "2");
  expect((await fetch(`${first.url}/readyz`)).status).toBe(200);
  const seeded = await eventIds(first.url);
  expect(seeded.length).toBeGreaterThan(0);
  expect(scenarios(first)).toHaveLength(7);
  const { services } = readState(dataDir);
  expect(services.map(({ name, status }) => `${name} ${status}`)).toEqual([
    "reservation-worker ready",
    "reservation-worker-2 ready",
    "expiry-worker ready",
    "waitlist-worker ready",
    "webhook-worker ready",
    "gateway ready",
    "gateway-2 ready",
  ]);
  const pids = services.map(({ pid }) => pid ?? 0);

  expect(await interrupt(first)).toBeLessThan(STOP_MS);
  expect(pids.filter((pid) => isAlive(pid))).toEqual([]);
  expect([runningPostgres(dataDir), runningRedis(dataDir)]).toEqual([undefined, undefined]);
  await expect(fetch(first.url)).rejects.toThrow();

  forgetWebhookKey(dataDir);
  const second = await start(dataDir);
  expect(await eventIds(second.url)).toEqual(seeded);
  expect(scenarios(second)).toEqual(scenarios(first));
  await interrupt(second);
});

test("while it runs: a second start is told so, buyers can be made, a reset empties and seeds, stop ends it", {
  timeout: TEST_MS,
}, async () => {
  const dataDir = temporaryDataDir();
  const running = await start(dataDir);
  const status = JSON.parse(await command(dataDir, "status", "--json")) as {
    running: boolean;
    launcherPid: number;
  };
  expect(status).toMatchObject({ running: true, launcherPid: running.child.pid });
  await expect(command(dataDir, "start")).rejects.toThrow(
    `already running on ${dataDir} (pid ${running.child.pid})`,
  );

  const made = (await command(dataDir, "buyers", "--count", "3")).trim().split("\n");
  expect(made).toHaveLength(3);
  const { accessToken } = JSON.parse(made[0] ?? "{}") as { accessToken: string };
  const authorized = { headers: { authorization: `Bearer ${accessToken}` } };
  expect((await fetch(`${running.url}/v1/me`, authorized)).status).toBe(200);

  expect(await command(dataDir, "reset")).toMatch(/seeded 300 users and 100 events[\s\S]*reset done/);
  expect((await fetch(`${running.url}/v1/me`, authorized)).status).toBe(401); // that buyer is gone
  expect((await eventIds(running.url)).length).toBeGreaterThan(0);

  const ended = once(running.child, "exit");
  expect(await command(dataDir, "stop")).toContain("Ended the running start");
  expect(await ended).toEqual([0, null]);
  expect(await command(dataDir, "stop")).toBe("Nothing was running.\n");
});

test("F1 a store that dies is brought back under the running services; until then status says so and a reset touches nothing", {
  timeout: TEST_MS,
}, async () => {
  const dataDir = temporaryDataDir();
  const running = await start(dataDir);
  const seeded = await eventIds(running.url);
  const { services } = readState(dataDir);
  const redis = runningRedis(dataDir);
  const storesNow = async () =>
    (JSON.parse(await command(dataDir, "status", "--json")) as { stores: object[] }).stores;

  // Somebody has its port, so it cannot come back yet.
  const inTheWay = createServer((socket) => socket.destroy());
  const failed = running.says("Redis is not back");
  running.child.kill("SIGSTOP"); // so that it cannot be faster than we are
  signalProcess(redis?.pid ?? 0, "SIGKILL");
  expect(await waitForEnd(redis?.pid ?? 0, STOP_MS)).toBe(true);
  inTheWay.listen({ port: redis?.port, host: LOOPBACK });
  await once(inTheWay, "listening");
  running.child.kill("SIGCONT");
  await failed;
  expect(running.output.some((line) => line.includes("Redis died; starting it again"))).toBe(true);
  expect(await storesNow()).toMatchObject([{ status: "running" }, { status: "restarting" }]);
  await expect(command(dataDir, "reset")).rejects.toThrow("Redis does not answer, so nothing was changed");
  expect(await eventIds(running.url)).toEqual(seeded);
  expect(readState(dataDir).services).toEqual(services);

  const back = running.says("Redis is back");
  inTheWay.close();
  await back;
  expect(await storesNow()).toMatchObject([{ status: "running" }, { status: "running" }]);
  expect(runningRedis(dataDir)?.port).toBe(redis?.port);
  expect(await command(dataDir, "reset")).toContain("reset done");
  expect((await fetch(`${running.url}/readyz`)).status).toBe(200);
  await interrupt(running);
});
