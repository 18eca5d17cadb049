// Metrics on a port of their own: told to who asks for them, and nothing else; a port that is taken is said so.
import { EventEmitter } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Writable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig, metricsAddress, ServiceConfig } from "../src/config.ts";
import { counterOf, createMetrics, type MetricsServer, serveMetrics, tallies } from "../src/metrics.ts";
import { type Host, type Opening, type Ready, runService } from "../src/service.ts";

const LOCAL = { HOLDFAST_MODE: "local", LOG_LEVEL: "fatal" };

const addressOf = (env: Record<string, string>) => metricsAddress(loadConfig(ServiceConfig, env));

test("in production metrics are told on port 9464, on one's own machine on any free one, and not at all when off", () => {
  expect(addressOf({})).toEqual({ host: "0.0.0.0", port: 9464 });
  expect(addressOf({ METRICS_PORT: "1234", METRICS_HOST: "10.0.0.1" })).toEqual({
    host: "10.0.0.1",
    port: 1234,
  });
  expect(addressOf(LOCAL)).toEqual({ host: "127.0.0.1", port: 0 });
  expect(addressOf({ ...LOCAL, METRICS_PORT: "9464" })).toEqual({ host: "127.0.0.1", port: 9464 });
  expect(addressOf({ METRICS_PORT: "off" })).toBeNull();
  for (const port of ["on", "-1", "65536", "1.5"]) {
    expect(() => addressOf({ METRICS_PORT: port })).toThrow(
      "METRICS_PORT: must be a port, 0 for any free one, or off",
    );
  }
});

async function serve(metrics = createMetrics(), onError: (error: unknown) => void = () => undefined) {
  const server: MetricsServer = await serveMetrics(metrics, { host: "127.0.0.1", port: 0 }, onError);
  onTestFinished(() => server.close());
  return server;
}

test("GET /metrics tells what Node.js tells of a process; HEAD tells that it would", async () => {
  const { url } = await serve();
  const got = await fetch(url);
  expect([got.status, got.headers.get("content-type")]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  expect(await got.text()).toMatch(/^# TYPE process_resident_memory_bytes gauge$/m);
  const head = await fetch(url, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test("every other path is not found, every other method not allowed", async () => {
  const { url } = await serve();
  for (const path of ["/", "/metrics/", "/livez"]) {
    expect((await fetch(new URL(path, url))).status).toBe(404);
  }
  const posted = await fetch(url, { method: "POST", body: "x" });
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("what is counted is told from its start, as it is when it is asked for", async () => {
  const metrics = createMetrics();
  const ends = tallies(metrics, { name: "ends", help: "Ends.", label: "how", values: ["well", "badly"] });
  const seen = counterOf(metrics, { name: "seen", help: "Seen.", labels: ["who", "where"] });
  const ann = seen({ who: "ann", where: "here" });
  expect(await metrics.getSingleMetricAsString("ends")).toContain('ends{how="badly"} 0');
  for (let i = 1; i <= 3; i += 1) {
    ends.well.inc();
    ann.inc(2);
    expect(await metrics.getSingleMetricAsString("ends")).toContain(`ends{how="well"} ${i}`);
    expect(await metrics.getSingleMetricAsString("seen")).toContain(`seen{who="ann",where="here"} ${2 * i}`);
  }
});

test("a metric that cannot be told is a 500 and a word in the log, and the next scrape is answered", async () => {
  const metrics = createMetrics();
  const told = metrics.metrics.bind(metrics);
  const errors: unknown[] = [];
  const { url } = await serve(metrics, (error) => errors.push(error));
  const bug = new Error("bug");
  metrics.metrics = () => Promise.reject(bug);
  expect((await fetch(url)).status).toBe(500);
  expect(errors).toEqual([bug]);
  metrics.metrics = told;
  expect((await fetch(url)).status).toBe(200);
});

/** A process whose life a test follows. */
function host(env: Record<string, string>) {
  const lines: string[] = [];
  const messages: Ready[] = [];
  const { promise: exited, resolve: exit } = Promise.withResolvers<number>();
  const given: Host & EventEmitter = Object.assign(new EventEmitter(), {
    env,
    exit,
    send: (message: unknown) => void messages.push(message as Ready),
    complain: (text: string) => void lines.push(text),
    log: new Writable({
      write(line, _encoding, done) {
        lines.push(String(line));
        done();
      },
    }),
  });
  return { given, lines, messages, exited };
}

test("a service tells its metrics from before it is open until after it has stopped", async () => {
  const { given, messages, exited } = host({ ...LOCAL });
  let metrics: Opening<unknown>["metrics"] | undefined;
  let whileStopping = 0;
  await runService(
    "test",
    ServiceConfig,
    async (opening) => {
      metrics = opening.metrics;
      return {
        stop: async () => {
          whileStopping = (await fetch(messages[0]?.metricsUrl ?? "")).status;
        },
      };
    },
    given,
  );
  expect(messages).toEqual([
    { type: "ready", metricsUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/) },
  ]);
  const url = messages[0]?.metricsUrl ?? "";
  const names = (text: string) => text.match(/^# TYPE \S+/gm);
  expect(names(await (await fetch(url)).text())).toEqual(names((await metrics?.metrics()) ?? ""));
  given.emit("SIGTERM");
  expect(await exited).toBe(0);
  expect(whileStopping).toBe(200);
  await expect(fetch(url)).rejects.toThrow();
});

test("a service whose metrics port is taken says so, opens nothing, and exits with 1", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void taken.close());
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as AddressInfo;
  const { given, lines, messages, exited } = host({ HOLDFAST_MODE: "local", METRICS_PORT: String(port) });
  let opened = false;
  await runService(
    "test",
    ServiceConfig,
    async () => {
      opened = true;
      return { stop: async () => undefined };
    },
    given,
  );
  expect(await exited).toBe(1);
  expect(lines.join("")).toContain(
    `METRICS_PORT ${port} on 127.0.0.1 cannot be listened on. Give another one, 0 for any free one, or off.`,
  );
  expect([opened, messages]).toEqual([false, []]);
});
