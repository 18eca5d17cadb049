// People who have webhooks sent to a receiver: registered, verified and asked for by HTTP, as anybody does it.
import { WebhookEndpointWithSecret } from "@holdfast/contracts";
import type { WebhookEndpointId } from "@holdfast/domain";
import type { Client } from "@holdfast/load";
import { expect } from "vitest";
import type { Person } from "./population.ts";
import type { Mailbox, Receiver } from "./webhook-receiver.ts";

export interface Subscription {
  readonly owner: Person;
  readonly endpointId: WebhookEndpointId;
  readonly path: string;
  readonly mailbox: Mailbox;
}

/** An endpoint that nobody has verified. */
export async function register(
  client: Client,
  receiver: Receiver,
  owner: Person,
  types?: readonly string[],
): Promise<Subscription> {
  const mailbox = receiver.open();
  const body = { url: mailbox.url, ...(types === undefined ? {} : { types }) };
  const made = await client.post("/v1/webhooks", { token: owner.token, body });
  expect([made.status, made.body]).toEqual([201, expect.anything()]);
  const { id, secret, status } = WebhookEndpointWithSecret.parse(made.body);
  const path = `/v1/webhooks/${id}`;
  expect([status, made.headers["location"]]).toEqual(["unverified", path]);
  mailbox.trusted = [secret];
  return { owner, endpointId: id, path, mailbox };
}

/** An endpoint that is active. */
export async function subscribe(
  client: Client,
  receiver: Receiver,
  owner: Person,
  types?: readonly string[],
): Promise<Subscription> {
  const subscription = await register(client, receiver, owner, types);
  const verified = await client.post(`${subscription.path}/verify`, { token: owner.token });
  expect(verified).toMatchObject({ status: 200, body: { status: "active" } });
  return subscription;
}
