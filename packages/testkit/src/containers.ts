// The run's stores in containers of its own, where a Docker daemon answers. Knows no local binary.
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { messageOf } from "@holdfast/local/message-of";
import { isAlive, processIdentity } from "@holdfast/local/process";
import { dockerAnswers } from "@holdfast/local/redis-docker";
import {
  INITDB_OPTIONS,
  POSTGRES_IMAGE,
  POSTGRES_SETTINGS,
  postgresArguments,
  REDIS_IMAGE,
  REDIS_SETTINGS,
  redisArguments,
} from "@holdfast/local/store-settings";
import type { StartedTestContainer } from "testcontainers";

/** Names the run that a container belongs to: what is left of a killed run, the next one removes. */
const RUN_LABEL = "holdfast.test-run";
const REDIS_PORT = 6_379;

interface Contained {
  readonly url: string;
  readonly source: string;
  readonly container: StartedTestContainer;
}

export interface ContainedStores {
  readonly postgres?: Contained;
  readonly redis?: Contained;
  close(): Promise<void>;
}

const NONE: ContainedStores = { close: async () => {} };

/**
 * Starts those that are wanted, or none at all. `TESTCONTAINERS` in the environment: 1 insists on containers, and it is
 * an error when they cannot be had; 0 does without.
 */
export async function containStores(
  wanted: { readonly postgres: boolean; readonly redis: boolean },
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<ContainedStores> {
  const wish = env["TESTCONTAINERS"] ?? "";
  if (!["", "0", "1"].includes(wish)) throw new Error(`TESTCONTAINERS must be 0 or 1, not "${wish}"`);
  if (wish === "0" || (!wanted.postgres && !wanted.redis)) return NONE;
  if (!(await dockerAnswers())) {
    if (wish === "1") throw new Error("TESTCONTAINERS=1, and no Docker daemon answers");
    return NONE;
  }
  try {
    return await start(wanted, say);
  } catch (error) {
    if (wish === "1") throw new Error("TESTCONTAINERS=1, and the containers do not start", { cause: error });
    say(`Docker answers, but its containers do not start: ${messageOf(error)}`);
    return NONE;
  }
}

async function start(
  wanted: { readonly postgres: boolean; readonly redis: boolean },
  say: (line: string) => void,
): Promise<ContainedStores> {
  say("starting containers");
  await removeLeftovers();
  const started = await Promise.allSettled([
    wanted.postgres ? startPostgres() : undefined,
    wanted.redis ? startRedis() : undefined,
  ]);
  const [postgres, redis] = started.map((one) => (one.status === "fulfilled" ? one.value : undefined));
  const close = async (): Promise<void> => {
    await Promise.all([postgres, redis].map(async (store) => await store?.container.stop()));
  };
  const failed = started.find((one) => one.status === "rejected");
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  return { ...(postgres && { postgres }), ...(redis && { redis }), close };
}

async function startPostgres(): Promise<Contained> {
  const { PostgreSqlContainer } = await import("@testcontainers/postgresql");
  const container = await new PostgreSqlContainer(POSTGRES_IMAGE)
    .withUsername("holdfast")
    .withPassword(newPassword())
    .withDatabase("holdfast")
    .withEnvironment({ POSTGRES_INITDB_ARGS: INITDB_OPTIONS.join(" ") })
    .withCommand(["postgres", ...postgresArguments(POSTGRES_SETTINGS)])
    .withLabels(thisRun())
    .start();
  return { url: container.getConnectionUri(), source: `${POSTGRES_IMAGE} in a container`, container };
}

async function startRedis(): Promise<Contained> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const password = newPassword();
  const container = await new GenericContainer(REDIS_IMAGE)
    .withCommand(["redis-server", ...redisArguments({ ...REDIS_SETTINGS, requirepass: password })])
    .withExposedPorts(REDIS_PORT)
    .withWaitStrategy(
      Wait.forAll([Wait.forLogMessage("Ready to accept connections"), Wait.forListeningPorts()]),
    )
    .withLabels(thisRun())
    .start();
  const url = `redis://:${password}@${container.getHost()}:${container.getMappedPort(REDIS_PORT)}`;
  return { url, source: `${REDIS_IMAGE} in a container`, container };
}

const newPassword = (): string => randomBytes(24).toString("base64url");

function thisRun(): Record<string, string> {
  return { [RUN_LABEL]: [hostname(), process.pid, processIdentity(process.pid)].join(" ") };
}

/** Removes the containers of this machine's runs whose process is gone. The library's own reaper may not be there. */
async function removeLeftovers(): Promise<void> {
  const { getContainerRuntimeClient } = await import("testcontainers");
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const containers = await dockerode.listContainers({ all: true, filters: { label: [RUN_LABEL] } });
  const left = containers.filter(({ Labels }) => {
    const [host, pid, ...identity] = (Labels[RUN_LABEL] ?? "").split(" ");
    return host === hostname() && !isAlive(Number(pid), identity.join(" "));
  });
  await Promise.all(left.map(({ Id }) => dockerode.getContainer(Id).remove({ force: true, v: true })));
}
