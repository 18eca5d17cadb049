// The application on real stores, with commands that a test scripts: what the door does with what it is told.
import { once } from "node:events";
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { openTokenVerifier, signAccessToken } from "@holdfast/access-token";
import { findUser, insertUser } from "@holdfast/db";
import type { CommandId, EpochMs, EventId, UserId, UserRole, WebhookEndpointId } from "@holdfast/domain";
import {
  openDashboardQueues,
  openPatientRedis,
  openProgress,
  openRedis,
  openSharedViews,
  type Progress,
  publishProgress,
} from "@holdfast/event-queue";
import { createLogger, newId } from "@holdfast/runtime";
import { openTestDatabase, openTestRedis, type TestDatabase, type TestRedis } from "@holdfast/testkit";
import { readAllowedHosts, sealOfSecrets } from "@holdfast/webhooks";
import type { FastifyInstance } from "fastify";
import { Registry } from "prom-client";
import { buildApp } from "../src/app.ts";
import { createEventReads } from "../src/event-reads.ts";
import type { StreamLimits } from "../src/event-stream.ts";
import { Identities } from "../src/identity.ts";
import { createLoginThrottle, noThrottle } from "../src/login-throttle.ts";
import { LongPolls } from "../src/long-polls.ts";
import { createGatewayMetrics } from "../src/metrics.ts";
import { Origins } from "../src/origins.ts";
import { Passwords } from "../src/passwords.ts";
import { Places } from "../src/places.ts";
import { RateLimiter } from "../src/rate-limits.ts";
import { WEBHOOK_PLACES } from "../src/routes/webhooks.ts";
import { SignIn } from "../src/sign-in.ts";
import { Standing } from "../src/standing.ts";
import { createStreams, type Streams } from "../src/streams.ts";
import type {
  CommandRecord,
  Commands,
  Submission,
  SubmitRefused,
  Submitted,
  Withdrawal,
} from "../src/submit.ts";
import { DeliveryEnds } from "../src/webhook-ends.ts";

export const JWT_SECRET = "a secret of tests, long enough for HS256 to be content";
/** Of a name server that is everybody's: nobody connects to it here. */
const PUBLIC_ADDRESS = "1.1.1.1";
export const WEBHOOK_ENCRYPTION_KEY = "a key of tests, long enough to seal what it seals";

type CommandPlace = Pick<CommandRecord, "submittedAt" | "id">;

/** Commands whose fate the test decides. */
export class ScriptedCommands implements Commands {
  readonly submitted: Submission[] = [];
  readonly records = new Map<CommandId, CommandRecord>();
  answer: (submission: Submission) => Submitted | SubmitRefused = () => {
    throw new Error("the test did not say how commands end");
  };
  /** How a long poll ends; by default with what is known at once. */
  onWatch: (id: CommandId, waitMs: number, signal: AbortSignal) => Promise<CommandRecord | null> = async (
    id,
  ) => this.records.get(id) ?? null;

  async submit(submission: Submission): Promise<Submitted | SubmitRefused> {
    this.submitted.push(submission);
    return this.answer(submission);
  }

  async find(id: CommandId): Promise<CommandRecord | null> {
    return this.records.get(id) ?? null;
  }

