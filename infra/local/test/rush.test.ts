// What a rush does when answers do not come: tries again under the same key, elsewhere, and gives up at last.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type CommandId,
  type EventId,
  encodeId,
  reservationIdOf,
  type SlotId,
  type UserId,
} from "@holdfast/domain";
import { type Client, openClient } from "@holdfast/load";
import { newId } from "@holdfast/runtime";
import { expect, onTestFinished, test } from "vitest";
import { type Deed, rush, wordOf } from "../src/demo/rush.ts";

const eventId: EventId = newId("event");
const userId: UserId = newId("user");
const slotId: SlotId = newId("slot");
const commandId: CommandId = encodeId("command", new Uint8Array(16));

/** A gateway that says what it is told to, and a client of it. */
async function gateway(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Client> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = openClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(async () => {
    await client.close();
    server.close();
  });
  return client;
}

const rushTo = (clients: readonly Client[], signal = new AbortController().signal): Promise<Deed[]> =>
  rush({ clients, eventId, buyers: [{ userId, token: "t" }], width: 1, signal, onDeed: () => {} });

const refusal = {
  type: "/docs/problems#all-held",
  title: "All tickets are held",
  status: 409,
  detail: "…",
  code: "all-held",
  instance: "/",
  requestId: "1",
};

function answerJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, {
    "content-type": "application/json",
    link: `</v1/commands/${commandId}>; rel="monitor"`,
  });
  response.end(JSON.stringify(body));
}

test("a cut connection and an unavailable gateway are tried again at the next one, under the same key", async () => {
  const keys: unknown[] = [];
  const cut = await gateway((request) => {
    keys.push(request.headers["idempotency-key"]);
    request.socket.destroy();
  });
  const unavailable = await gateway((request, response) => {
    keys.push(request.headers["idempotency-key"]);
    answerJson(response, 503, {});
  });
  const good = await gateway((request, response) => {
    keys.push(request.headers["idempotency-key"]);
    answerJson(response, 409, refusal);
  });
  const [deed, ...others] = await rushTo([cut, unavailable, good]);
  expect(others).toEqual([]);
  expect(deed).toMatchObject({ kind: "reserve", told: { status: "rejected", commandId } });
  expect(deed?.troubles).toEqual(["UND_ERR_SOCKET", "HTTP 503"]);
  expect(keys).toEqual([keys[0], keys[0], keys[0]]);
  expect(keys[0]).toContain(eventId);
});

test("a promised command is followed to its end, and its time counts from the first try", async () => {
  const reservation = {
    object: "reservation",
    id: reservationIdOf(commandId),
    eventId,
    slotId,
    userId,
    quantity: 1,
    status: "held",
    origin: "public",
    paymentReference: null,
    expiresAt: "2030-01-01T00:00:00.000Z",
    createdAt: "2030-01-01T00:00:00.000Z",
    purchasedAt: null,
    endedAt: null,
    endReason: null,
  };
  const command = {
    object: "command",
    id: commandId,
    type: "reserve",
    eventId,
    status: "queued",
    submittedAt: "2030-01-01T00:00:00.000Z",
    finishedAt: null,
    position: null,
    estimatedWaitMs: null,
    result: null,
    problem: null,
    explanation: null,
  };
  let looks = 0;
  const client = await gateway((request, response) => {
    if (request.method === "GET") looks += 1;
    if (request.url?.endsWith("/purchase") === true)
      answerJson(response, 409, { ...refusal, code: "not-active" });
    else if (looks < 2) answerJson(response, request.method === "POST" ? 202 : 200, command);
    else answerJson(response, 200, { ...command, status: "succeeded", result: reservation });
  });
  const deeds = await rushTo([client]);
  expect(deeds.map(({ kind, told }) => `${kind}: ${wordOf(told)}`)).toEqual([
    "reserve: held",
    "purchase: not-active",
  ]);
  expect(looks).toBe(2);
});

test("an abort ends it between two tries", async () => {
  const ending = new AbortController();
  const client = await gateway((request) => {
    ending.abort();
    request.socket.destroy();
  });
  await expect(rushTo([client], ending.signal)).rejects.toThrow("aborted");
});
