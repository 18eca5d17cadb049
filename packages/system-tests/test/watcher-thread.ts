// Follows commands as many clients do, each over a connection of its own: some by streams, the others by long polls. In a
// thread of its own, and cheap: what it costs is taken from the system that is measured.
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { parentPort, workerData } from "node:worker_threads";
import { inParallel } from "@holdfast/load";
import type { Watching } from "./watchers.ts";

/** Connections that are opened at once. */
const OPENED_AT_ONCE = 200;
const POLL_WAIT_SECONDS = 25;
/** How an end begins in a stream, and how much of what was read before may belong to it. */
const END = /event: (succeeded|rejected|failed|withdrawn)\n/;
const TAIL_LENGTH = 32;

const { url, streams, polls } = workerData as Watching;
const { hostname, port } = new URL(url);
const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });

/** Resolves when the stream has begun, with a promise of the word with which it ends. */
async function stream({ id, token }: Watching["streams"][number]): Promise<{ word: Promise<string> }> {
  const socket = connect(Number(port), hostname).setEncoding("latin1");
  socket.write(
    `GET /v1/commands/${id} HTTP/1.1\r\nHost: ${hostname}\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  );
  const word = new Promise<string>((resolve) => {
    let tail = "";
    socket.on("data", (piece: string) => {
      tail += piece;
      const end = END.exec(tail)?.[1];
      if (end === undefined) tail = tail.slice(-TAIL_LENGTH);
      else {
        resolve(end);
        socket.destroy();
      }
    });
    socket.once("close", () => resolve("cut"));
    socket.on("error", () => undefined);
  });
  await once(socket, "data");
  return { word };
}

/** Asks until the command has ended. */
async function poll({ id, token }: Watching["polls"][number]): Promise<string> {
  for (;;) {
    const asked = request(`${url}/v1/commands/${id}`, {
      agent,
      headers: { authorization: `Bearer ${token}`, prefer: `wait=${POLL_WAIT_SECONDS}` },
    });
    asked.end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    const body = await text(answer);
    if (answer.statusCode !== 200) return `HTTP ${answer.statusCode}`;
    const { status } = JSON.parse(body) as { status: string };
    if (status !== "queued") return status;
  }
}

const polling = Promise.all(polls.map(poll));
const open = await inParallel(streams, OPENED_AT_ONCE, stream);
parentPort?.postMessage("open");
const words = [...(await Promise.all(open.map(({ word }) => word))), ...(await polling)];
parentPort?.postMessage(words);
agent.destroy();
