// `pnpm start`: stores, schema, seed, services, one table; then waits for the end and ends everything in order.
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Control, openControl } from "./control.ts";
import { prepareData, resetData } from "./data-reset.ts";
import { frontTable } from "./front-table.ts";
import { silentStores } from "./inspection.ts";
import { AlreadyRunning, lockHolder } from "./lock.ts";
import { messageOf } from "./message-of.ts";
import { type Output, openOutput } from "./output.ts";
import { packageManagersAbove } from "./package-manager.ts";
import { runningPostgres } from "./postgres.ts";
import { isAlive, processIdentity, signalProcess, waitForEnd } from "./process.ts";
import { runningRedis } from "./redis.ts";
import { resetUnderServices } from "./running-reset.ts";
import { openSecrets } from "./secrets.ts";
import type { LocalSettings } from "./settings.ts";
import { readState, updateState } from "./state.ts";
import { openStores, prepareDataDir, type Stores, stopLeftoverStores } from "./stores.ts";
import { type LocalSystem, planSystem } from "./system.ts";

/** The promise is 5 s from Ctrl-C to nothing; what is not gone by then is killed. */
const STOP_MS = 4_700;
/** Services of a killed start end by themselves when their launcher is gone, within this time. */
const ORPHANS_MS = 5_000;
/** One Ctrl-C may arrive more than once (from the terminal, and again from npm): within this time it is one. */
const SAME_SIGNAL_MS = 500;
const PARENT_CHECK_MS = 500;

export interface StartOptions {
  settings: LocalSettings;
  workers: number;
  gateways: number;
}

