// The services of one Holdfast system: which there are, what they are told, in which order they start and stop.
import { join } from "node:path";
import { isPortFree, nextFreePort } from "./ports.ts";
import type { LocalSecrets } from "./secrets.ts";
import { type LocalSettings, REPOSITORY } from "./settings.ts";
import type { ServiceState } from "./state.ts";
import { type ServiceListener, type ServiceSpec, type Supervised, supervise } from "./supervisor.ts";

/** A gateway answers what it has accepted and goes; workers finish their batch. Stores still have to end within 5 s. */
const GATEWAY_GRACE_MS = 1_500;
const WORKER_GRACE_MS = 1_500;

export interface SystemOptions {
  settings: LocalSettings;
  databaseUrl: string;
  redisUrl: string;
  /** Used where the environment has none. Only who needs one is told it. */
  secrets: Pick<LocalSecrets, "jwtSecret" | "webhookEncryptionKey">;
  workers: number;
  gateways: number;
  /** Gets a service's lines under its name, and the launcher's own words about it. */
  onLine(name: string, line: string): void;
  onNote(note: string): void;
  onChange(services: ServiceState[]): void;
}

export interface LocalSystem {
  /** Workers first, side by side; the gateways when all else is ready. Rejects when one cannot start. */
  start(): Promise<void>;
  /** Gateways first, so that nothing is accepted that nobody would apply. */
  stop(): Promise<void>;
  kill(): void;
  /** The gateways' addresses, in order. */
  urls(): string[];
}

/** Chooses the ports and describes the services. Throws when a chosen port is taken. */
export async function planSystem(options: SystemOptions): Promise<LocalSystem> {
  const { settings, onLine, onNote, onChange } = options;
  const all: Supervised[] = [];
  const listener = (name: string): ServiceListener => ({
    line: (text) => onLine(name, text),
    note: onNote,
    changed: () => onChange(all.map((service) => service.state)),
  });
  const add = (spec: ServiceSpec): Supervised => {
    const env = { ...spec.env, ...metricsPort(settings.env, all.length) };
    const service = supervise({ ...spec, env }, listener(spec.name));
    all.push(service);
    return service;
  };

  const told = environments(options);
  const workers = [
    ...numbered("reservation-worker", options.workers).map((name) =>
      add({ name, main: mainOf("reservation-worker"), env: told.worker }),
    ),
    ...["expiry-worker", "waitlist-worker"].map((name) =>
      add({ name, main: mainOf(name), env: told.worker }),
    ),
    add({ name: "webhook-worker", main: mainOf("webhook-worker"), env: told.webhookWorker }),
  ];
  const ports = await gatewayPorts(settings, options.gateways, onNote);
  const gateways = numbered("gateway", options.gateways).map((name, index) =>
    add({
      name,
      main: mainOf("gateway"),
      env: { ...told.gateway, PORT: String(ports[index]) },
    }),
  );

  let wanted = false;
  return {
    start: async () => {
      wanted = true;
      await Promise.all(workers.map((worker) => worker.start()));
      // Stopped in between: then nothing more begins.
      if (wanted) await Promise.all(gateways.map((gateway) => gateway.start()));
    },
    stop: async () => {
      wanted = false;
      await Promise.all(gateways.map((gateway) => gateway.stop(GATEWAY_GRACE_MS)));
      await Promise.all(workers.map((worker) => worker.stop(WORKER_GRACE_MS)));
    },
    kill: () => {
      for (const service of all) service.kill();
    },
    urls: () => gateways.map((gateway) => gateway.state.url ?? "").filter((url) => url !== ""),
  };
}

/** What each kind of service is told: of the secrets only its own. */
export function environments({
  settings,
  databaseUrl,
  redisUrl,
  secrets,
}: Pick<SystemOptions, "settings" | "databaseUrl" | "redisUrl" | "secrets">): Record<
  "worker" | "webhookWorker" | "gateway",
  NodeJS.ProcessEnv
> {
  const {
    JWT_SECRET = secrets.jwtSecret,
    WEBHOOK_ENCRYPTION_KEY = secrets.webhookEncryptionKey,
    ...others
  } = settings.env;
  const worker = {
    ...others,
    HOLDFAST_MODE: "local",
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    LOG_FORMAT: settings.logFormat,
  };
  const webhookWorker = { ...worker, WEBHOOK_ENCRYPTION_KEY };
  return { worker, webhookWorker, gateway: { ...webhookWorker, JWT_SECRET, HOST: settings.host } };
}

/** The gateways' ports: from the wanted one upwards, passing over what is taken, unless somebody chose it. */
export async function gatewayPorts(
  settings: Pick<LocalSettings, "port" | "portChosen" | "host">,
  count: number,
  onNote: (note: string) => void,
): Promise<number[]> {
  if (settings.portChosen && !(await isPortFree(settings.port, settings.host))) {
    throw new Error(
      `Port ${settings.port} is taken, and PORT asks for it. Give another one, or none: then the next free one is used.`,
    );
  }
  const ports: number[] = [];
  for (let from = settings.port; ports.length < count; from = (ports.at(-1) ?? from) + 1) {
    ports.push(await nextFreePort(from, settings.host));
  }
  if (ports[0] !== settings.port) onNote(`port ${settings.port} is taken; using ${ports[0]}`);
  return ports;
}

/** A chosen port for metrics is the first service's; each further one has the next. */
export function metricsPort(env: NodeJS.ProcessEnv, index: number): { METRICS_PORT?: string } {
  const first = Number(env["METRICS_PORT"] ?? 0);
  return first > 0 ? { METRICS_PORT: String(first + index) } : {};
}

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => (index === 0 ? name : `${name}-${index + 1}`));
}

function mainOf(service: string): string {
  return join(REPOSITORY, "services", service, "src", "main.ts");
}
