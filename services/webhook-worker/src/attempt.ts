// One attempt: a POST to somebody else's server, of which nothing is believed. It ends within its time whatever happens
// there, reads little of the answer, follows nowhere, and connects to no address that webhooks may not go to.
import { connect as connectSocket, type Socket, type TcpNetConnectOpts } from "node:net";
import {
  AddressRefused,
  type AllowedHosts,
  checkUrl,
  createResolve,
  guardedLookup,
  isAllowedHost,
  mayConnect,
  type Resolve,
} from "@holdfast/webhooks";
import { Agent, buildConnector, request } from "undici";

/** Milliseconds for an attempt in all: look-up, connection, TLS, request, answer. */
export const ATTEMPT_MS = 15_000;
/** Bytes of an answer that are read, for the sake of the connection; with more it is cut. */
export const ANSWER_BYTES_MAX = 64 * 1024;
/** Milliseconds that an idle connection is kept, and at most when the server asks for more. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MAX_MS = 10_000;
/** Bytes of an answer's head. */
const ANSWER_HEAD_BYTES_MAX = 16 * 1024;
const USER_AGENT = "Holdfast-Webhooks/1";

export interface AttemptRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The answer's body is wanted; otherwise it is thrown away as it comes. */
  readonly wantsAnswer: boolean;
  /** Breaks it off. */
  readonly signal: AbortSignal;
}

export type AttemptEnd =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly retryAfter: string | null;
      /** Null when it was not wanted, or too long. */
      readonly answer: string | null;
    }
  /** There was no whole answer: its address is not to be called, nobody took the request, or the time was over. */
  | { readonly kind: "unanswered"; readonly why: "refused" | "unreachable" | "late" }
  /** By us: it says nothing about the other side. */
  | { readonly kind: "broken-off" };

export interface Carrier {
  attempt(request: AttemptRequest): Promise<AttemptEnd>;
  close(): Promise<void>;
}

export interface CarrierOptions {
  readonly allowed: AllowedHosts;
  /** Instead of `ATTEMPT_MS`. */
  readonly attemptMs?: number;
  /** Instead of name servers. */
  readonly resolve?: Resolve;
  /** Certificates that are believed in place of the usual ones. */
  readonly ca?: string;
  /** Instead of Node's. */
  readonly connect?: (options: TcpNetConnectOpts) => Socket;
}

export function openCarrier(options: CarrierOptions): Carrier {
  const { allowed, attemptMs = ATTEMPT_MS } = options;
  // As many connections as attempts: endpoints that share a host do not wait for each other.
  const agent = new Agent({
    connect: guardedConnect({ ...options, attemptMs }),
    allowH2: false,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    maxHeaderSize: ANSWER_HEAD_BYTES_MAX,
    headersTimeout: 0, // the attempt has one limit for all of it
    bodyTimeout: 0,
  });

  async function attempt({ url, headers, body, wantsAnswer, signal }: AttemptRequest): Promise<AttemptEnd> {
    if (checkUrl(url, allowed) !== null) return { kind: "unanswered", why: "refused" };
    const over = new AbortController();
    const breakOff = (): void => over.abort();
    const timer = setTimeout(breakOff, attemptMs);
    signal.addEventListener("abort", breakOff);
    if (signal.aborted) breakOff();
    try {
      const response = await request(new URL(url), {
        dispatcher: agent,
        method: "POST",
        headers: { "content-type": "application/json", "user-agent": USER_AGENT, ...headers },
        body,
        signal: over.signal,
      });
      const answer = await readAnswer(response.body, wantsAnswer);
      const { "retry-after": retryAfter } = response.headers;
      return {
        kind: "answered",
        status: response.statusCode,
        retryAfter: typeof retryAfter === "string" ? retryAfter : null,
        answer,
      };
    } catch (error) {
      if (signal.aborted) return { kind: "broken-off" };
      if (over.signal.aborted) return { kind: "unanswered", why: "late" };
      return { kind: "unanswered", why: error instanceof AddressRefused ? "refused" : "unreachable" };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", breakOff);
    }
  }

  return { attempt, close: () => agent.destroy() };
}

type Body = Awaited<ReturnType<typeof request>>["body"];

/** To its end, so that the connection can be used again, or until it is too long: then the connection goes with it. */
async function readAnswer(body: Body, wanted: boolean): Promise<string | null> {
  const kept: Buffer[] = [];
  let bytes = 0;
  body.on("error", () => undefined); // of what is cut here
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) return null;
    if (wanted) kept.push(chunk);
  }
  return wanted ? Buffer.concat(kept).toString("utf8") : null;
}

/** Connects, looks where it got to, and only then says a word, be it of TLS. */
function guardedConnect({
  allowed,
  attemptMs,
  resolve = createResolve(allowed),
  ca,
  connect = connectSocket,
}: CarrierOptions & { readonly attemptMs: number }): buildConnector.connector {
  const secure = buildConnector({ allowH2: false, timeout: attemptMs, ...(ca === undefined ? {} : { ca }) });
  return (options, callback) => {
    const { hostname, protocol } = options;
    const port = Number(options.port) || (protocol === "https:" ? 443 : 80);
    const socket = connect({
      host: hostname,
      port,
      lookup: guardedLookup(allowed, port, resolve),
      autoSelectFamily: true,
    });
    let told = false;
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      if (told) return;
      told = true;
      callback(error, null);
    };
    const timer = setTimeout(() => fail(new Error("not connected in time")), attemptMs);
    socket.on("error", fail);
    socket.once("connect", () => {
      clearTimeout(timer);
      if (!isWhereItMayBe(socket, { allowed, hostname, port })) {
        fail(new AddressRefused("connected to an address that is not public"));
        return;
      }
      told = true;
      socket.setNoDelay(true);
      if (protocol === "https:") secure({ ...options, httpSocket: socket }, callback);
      else callback(null, socket);
    });
  };
}

const isWhereItMayBe = (
  { remoteAddress }: Socket,
  { allowed, hostname, port }: { allowed: AllowedHosts; hostname: string; port: number },
): boolean =>
  isAllowedHost(allowed, hostname.includes(":") ? `[${hostname}]` : hostname, port) ||
  (remoteAddress !== undefined && mayConnect(remoteAddress, allowed, port));
