// A receiver of webhooks as a careful customer writes one: it checks every signature with the reference library, and
// keeps all that comes. It answers as the test has it answer. Knows nothing of Holdfast but what its messages look like.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { WebhookMessage } from "@holdfast/contracts";
import { Webhook } from "standardwebhooks";

const HOST = "127.0.0.1";

/** What `WEBHOOK_ALLOWED_HOSTS` must say for webhooks to get here. */
export const RECEIVER_HOSTS = HOST;

/** A status, or the connection's end without one. */
export type Answer = number | "reset";

export interface Tried {
  readonly id: string;
  readonly body: string;
  readonly type: WebhookMessage["type"];
  /** How many signatures it bore. */
  readonly signatures: number;
  readonly answered: Answer;
}

/** One endpoint: a URL of the receiver's, and what came to it. */
export interface Mailbox {
  readonly url: string;
  /** Secrets that every signature must fit, each of them. */
  trusted: readonly string[];
  /** How each try is answered, but for a verification: that one always gets its challenge back. 200 unless told otherwise. */
  answer: (tried: Pick<Tried, "id" | "type">) => Answer;
  /** In the order in which they came, verifications left out. */
  readonly tries: readonly Tried[];
  /** What was wrong with tries: a signature, a header, a body that is no message. */
  readonly faults: readonly string[];
}

export interface Receiver {
  open(): Mailbox;
  /** Tries that came in all. */
  readonly count: number;
  close(): Promise<void>;
}

interface OpenMailbox extends Mailbox {
  readonly tries: Tried[];
  readonly faults: string[];
}

export async function openReceiver(): Promise<Receiver> {
  const mailboxes = new Map<string, OpenMailbox>();
  let count = 0;

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const mailbox = mailboxes.get(request.url ?? "");
    if (mailbox === undefined) {
      response.writeHead(404).end();
      return;
    }
    count += 1;
    const message = read(mailbox, request, body);
    if (message?.type === "endpoint.verification") {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ challenge: message.data.challenge }));
      return;
    }
    const id = String(request.headers["webhook-id"]);
    const type = message?.type ?? "endpoint.test";
    const signatures = String(request.headers["webhook-signature"]).split(" ").length;
    const answered = message === null ? 400 : mailbox.answer({ id, type });
    mailbox.tries.push({ id, body, type, signatures, answered });
    if (answered === "reset") request.socket.resetAndDestroy();
    else response.writeHead(answered).end();
  }

  const server = createServer((request, response) => {
    receive(request, response).catch(() => request.socket.destroy()); // whoever sent it broke off
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    open() {
      const path = `/${mailboxes.size + 1}`;
      const url = `http://${HOST}:${port}${path}`;
      const mailbox: OpenMailbox = { url, trusted: [], answer: () => 200, tries: [], faults: [] };
      mailboxes.set(path, mailbox);
      return mailbox;
    },
    get count() {
      return count;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The message, as its receiver may believe it; null, and a fault noted, when it may not. */
function read(
  { trusted, faults }: OpenMailbox,
  request: IncomingMessage,
  body: string,
): WebhookMessage | null {
  try {
    if (trusted.length === 0) throw new Error("came before its secret was known");
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    for (const secret of trusted) new Webhook(secret).verify(body, headers);
    const message = WebhookMessage.parse(JSON.parse(body));
    if (message.id !== headers["webhook-id"]) throw new Error(`says it is ${message.id}`);
    if (headers["content-type"] !== "application/json") throw new Error(`is ${headers["content-type"]}`);
    return message;
  } catch (error) {
    faults.push(`${request.headers["webhook-id"]}: ${error}`);
    return null;
  }
}
