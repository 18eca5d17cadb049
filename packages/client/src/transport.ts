// Requests and answers: the token is added here, and what goes wrong on the way gets its name. Knows no route.
import {
  createFinalURL,
  createQuerySerializer,
  defaultPathSerializer,
  removeTrailingSlash,
} from "openapi-fetch";
import { type Clock, retryAfterMs } from "./clock.ts";
import { ConnectionLost, HoldfastProblem, isProblem, UnexpectedAnswer } from "./errors.ts";

export type Fetch = (request: Request) => Promise<Response>;

/** Asked before each request; once more with the token that was refused, which is worth a repeat when it knows another. */
export type TokenSource = string | ((refused?: string) => string | null | Promise<string | null>);

export type Method = "get" | "post" | "patch" | "delete";

export interface Sent {
  readonly params?: {
    readonly path?: Record<string, unknown>;
    readonly query?: Record<string, unknown>;
  };
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Transport {
  readonly clock: Clock;
  /** Adds the token. Throws `ConnectionLost` when no answer comes. */
  readonly fetch: Fetch;
  /** Resolves to every answer, whatever it says. Throws `ConnectionLost` when there is none. */
  send(method: Method, path: string, sent: Sent): Promise<Response>;
}

export interface TransportOptions {
  /** Where Holdfast is: `https://tickets.example.com`. In a browser `""` is where the page comes from. */
  readonly baseUrl: string;
  readonly token?: TokenSource;
  readonly fetch?: Fetch;
  readonly clock: Clock;
}

export function openTransport(options: TransportOptions): Transport {
  const { baseUrl, token, fetch = globalThis.fetch, clock } = options;
  const querySerializer = createQuerySerializer<unknown>();
  const authorized: Fetch = (request) => sendAuthorized(request, token, (asked) => fetch(asked));
  return {
    clock,
    fetch: authorized,
    async send(method, path, { params = {}, body, headers, signal }) {
      const url = createFinalURL(path, {
        baseUrl: removeTrailingSlash(baseUrl),
        params,
        querySerializer,
        pathSerializer: defaultPathSerializer,
      });
      return authorized(
        new Request(url, {
          method: method.toUpperCase(),
          headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          ...(signal === undefined ? {} : { signal }),
          credentials: "omit",
        }),
      );
    },
  };
}

async function sendAuthorized(
  request: Request,
  token: TokenSource | undefined,
  fetch: Fetch,
): Promise<Response> {
  const given = typeof token === "function" ? await token() : (token ?? null);
  if (given === null) return named(request, fetch);
  const again = typeof token === "function" ? request.clone() : null;
  const response = await named(withToken(request, given), fetch);
  if (response.status !== 401 || again === null || typeof token !== "function") return response;
  const fresh = await token(given);
  if (fresh === null || fresh === given) return response;
  await response.body?.cancel();
  return named(withToken(again, fresh), fetch);
}

function withToken(request: Request, token: string): Request {
  request.headers.set("authorization", `Bearer ${token}`);
  return request;
}

async function named(request: Request, fetch: Fetch): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    request.signal.throwIfAborted();
    throw new ConnectionLost("the connection broke before the answer came", { cause: error });
  }
}

/** The body of an answer, read to its end. Undefined when it has none, or is an error that says nothing in JSON. */
export async function readBody(response: Response): Promise<unknown> {
  let text: string;
  try {
    text = await response.text();
  } catch (error) {
    throw new ConnectionLost("the connection broke within the answer", { cause: error });
  }
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    if (!response.ok) return undefined;
    throw new UnexpectedAnswer(response.status, "what came is not JSON");
  }
}

/** What an answer that is no success says. */
export function refusalOf({ status, headers }: Response, body: unknown): HoldfastProblem | UnexpectedAnswer {
  if (isProblem(body)) return new HoldfastProblem(body, retryAfterMs(headers));
  return new UnexpectedAnswer(status, "this is no problem that Holdfast words");
}

/** The body of a success; throws what any other answer says. */
export async function succeeded(response: Response): Promise<unknown> {
  if (response.ok) return readBody(response);
  throw refusalOf(response, await readBody(response));
}
