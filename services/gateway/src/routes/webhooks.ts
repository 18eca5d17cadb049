// Endpoints of webhooks, for those whose they are: where they want to be told of things, and what became of each message.
// Sends nothing itself: the webhook worker does.
import { randomBytes } from "node:crypto";
import {
  CreateWebhookBody,
  Cursor,
  Delivery,
  DeliveryList,
  EditWebhookBody,
  type EndpointNotice,
  Limit,
  NoFields,
  presentDelivery,
  presentWebhookEndpoint,
  Replay,
  ReplayBody,
  TIME_MAX,
  TIME_MIN,
  WebhookEndpoint,
  WebhookEndpointList,
  WebhookEndpointWithSecret,
} from "@holdfast/contracts";
import {
  deleteEndpoint,
  type EndpointOf,
  type EndpointRecord,
  editEndpoint,
  findEndpointOf,
  findEndpointOfDelivery,
  insertEndpoint,
  inTransaction,
  type LoggedDelivery,
  listDeliveries,
  listEndpoints,
  lockOwner,
  type NewEndpoint,
  type ReplayPiece,
  redeliver,
  replayPiece,
  rotateSecret,
  tellEndpoint,
} from "@holdfast/db";
import {
  DELIVERY_STATUSES,
  DeliveryId,
  type UserId,
  WEBHOOK_ENDPOINT_STATUSES,
  WebhookEndpointId,
  type WebhookEndpointStatus,
} from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { checkUrl, newSecret, resolvesPublicly } from "@holdfast/webhooks";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { GatewayDeps } from "../deps.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { hungUp } from "../hung-up.ts";
import type { Identity } from "../identity.ts";
import { pageOf, readCursor } from "../pages.ts";
import type { PlacesMax } from "../places.ts";
import { later, notFound, Refused, unauthenticated } from "../refused.ts";

export const ENDPOINTS_PER_USER_MAX = 3;
/** Seconds for which the secret before still signs, beside the one that took its place. */
export const BOTH_SECRETS_SECONDS = 86_400;
/** Verifications, tests and replays that may be under way. */
export const WEBHOOK_PLACES: PlacesMax = { perUser: 5, inAll: 500 };
/** Deliveries that one statement begins anew. */
const REPLAY_PIECE = 500;
/** Bytes of a challenge. */
const CHALLENGE_BYTES = 24;
/** Seconds after which who asked for too much at once may ask again. */
const PLACE_RETRY_SECONDS = 1;

const OfEndpoint = z.object({ id: WebhookEndpointId });
const createdAt = z.int().min(TIME_MIN).max(TIME_MAX);
const AfterEndpoint = z.strictObject({ createdAt, id: WebhookEndpointId });
const AfterDelivery = z.strictObject({ createdAt, id: DeliveryId });

const LOOK = { access: "user", rate: "read", tag: "Webhooks" } as const;
const CHANGE = { access: "user", rate: "write", tag: "Webhooks" } as const;

const notActive = (): Refused =>
  new Refused({ code: "not-active", detail: "The endpoint is not active: it has to be verified first." });

const urlNotAllowed = (detail: string): Refused =>
  new Refused({ code: "webhook-url-not-allowed", errors: [{ pointer: "/url", detail }] });

const withSecret = (made: EndpointRecord, secret: string): WebhookEndpointWithSecret => ({
  ...presentWebhookEndpoint(made),
  secret,
});

