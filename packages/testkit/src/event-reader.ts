// Reads a stream of server-sent events, over a connection of its own. Cheap: drills open thousands.
import { once } from "node:events";
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";

export interface HeardEvent {
  readonly event: string;
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
  readonly data: any;
}

export interface EventReader {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What was heard so far. */
  readonly events: readonly HeardEvent[];
  readonly heartbeats: number;
  /** What the stream asks to wait before coming back. */
  readonly retryMs: number | null;
  /** Settles at the end of the stream: true when it was a clean one. */
  readonly ended: Promise<boolean>;
  /** Reads nothing more, and keeps the connection. */
  pause(): void;
  resume(): void;
  hangUp(): void;
}

/** Resolves with the head of the answer, whatever its status. */
export async function readEvents(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
): Promise<EventReader> {
  const request = httpRequest(url, {
    method,
    agent: false,
    headers: { accept: "text/event-stream", ...headers },
  });
  request.end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  request.on("error", () => undefined); // hung up
  const heard = { events: [] as HeardEvent[], heartbeats: 0, retryMs: null as number | null };
  let rest = "";
  response.setEncoding("utf8").on("data", (text: string) => {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) hear(block, heard);
  });
  const ended = new Promise<boolean>((resolve) => {
    response.once("close", () => resolve(response.complete));
    response.on("error", () => undefined); // "close" follows
  });
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    get events() {
      return heard.events;
    },
    get heartbeats() {
      return heard.heartbeats;
    },
    get retryMs() {
      return heard.retryMs;
    },
    ended,
    pause: () => void response.pause(),
    resume: () => void response.resume(),
    hangUp: () => void request.destroy(),
  };
}

function hear(
  block: string,
  heard: { events: HeardEvent[]; heartbeats: number; retryMs: number | null },
): void {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const [event, data, retry] = [fields.get("event"), fields.get("data"), fields.get("retry")];
  if (fields.has("")) heard.heartbeats += 1;
  if (retry !== undefined) heard.retryMs = Number(retry);
  if (event === undefined || data === undefined) return;
  heard.events.push({ event, id: fields.get("id") ?? "", data: JSON.parse(data) });
}
