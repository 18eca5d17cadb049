// Servers that receive webhooks in tests: good ones, which check what they get with the reference library, and bad ones.
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from "node:net";
import { WebhookMessage } from "@holdfast/contracts";
import { Webhook } from "standardwebhooks";
import { onTestFinished } from "vitest";
import { CERTIFICATE, CERTIFICATE_KEY } from "./certificate.ts";

/** The host of every receiver, to be listed as allowed. */
export const RECEIVER_HOST = "127.0.0.1";

export interface Listening {
  readonly url: string;
  readonly port: number;
  /** Connections that ever came. */
  readonly connections: number;
}

export async function listen(
  server: Server | TcpServer,
  scheme = "http",
  host = RECEIVER_HOST,
): Promise<Listening> {
  let connections = 0;
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined); // bad ones reset, and are cut
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, host);
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}/hook`,
    port,
    get connections() {
      return connections;
    },
  };
}

/** A request that came, whole. */
export interface Received {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly message: WebhookMessage;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface Receiver extends Listening {
  readonly received: readonly Received[];
}

export type Answer = (
  received: Received,
  nth: number,
) => { status: number; headers?: Record<string, string>; body?: string };

/** Verifies each message with the reference library, and answers; what does not verify is answered 401, and not kept. */
export async function receive(secret: string, answer: Answer = () => ({ status: 204 })): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer(handle(secret, received, answer));
  return Object.assign(Object.create(await listen(server)) as Listening, { received });
}

/** The same by TLS, with the certificate of these tests. */
export async function receiveByTls(secret: string): Promise<Receiver> {
  const received: Received[] = [];
  const server = createTlsServer(
    { cert: CERTIFICATE, key: CERTIFICATE_KEY },
    handle(secret, received, () => ({ status: 200 })),
  );
  return Object.assign(Object.create(await listen(server, "https")) as Listening, { received });
}

const handle =
  (secret: string, received: Received[], answer: Answer): RequestListener =>
  (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      try {
        new Webhook(secret).verify(body, request.headers as Record<string, string>);
      } catch {
        response.writeHead(401).end();
        return;
      }
      const one = {
        headers: request.headers,
        body,
        message: WebhookMessage.parse(JSON.parse(body)),
        at: Date.now(),
      };
      const nth = received.push(one);
      const { status, headers = {}, body: said } = answer(one, nth);
      response.writeHead(status, headers).end(said);
    });
  };

/** What a verification is answered with. */
export const answerChallenge: Answer = ({ message }) =>
  message.type === "endpoint.verification"
    ? { status: 200, body: JSON.stringify({ challenge: message.data.challenge }) }
    : { status: 200 };

const DRIP_EVERY_MS = 20;

/** The twelve that behave badly, each in its way. `elsewhere` is where the redirecting one points to. */
export const BAD_BEHAVIOURS = [
  "slow",
  "hang",
  "drip",
  "500",
  "429",
  "410",
  "redirect",
  "endless",
  "reset",
  "bad-tls",
  "wrong-type",
  "flapping",
] as const;
export type BadBehaviour = (typeof BAD_BEHAVIOURS)[number];

export async function behaveBadly(
  behaviour: BadBehaviour,
  { slowMs, elsewhere }: { slowMs: number; elsewhere: string },
): Promise<Listening> {
  if (behaviour === "bad-tls") {
    return listen(
      createTcpServer((socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\n")),
      "https",
    );
  }
  if (behaviour === "wrong-type") {
    return listen(createTcpServer((socket) => void socket.end("220 mail.example ESMTP\r\n")));
  }
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    request.resume();
    switch (behaviour) {
      case "slow":
        setTimeout(() => response.writeHead(200).end(), slowMs).unref();
        return;
      case "hang":
        return;
      case "drip": {
        response.writeHead(200, { "content-type": "text/plain" });
        const timer = setInterval(() => response.write("."), DRIP_EVERY_MS);
        response.on("close", () => clearInterval(timer));
        return;
      }
      case "500":
        response.writeHead(500).end("no");
        return;
      case "429":
        response.writeHead(429, { "retry-after": "1" }).end();
        return;
      case "410":
        response.writeHead(410).end();
        return;
      case "redirect":
        response.writeHead(307, { location: elsewhere }).end();
        return;
      case "endless": {
        response.writeHead(200);
        const more = (): void => {
          while (!response.destroyed && response.write("x".repeat(16_384)));
        };
        response.on("drain", more);
        more();
        return;
      }
      case "reset":
        request.socket.resetAndDestroy();
        return;
      case "flapping":
        response.writeHead(requests % 2 === 0 ? 200 : 500).end();
        return;
    }
  });
  server.on("clientError", () => undefined);
  return listen(server);
}