  async watch(
    { id }: Pick<CommandRecord, "id">,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<CommandRecord | null> {
    return this.onWatch(id, waitMs, signal);
  }

  async withdraw(id: CommandId): Promise<Withdrawal | null> {
    const record = this.records.get(id);
    if (record === undefined) return null;
    const withdrawn = record.outcome === null && record.userId !== null;
    const ended = { status: "withdrawn", outcome: { status: "withdrawn" }, position: null } as const;
    if (withdrawn) this.records.set(id, { ...record, ...ended, finishedAt: record.submittedAt });
    return { record: this.records.get(id) ?? record, withdrawn };
  }

  async list(
    userId: UserId,
    status: CommandRecord["status"] | null,
    limit: number,
    after: { readonly submittedAt: EpochMs; readonly id: CommandId } | null,
  ): Promise<CommandRecord[]> {
    const newestFirst = (a: CommandPlace, b: CommandPlace): number =>
      b.submittedAt - a.submittedAt || (a.id < b.id ? 1 : -1);
    return [...this.records.values()]
      .filter((record) => record.userId === userId && (status === null || record.status === status))
      .filter((record) => after === null || (record.id !== after.id && newestFirst(after, record) < 0))
      .sort(newestFirst)
      .slice(0, limit);
  }

  hurry(): void {}
}

export interface Person {
  readonly id: UserId;
  readonly email: string;
  readonly token: string;
  readonly auth: { authorization: string };
}

export interface GatewayUnderTest {
  readonly app: FastifyInstance;
  readonly commands: ScriptedCommands;
  readonly database: TestDatabase;
  readonly redis: TestRedis;
  readonly standing: Standing;
  readonly metrics: Registry;
  /** Who listens to what happens in events. */
  readonly progress: Progress;
  readonly streams: Streams;
  /** What the application wrote to its log. */
  readonly log: string[];
  readonly stopping: AbortController;
  /** Events for which a drain was asked. */
  readonly activated: readonly EventId[];
  /** Endpoints for which a turn was asked, and who serves them: nobody, unless a test does. */
  readonly courier: {
    readonly asked: { readonly id: WebhookEndpointId; readonly troubled: boolean }[];
    serve: (id: WebhookEndpointId) => Promise<void>;
  };
  /** Where names lead that do not lead to a public address. */
  readonly names: Map<string, readonly string[]>;
  /** How often the queues were looked at for the dashboard. */
  looks(): number;
  person(role?: UserRole): Promise<Person>;
  /** Where the application listens. */
  readonly url: string;
  /** Asks the application, as any client would, and parses the body of its answer. */
  ask(question: Question): Promise<Answer>;
  close(): Promise<void>;
}

export interface Question {
  /** GET, when it is not said. */
  readonly method?: string;
  /** Path and query, sent as they stand. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Text and bytes are sent as they are, all else as JSON. */
  readonly payload?: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
  readonly body: any;
}

export interface TestSettings {
  readonly allowedHosts?: string;
  readonly limits?: boolean;
  readonly trustProxy?: readonly string[];
  readonly secureCookies?: boolean;
  readonly streams?: Partial<StreamLimits>;
  readonly storesAnswer?: () => Promise<boolean>;
  /** True: reads of events are kept for a moment, as a gateway does. Else tests may change tables and look at once. */
  readonly keepsReads?: boolean;
}

export async function openGateway(settings: TestSettings = {}): Promise<GatewayUnderTest> {
  const database = await openTestDatabase();
  const redis = await openTestRedis();
  const { pool } = database;
  const lines: string[] = [];
  const out = new Writable({
    write(line, _encoding, done) {
      lines.push(String(line));
      done();
    },
  });
  const log = createLogger({ level: "debug", format: "json", service: "gateway" }, out);
  const commands = new ScriptedCommands();
  const standing = new Standing(pool, Date.now, log);
  await standing.start();
  const metrics = new Registry();
  const stopping = new AbortController();
  const limited = settings.limits === true;
  const watcher = openPatientRedis({ url: redis.url, name: "test-progress", onError: () => undefined });
  const progress = openProgress(watcher, redis.prefix);
  const gatewayMetrics = createGatewayMetrics(metrics);
  const identities = new Identities(openTokenVerifier(JWT_SECRET), standing);
  const views = openSharedViews(redis.redis, redis.prefix);
  const onError = (error: unknown): void => log.error({ err: error }, "a store had trouble");
  let readClock = 0;
  const reads = createEventReads({
    pool,
    shared: views,
    now: Date.now,
    monotonicMs() {
      if (settings.keepsReads === true) return performance.now();
      readClock += 60_000; // whatever was read is old
      return readClock;
    },
    onRead: gatewayMetrics.read,
    onError,
  });
  const streams = createStreams({
    reads,
    pool,
    redis: redis.redis,
    prefix: redis.prefix,
    progress,
    find: (id) => commands.find(id),
    now: Date.now,
    metrics: gatewayMetrics,
    mayStay: ({ raw }, needed) => identities.mayStay(raw, needed),
    limits: { perAddress: limited ? 2 : null, ...settings.streams },
    onError: (error) => log.error({ err: error }, "a stream had trouble"),
  });
  const throttle = limited ? createLoginThrottle(redis.redis, redis.prefix) : noThrottle;
  let clock = 0;
  const queues = openDashboardQueues({
    connect: () => openRedis({ url: redis.url, name: "test-dashboard", onError: () => undefined }),
    prefix: redis.prefix,
    monotonicMs: () => (clock += 60_000), // every look is a new one
  });
  const activated: EventId[] = [];
  const courier: GatewayUnderTest["courier"] = { asked: [], serve: async () => undefined };
  const names: GatewayUnderTest["names"] = new Map();
  let looks = 0;
  const look = () => {
    looks += 1;
    return queues.look();
  };
  const app = await buildApp({
    log,
    pool,
    commands,
    now: Date.now,
    origins: new Origins(pool),
    signIn: new SignIn({ pool, secret: JWT_SECRET, passwords: new Passwords(), throttle, standing }),
    reads,
    longPolls: new LongPolls(),
    streams,
    metrics: gatewayMetrics,
    jwtSecret: JWT_SECRET,
    standing,
    limiter: limited ? new RateLimiter(redis.redis, redis.prefix) : null,
    trustProxy: settings.trustProxy ?? [],
    ops: { queues: { ...queues, look }, secureCookies: settings.secureCookies ?? false },
    stopping: stopping.signal,
    async roleNow({ userId }) {
      const user = await findUser(pool, userId);
      return user === null || user.disabled ? null : user.role;
    },
    webhooks: {
      seal: sealOfSecrets(WEBHOOK_ENCRYPTION_KEY),
      allowedHosts: readAllowedHosts(settings.allowedHosts ?? "") ?? [],
      resolve: async (name) => names.get(name) ?? [PUBLIC_ADDRESS],
      async signal(id, { troubled }) {
        courier.asked.push({ id, troubled });
        await courier.serve(id);
      },
      ends: new DeliveryEnds(pool, () => undefined),
      places: new Places(WEBHOOK_PLACES),
    },
    activate: async (eventId) => void activated.push(eventId),
    changed(eventId) {
      reads.changed(eventId);
      views.forget(eventId).catch(onError);
      publishProgress(redis.redis, redis.prefix, eventId, []).catch(onError);
    },
    storesAnswer: settings.storesAnswer ?? (async () => true),
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });

  return {
    app,
    url,
    commands,
    database,
    redis,
    standing,
    metrics,
    progress,
    streams,
    log: lines,
    stopping,
    activated,
    courier,
    names,
    looks: () => looks,
    async person(role = "user") {
      const id = newId("user");
      const email = `${id}@example.test`;
      await insertUser(pool, { id, email, name: "Test Person", passwordHash: "none" });
      await pool.query("UPDATE users SET role = $2 WHERE id = $1", [id, role]);
      const token = signAccessToken(JWT_SECRET, { userId: id, role });
      return { id, email, token, auth: { authorization: `Bearer ${token}` } };
    },
    ask: (question) => askAt(url, question),
    async close() {
      streams.stop();
      await app.close();
      watcher.disconnect();
      await queues.close();
      standing.stop();
      await redis.close();
      await database.close();
    },
  };
}

async function askAt(
  base: string,
  { method = "GET", url, headers = {}, payload }: Question,
): Promise<Answer> {
  const isWritten = typeof payload === "string" || Buffer.isBuffer(payload);
  const bytes = payload === undefined ? null : Buffer.from(isWritten ? payload : JSON.stringify(payload));
  const request = httpRequest(base, {
    method,
    path: url,
    agent: false,
    headers: {
      ...(bytes !== null && { "content-length": bytes.length }),
      ...(bytes !== null && !isWritten && { "content-type": "application/json" }),
      ...headers,
    },
  });
  request.end(bytes ?? undefined);
  request.on("error", () => {}); // after the answer, when the rest of a body is not read
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const body = await text(response);
  const isJson = /json/.test(String(response.headers["content-type"]));
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: isJson && body !== "" ? JSON.parse(body) : body,
  };
}

/** A day from now and later: a body that makes an event with as many slots. */
export function eventBody(slots = 1, more: Record<string, unknown> = {}): Record<string, unknown> {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
  return {
    name: "A concert",
    slots: Array.from({ length: slots }, (_, i) => ({
      startsAt: at(24 + 3 * i),
      endsAt: at(26 + 3 * i),
      capacity: 10,
    })),
    ...more,
  };
}
