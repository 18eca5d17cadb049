// Redis in a container of the data directory's own, where Docker answers. Never waits long for a daemon.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { LOOPBACK } from "./ports.ts";
import { REDIS_IMAGE } from "./store-settings.ts";

/** Where the container has the store's directory. */
export const CONTAINER_DIR = "/data";
/** What is told of a container that ended by itself. */
const LAST_LINES = 5;
const PROBE_MS = 2_000;
const PULL_MS = 60_000;
const COMMAND_MS = 15_000;
const execute = promisify(execFile);

/** True when there is a Docker client here and its daemon answers at once. */
export async function dockerAnswers(): Promise<boolean> {
  const answer = await docker(["version", "--format", "{{.Server.Version}}"], PROBE_MS).catch(() => "");
  return answer !== "";
}

/** Starts the container on a loopback port, with the configuration that lies in `directory`. */
export async function startContainer(
  dataDir: string,
  directory: string,
  port: number,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const name = containerName(dataDir);
  const present = await docker(["image", "inspect", "--format", "{{.Id}}", REDIS_IMAGE], COMMAND_MS).catch(
    () => "",
  );
  if (present === "") {
    log(`fetching the Docker image ${REDIS_IMAGE}`);
    await docker(["pull", "--quiet", REDIS_IMAGE], PULL_MS, signal);
  }
  log(`starting Redis in Docker (${REDIS_IMAGE})`);
  await docker(["rm", "--force", name], COMMAND_MS).catch(() => "");
  const user =
    process.getuid === undefined ? [] : ["--user", `${process.getuid()}:${process.getgid?.() ?? 0}`];
  await docker(
    [
      ...["run", "--detach", "--name", name, "--volume", `${directory}:${CONTAINER_DIR}`, ...user],
      ...["--publish", `${LOOPBACK}:${port}:${port}`],
      ...[REDIS_IMAGE, "redis-server", `${CONTAINER_DIR}/redis.conf`],
    ],
    COMMAND_MS,
  );
}

/** Why the container has ended; undefined while it runs. */
export async function containerEnd(dataDir: string): Promise<string | undefined> {
  const name = containerName(dataDir);
  const status = await docker(["inspect", "--format", "{{.State.Status}}", name], COMMAND_MS);
  if (status !== "exited" && status !== "dead") return undefined;
  return `its container ended:\n${await docker(["logs", "--tail", String(LAST_LINES), name], COMMAND_MS)}`;
}

/** Stops and removes the data directory's container. Returns whether there was one. */
export async function stopContainer(dataDir: string): Promise<boolean> {
  const name = containerName(dataDir);
  try {
    await docker(["stop", "-t", "3", name], COMMAND_MS);
    await docker(["rm", "--force", name], COMMAND_MS);
    return true;
  } catch {
    return false;
  }
}

/** Kills the data directory's container. Throws when none is running. */
export async function killContainer(dataDir: string): Promise<void> {
  await docker(["kill", containerName(dataDir)], COMMAND_MS);
}

function containerName(dataDir: string): string {
  return `holdfast-redis-${createHash("sha256").update(dataDir).digest("hex").slice(0, 12)}`;
}

async function docker(parameters: string[], timeoutMs: number, signal?: AbortSignal): Promise<string> {
  const options = { timeout: timeoutMs, killSignal: "SIGKILL" as const };
  const { stdout } = await execute(
    "docker",
    parameters,
    signal === undefined ? options : { ...options, signal },
  );
  return stdout.trim();
}
