// HTTP as a client of the system speaks it: kept connections, one token a request. Knows routes, no rules.
import { Pool } from "undici";

/** Connections that a client keeps to its gateway, unless told otherwise. */
const CONNECTIONS_DEFAULT = 256;
/** Milliseconds after which a request is given up: longer than any wait that is asked for here. */
const REQUEST_TIMEOUT_MS = 40_000;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed; null when there was none. */
  readonly body: unknown;
  /** Milliseconds from the call to the whole answer. */
  readonly tookMs: number;
}

export interface Asked {
  readonly token?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Client {
  get(path: string, asked?: Asked): Promise<Answer>;
  post(path: string, asked?: Asked): Promise<Answer>;
  patch(path: string, asked?: Asked): Promise<Answer>;
  delete(path: string, asked?: Asked): Promise<Answer>;
  /** Cuts every connection. */
  close(): Promise<void>;
}

/** Rejects with what the connection says when no answer came. */
export function openClient(
  url: string,
  { connections = CONNECTIONS_DEFAULT }: { readonly connections?: number } = {},
): Client {
  const pool = new Pool(url, {
    connections,
    headersTimeout: REQUEST_TIMEOUT_MS,
    bodyTimeout: REQUEST_TIMEOUT_MS,
  });

  async function send(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    { token, body, headers }: Asked = {},
  ): Promise<Answer> {
    const sentAt = performance.now();
    const answer = await pool.request({
      method,
      path,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await answer.body.text();
    return {
      status: answer.statusCode,
      headers: Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [name, String(value)]),
      ),
      body: text === "" ? null : JSON.parse(text),
      tookMs: performance.now() - sentAt,
    };
  }

  return {
    get: (path, asked) => send("GET", path, asked),
    post: (path, asked) => send("POST", path, asked),
    patch: (path, asked) => send("PATCH", path, asked),
    delete: (path, asked) => send("DELETE", path, asked),
    close: () => pool.destroy(),
  };
}