/** Runs until it is told to end. Resolves with the process's exit code. */
export async function launch({ settings, workers, gateways }: StartOptions): Promise<number> {
  const begun = performance.now();
  const dataDir = prepareDataDir(settings.dataDir);
  const holder = lockHolder(dataDir);
  if (holder !== undefined) throw new AlreadyRunning(holder.pid, dataDir);
  const output = openOutput(join(dataDir, "logs"));
  const ending = new AbortController();
  let stores: Stores | undefined;
  let system: LocalSystem | undefined;
  let control: Control | undefined;
  watchForTheEnd(output, ending, () => killEverything(dataDir, system));

  let exitCode = 0;
  let opening: Promise<Stores> | undefined;
  try {
    opening = openStores({
      dataDir,
      env: settings.env,
      log: output.say,
      signal: ending.signal,
      keepUp: true,
    });
    stores = await opening;
    output.say(`PostgreSQL: ${stores.postgresSource}`);
    output.say(`Redis: ${stores.redisSource}`);
    ending.signal.throwIfAborted();
    await endOrphans(dataDir, output);
    const secrets = openSecrets(dataDir);
    const { databaseUrl, redisUrl } = stores;
    const summary = await prepareData(databaseUrl, output.say);
    ending.signal.throwIfAborted();

    system = await planSystem({
      settings,
      databaseUrl,
      redisUrl,
      secrets,
      workers,
      gateways,
      onLine: output.of,
      onNote: output.say,
      onChange: (services) => updateState(dataDir, { services }),
    });
    const planned = system;
    const resetWith = async (log: (line: string) => void): Promise<void> => {
      const both = (line: string) => {
        output.say(`reset: ${line}`);
        log(line);
      };
      const ownRedis = settings.redisUrl === undefined;
      let fresh = summary;
      await resetUnderServices({
        silentStores: () => silentStores({ databaseUrl, redisUrl }),
        services: planned,
        empty: async () => {
          fresh = await resetData({
            databaseUrl,
            redisUrl,
            ownRedis,
            prefix: settings.redisPrefix,
            log: both,
          });
          return fresh;
        },
        log: both,
        signal: ending.signal,
      });
      output.block(frontTable({ urls: planned.urls(), summary: fresh, dataDir })); // the ids are others
    };
    control = await openControl(secrets.controlToken, resetWith);
    updateState(dataDir, {
      launcher: {
        pid: process.pid,
        identity: processIdentity(process.pid) ?? "",
        startedAt: new Date().toISOString(),
        controlPort: control.port,
        databaseGiven: settings.databaseUrl !== undefined,
        redisGiven: settings.redisUrl !== undefined,
      },
    });
    output.say("starting the services");
    await Promise.race([planned.start(), aborted(ending.signal)]);
    ending.signal.throwIfAborted();
    output.say(`ready after ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
    output.block(frontTable({ urls: planned.urls(), summary, dataDir }));
    await aborted(ending.signal);
  } catch (error) {
    if (!ending.signal.aborted) {
      exitCode = 1;
      output.say(messageOf(error));
    }
  }
  ending.abort();

  const deadline = pause(STOP_MS, "late" as const, { ref: false });
  const ended = endInOrder({ control, system, stores, opening, dataDir });
  if ((await Promise.race([ended, deadline])) === "late") {
    output.say("not everything ended in time; killing the rest");
    killEverything(dataDir, system);
  }
  output.say("stopped");
  return exitCode;
}

interface Running {
  control: Control | undefined;
  system: LocalSystem | undefined;
  stores: Stores | undefined;
  opening: Promise<Stores> | undefined;
  dataDir: string;
}

async function endInOrder({ control, system, stores, opening, dataDir }: Running): Promise<void> {
  control?.close();
  await system?.stop();
  // An end during the stores' start: that was aborted and settles now; what it had started already ends with it.
  const late = stores ?? (await opening?.catch(() => undefined));
  await late?.stop();
  if (late !== undefined) clearLauncherState(dataDir);
}

/** The state without its launcher: nothing runs any more. */
function clearLauncherState(dataDir: string): void {
  updateState(dataDir, { launcher: undefined, services: [] });
}

/** SIGTERM, SIGINT, SIGHUP and a lost npm end the start; a second signal ends it at once. */
function watchForTheEnd(output: Output, ending: AbortController, kill: () => void): void {
  let firstAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      output.say(`stopping (${signal}); once more to kill`);
      ending.abort();
    } else if (performance.now() - firstAt > SAME_SIGNAL_MS) {
      kill();
      process.exit(130);
    }
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);

  // Package managers do not pass on every signal: when ours is gone, so is whoever wanted us.
  const above = packageManagersAbove(process.pid).map((pid) => ({ pid, identity: processIdentity(pid) }));
  if (above.length === 0) return;
  setInterval(() => {
    const gone = above.some(({ pid, identity }) => !isAlive(pid, identity));
    if (gone && firstAt === undefined) onSignal("SIGHUP");
  }, PARENT_CHECK_MS).unref();
}

/** Waits for services that a killed launcher left, and kills those that stay. */
async function endOrphans(dataDir: string, output: Output): Promise<void> {
  const left = readState(dataDir).services.filter(
    (service) =>
      service.pid !== undefined && service.identity !== undefined && isAlive(service.pid, service.identity),
  );
  await Promise.all(
    left.map(async ({ name, pid }) => {
      if (pid === undefined) return;
      output.say(`ending ${name} (pid ${pid}) of an earlier start`);
      signalProcess(pid, "SIGTERM");
      if (!(await waitForEnd(pid, ORPHANS_MS))) signalProcess(pid, "SIGKILL");
    }),
  );
}

function killEverything(dataDir: string, system: LocalSystem | undefined): void {
  system?.kill();
  const postgres = runningPostgres(dataDir);
  const redis = runningRedis(dataDir);
  if (postgres !== undefined) signalProcess(postgres.pid, "SIGQUIT"); // at once; recovers at the next start
  if (redis !== undefined) signalProcess(redis.pid, "SIGKILL");
}

/** Ends a start (by its pid), or what a killed one left. Returns what was ended, for people. */
export async function endEarlierStart(dataDir: string, launcherPid: number | undefined): Promise<string[]> {
  const ended: string[] = [];
  if (launcherPid !== undefined) {
    signalProcess(launcherPid, "SIGTERM");
    if (await waitForEnd(launcherPid, STOP_MS + 1_000)) return [`the running start (pid ${launcherPid})`];
    signalProcess(launcherPid, "SIGKILL");
    ended.push(`the running start (pid ${launcherPid}), which had to be killed`);
    await waitForEnd(launcherPid, 1_000);
  }
  const say = (line: string) => ended.push(line);
  await endOrphans(dataDir, { say, of: () => {}, block: () => {} });
  ended.push(...(await stopLeftoverStores(dataDir)));
  clearLauncherState(dataDir);
  return ended;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
