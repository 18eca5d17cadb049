// The running launcher's ear: a loopback port on which `pnpm reset` asks it to stop the services, reset, start again.
import { timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf } from "./message-of.ts";
import { LOOPBACK } from "./ports.ts";

const DONE = "done";

export interface Control {
  port: number;
  close(): void;
}

/** Listens. `reset` is run one at a time, only for who has the token; its lines are streamed to the asker. */
export async function openControl(
  token: string,
  reset: (log: (line: string) => void) => Promise<void>,
): Promise<Control> {
  let running = false;
  const server = createServer((request, response) => {
    if (!sameToken(request.headers.authorization ?? "", `Bearer ${token}`)) {
      response.writeHead(401).end();
      return;
    }
    if (request.method !== "POST" || request.url !== "/reset") {
      response.writeHead(404).end();
      return;
    }
    if (running) {
      response.writeHead(409).end("a reset is running already\n");
      return;
    }
    running = true;
    response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
    const log = (line: string) => response.write(`${line}\n`);
    reset(log)
      .then(
        () => response.end(`${DONE}\n`),
        (error: unknown) => response.end(`failed: ${messageOf(error)}\n`),
      )
      .finally(() => {
        running = false;
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: LOOPBACK }, resolve);
  });
  server.unref();
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Asks a running launcher for a reset and passes its lines on. Throws when it did not come to its end. */
export async function askForReset(port: number, token: string, log: (line: string) => void): Promise<void> {
  const response = await fetch(`http://${LOOPBACK}:${port}/reset`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  let last = "";
  let rest = "";
  for await (const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      last = line;
      if (line !== DONE) log(line);
    }
  }
  if (last !== DONE) throw new Error(last === "" ? `the launcher answered ${response.status}` : last);
}

function sameToken(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