export function webhookEndpoints({ now, pool, stopping, webhooks }: GatewayDeps): Endpoint[] {
  const of = (identity: Identity, id: WebhookEndpointId): EndpointOf => ({ ownerId: identity.userId, id });

  async function mustFind(endpointOf: EndpointOf): Promise<EndpointRecord> {
    const found = await findEndpointOf(pool, endpointOf);
    if (found === null) throw notFound();
    return found;
  }

  /** By what the URL says, and by where its name leads at the moment: who delivers looks again. */
  async function mustBeAllowed(text: string): Promise<void> {
    const { allowedHosts, resolve } = webhooks;
    const why = checkUrl(text, allowedHosts);
    if (why !== null) throw urlNotAllowed(why);
    if (!(await resolvesPublicly(text, allowedHosts, resolve)))
      throw urlNotAllowed("The name leads to an address that is not public.");
  }

  /** What takes long: so much at once, and no more. */
  async function inPlace<Result>(userId: UserId, work: () => Promise<Result>): Promise<Result> {
    const leave = webhooks.places.enter(userId);
    if (leave === null) throw later("rate-limited", PLACE_RETRY_SECONDS);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** Has a message sent, and answers with the endpoint as it is when that has ended. */
  const sendAndWait = (
    to: EndpointOf,
    notice: EndpointNotice,
    statuses: readonly WebhookEndpointStatus[],
    reply: FastifyReply,
  ): Promise<WebhookEndpoint> =>
    inPlace(to.ownerId, async () => {
      const [messageId, deliveryId] = [newId("webhookMessage"), newId("delivery")];
      const told = await tellEndpoint(pool, { ...to, messageId, deliveryId, notice, statuses });
      if (told === null) {
        await mustFind(to);
        throw notActive();
      }
      await webhooks.signal(to.id, told);
      await webhooks.ends.until(deliveryId, AbortSignal.any([stopping, hungUp(reply)]));
      return presentWebhookEndpoint(await mustFind(to));
    });

  /** What is due is found by the sweep when this is not heard. */
  const ask = (to: EndpointRecord): Promise<void> => webhooks.signal(to.id, to).catch(() => undefined);

  const create = endpoint({
    ...CHANGE,
    method: "POST",
    url: "/v1/webhooks",
    summary: "Be told at a URL: the signing secret is shown here and not again",
    body: CreateWebhookBody,
    answers: {
      201: {
        description: "Made; to be verified before it is sent anything.",
        schema: WebhookEndpointWithSecret,
      },
    },
    problems: ["limit-exceeded", "webhook-url-not-allowed"],
    async handle({ body: { url, types = null, description = null }, identity }, reply) {
      await mustBeAllowed(url);
      const secret = newSecret();
      const id = newId("webhookEndpoint");
      const sealed = webhooks.seal.close(secret);
      const made = await insertOf({ ...of(identity, id), url, types, description, secret: sealed });
      reply.code(201).header("location", `/v1/webhooks/${id}`);
      return withSecret(made, secret);
    },
  });

  const insertOf = (added: NewEndpoint): Promise<EndpointRecord> =>
    inTransaction(pool, async (tx) => {
      if (!(await lockOwner(tx, added.ownerId)))
        throw unauthenticated("The access token is not valid any more.");
      const made = await insertEndpoint(tx, added, ENDPOINTS_PER_USER_MAX);
      if (made !== null) return made;
      throw new Refused({
        code: "limit-exceeded",
        detail: "You have as many webhook endpoints as one user may have.",
        members: { limit: "endpoints" },
      });
    });

  const list = endpoint({
    ...LOOK,
    method: "GET",
    url: "/v1/webhooks",
    summary: "Your endpoints, the newest first",
    query: z.strictObject({ limit: Limit, cursor: Cursor.optional() }),
    answers: { 200: { description: "A page.", schema: WebhookEndpointList } },
    async handle({ query, identity, request }, reply) {
      const found = await listEndpoints(pool, {
        ownerId: identity.userId,
        limit: query.limit + 1,
        after: readCursor(AfterEndpoint, query.cursor),
      });
      const page = {
        present: presentWebhookEndpoint,
        cursorOf: ({ createdAt, id }: EndpointRecord) => ({ createdAt, id }),
      };
      return pageOf(found, query.limit, page, request, reply);
    },
  });

  const one = endpoint({
    ...LOOK,
    method: "GET",
    url: "/v1/webhooks/:id",
    summary: "One of your endpoints",
    params: OfEndpoint,
    answers: { 200: { description: "The endpoint.", schema: WebhookEndpoint } },
    async handle({ params, identity }) {
      return presentWebhookEndpoint(await mustFind(of(identity, params.id)));
    },
  });

  const edit = endpoint({
    ...CHANGE,
    method: "PATCH",
    url: "/v1/webhooks/:id",
    summary: "Change an endpoint: at another URL it has to be verified again",
    params: OfEndpoint,
    body: EditWebhookBody,
    answers: { 200: { description: "The endpoint.", schema: WebhookEndpoint } },
    problems: ["webhook-url-not-allowed"],
    async handle({ params, body, identity }) {
      const endpointOf = of(identity, params.id);
      const before = await mustFind(endpointOf);
      if (body.url !== undefined && body.url !== before.url) await mustBeAllowed(body.url);
      const edited = await editEndpoint(pool, endpointOf, body);
      if (edited === null) throw notFound();
      return presentWebhookEndpoint(edited);
    },
  });

  const remove = endpoint({
    ...CHANGE,
    method: "DELETE",
    url: "/v1/webhooks/:id",
    summary: "Be told no longer",
    params: OfEndpoint,
    answers: { 204: { description: "Gone, with everything that was still to be sent there." } },
    async handle({ params, identity }, reply) {
      if (!(await deleteEndpoint(pool, of(identity, params.id)))) throw notFound();
      return reply.code(204).send();
    },
  });

  const verify = endpoint({
    ...CHANGE,
    method: "POST",
    url: "/v1/webhooks/:id/verify",
    summary: "Send a challenge: whoever answers 200 with it becomes active",
    params: OfEndpoint,
    body: NoFields,
    answers: {
      200: { description: "The endpoint; its status tells whether it answered.", schema: WebhookEndpoint },
    },
    problems: ["unavailable"],
    async handle({ params, identity }, reply) {
      const challenge = randomBytes(CHALLENGE_BYTES).toString("base64url");
      const notice = { type: "endpoint.verification", challenge } as const;
      return await sendAndWait(of(identity, params.id), notice, WEBHOOK_ENDPOINT_STATUSES, reply);
    },
  });

  const test = endpoint({
    ...CHANGE,
    method: "POST",
    url: "/v1/webhooks/:id/test",
    summary: "Send a message that means nothing; the log tells what became of it",
    params: OfEndpoint,
    body: NoFields,
    answers: { 200: { description: "The endpoint.", schema: WebhookEndpoint } },
    problems: ["not-active", "unavailable"],
    async handle({ params, identity }, reply) {
      const notice = { type: "endpoint.test", endpointId: params.id } as const;
      return await sendAndWait(of(identity, params.id), notice, ["active"], reply);
    },
  });

  const rotate = endpoint({
    ...CHANGE,
    method: "POST",
    url: "/v1/webhooks/:id/rotate-secret",
    summary: "Get another secret: for a day messages are signed with the one before, too",
    params: OfEndpoint,
    body: NoFields,
    answers: { 200: { description: "The endpoint with its new secret.", schema: WebhookEndpointWithSecret } },
    async handle({ params, identity }) {
      const secret = newSecret();
      const sealed = webhooks.seal.close(secret);
      const rotated = await rotateSecret(pool, of(identity, params.id), sealed, BOTH_SECRETS_SECONDS);
      if (rotated === null) throw notFound();
      return withSecret(rotated, secret);
    },
  });

  const replay = endpoint({
    ...CHANGE,
    method: "POST",
    url: "/v1/webhooks/:id/replay",
    summary: "Send again everything since a moment, under the ids that it had",
    params: OfEndpoint,
    body: ReplayBody,
    answers: { 202: { description: "On its way.", schema: Replay } },
    problems: ["not-active", "unavailable"],
    async handle({ params, body: { since }, identity }, reply) {
      const endpointOf = of(identity, params.id);
      const found = await mustFind(endpointOf);
      if (found.status !== "active") throw notActive();
      const count = await inPlace(identity.userId, () => replaySince(endpointOf, since, () => ask(found)));
      reply.code(202);
      return { object: "replay" as const, count };
    },
  });

  /** In pieces, each on its way before the next is begun. */
  async function replaySince(
    endpointOf: EndpointOf,
    since: number,
    onPiece: () => Promise<void>,
  ): Promise<number> {
    const until = now();
    let after: ReplayPiece["after"] = null;
    for (let count = 0; ; ) {
      const piece = await replayPiece(pool, {
        endpoint: endpointOf,
        since,
        until,
        after,
        limit: REPLAY_PIECE,
      });
      count += piece.count;
      if (piece.count > 0) await onPiece();
      if (piece.count < REPLAY_PIECE) return count;
      if (stopping.aborted) throw later("unavailable", PLACE_RETRY_SECONDS);
      after = piece.last;
    }
  }

  const deliveries = endpoint({
    ...LOOK,
    method: "GET",
    url: "/v1/webhooks/:id/deliveries",
    summary: "What was sent to an endpoint, the newest first, with every attempt",
    params: OfEndpoint,
    query: z.strictObject({
      status: z.enum(DELIVERY_STATUSES).optional(),
      limit: Limit,
      cursor: Cursor.optional(),
    }),
    answers: { 200: { description: "A page.", schema: DeliveryList } },
    async handle({ params, query, identity, request }, reply) {
      const endpointOf = of(identity, params.id);
      const after = readCursor(AfterDelivery, query.cursor);
      await mustFind(endpointOf);
      const found = await listDeliveries(pool, {
        endpoint: endpointOf,
        status: query.status ?? null,
        limit: query.limit + 1,
        after,
      });
      const page = {
        present: presentDelivery,
        cursorOf: ({ createdAt, id }: LoggedDelivery) => ({ createdAt, id }),
      };
      return pageOf(found, query.limit, page, request, reply);
    },
  });

  const again = endpoint({
    ...CHANGE,
    method: "POST",
    url: "/v1/deliveries/:id/redeliver",
    summary: "Send one message again, under the id that it had",
    params: z.object({ id: DeliveryId }),
    body: NoFields,
    answers: { 202: { description: "On its way.", schema: Delivery } },
    problems: ["not-active"],
    async handle({ params, identity }, reply) {
      const to = await findEndpointOfDelivery(pool, identity.userId, params.id);
      if (to === null) throw notFound();
      const begun = await redeliver(pool, identity.userId, params.id);
      if (begun === null) throw notActive();
      await ask(to);
      reply.code(202);
      return presentDelivery(begun);
    },
  });

  return [create, list, one, edit, remove, verify, test, rotate, replay, deliveries, again];
}
