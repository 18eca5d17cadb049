// The load generator, a process of its own so that its CPU time is not taken for anybody else's: autocannon, with
// requests that were built beforehand, each by another user.
import { createHistogram } from "node:perf_hooks";
import process from "node:process";
import { signAccessToken } from "@holdfast/access-token";
import autocannon from "autocannon";
import type { Answers, LoadNews, LoadOrder, Pressure } from "./load-messages.ts";

/** Seconds until a request without an answer counts as an error. */
const ANSWER_TIMEOUT_SECONDS = 30;
/** Seconds for which a token is good: longer than any run. */
const TOKEN_SECONDS = 86_400;
const DAY_SECONDS = 86_400;
const MICROS_PER_MS = 1_000;

let requests: Buffer[] = [];

process.on("message", (order: LoadOrder) => {
  switch (order.kind) {
    case "prepare":
      requests = order.userIds.map((userId) => {
        const token = signAccessToken(order.secret, { userId, role: "user" }, TOKEN_SECONDS);
        return Buffer.from(
          `POST ${order.path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Length: 0\r\n\r\n`,
        );
      });
      tell({ kind: "prepared" });
      break;
    case "press":
      press(order).then((answers) => tell({ kind: "answered", answers }), fail);
  }
});
process.on("disconnect", () => process.exit());

/** autocannon's client, with what its types do not tell: where a request comes from, and after which one it ends. */
type Client = autocannon.Client & {
  getRequestBuffer: () => Buffer;
  reqsMade: number;
  responseMax?: number;
};

async function press({ url, clients: connections, warmUpSeconds, seconds }: Pressure): Promise<Answers> {
  const clients: Client[] = [];
  const statuses: Record<string, number> = {};
  const latencies = createHistogram();
  let sent = 0;
  let errors = 0;
  let isOdd = false;
  let oddBody: string | null = null;
  let answered = 0;
  let counting = false;
  let begun = 0;
  let lasted = 0;

  const nextRequest = (): Buffer => {
    const request = requests[sent];
    if (request === undefined) throw new Error(`all ${requests.length} users have asked: let there be more`);
    sent += 1;
    return request;
  };
  const begin = (): void => {
    begun = performance.now();
    counting = true;
    tell({ kind: "window-begins" });
  };
  const end = (): void => {
    lasted = performance.now() - begun;
    counting = false;
    tell({ kind: "window-ends" });
    // Each client waits for the answer that it is owed, so that rows can be compared with answers.
    for (const client of clients) client.responseMax = client.reqsMade;
  };
  await new Promise<void>((resolve, reject) => {
    const cannon = autocannon(
      {
        url,
        connections,
        duration: DAY_SECONDS,
        timeout: ANSWER_TIMEOUT_SECONDS,
        verifyBody: (body) => {
          if (isOdd) oddBody ??= String(body);
          return true;
        },
        setupClient: (given) => {
          const client = given as Client;
          client.getRequestBuffer = nextRequest;
          clients.push(client);
        },
      },
      (error: unknown) => (error === null ? resolve() : reject(error)),
    );
    cannon.on("response", (_client, status, _bytes, latencyMs) => {
      statuses[status] = (statuses[status] ?? 0) + 1;
      isOdd = status !== 201; // its body comes next
      if (!counting) return;
      answered += 1;
      latencies.record(Math.max(1, Math.round(latencyMs * MICROS_PER_MS)));
    });
    cannon.on("reqError", () => {
      errors += 1;
    });
    setTimeout(begin, warmUpSeconds * 1000);
    setTimeout(end, (warmUpSeconds + seconds) * 1000);
  });
  return {
    sent,
    statuses,
    errors,
    oddBody,
    window: {
      seconds: lasted / 1000,
      answered,
      meanMs: latencies.mean / MICROS_PER_MS,
      p50Ms: latencies.percentile(50) / MICROS_PER_MS,
      p99Ms: latencies.percentile(99) / MICROS_PER_MS,
    },
  };
}

function tell(news: LoadNews): void {
  process.send?.(news);
}

function fail(error: unknown): void {
  process.stderr.write(`load generator: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}
