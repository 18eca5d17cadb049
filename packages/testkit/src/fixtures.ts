// Builders for tests: users, events, commands, and a crowd at the door that enqueues them and awaits replies.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { insertEvent, type NewEvent, type NewSlot } from "@holdfast/db";
import {
  type AddSlotCommand,
  type CancelCommand,
  type CancelEventCommand,
  type CloseSalesCommand,
  type Command,
  type EditEventCommand,
  type EditSlotCommand,
  type EventEdits,
  type EventId,
  type ExpireDueCommand,
  expireDue as expireDueCommand,
  type JoinWaitlistCommand,
  type LeaveWaitlistCommand,
  type NoticeType,
  type OpenSalesCommand,
  type Outcome,
  type PromoteCommand,
  type Promotion,
  type PurchaseCommand,
  promote as promoteCommand,
  type RemoveSlotCommand,
  type ReservationCursor,
  type ReservationId,
  type ReserveCommand,
  type SetCapacityCommand,
  type SlotEdits,
  type SlotId,
  type UserId,
  type UserRole,
  type WaitlistEntryId,
  type WaitlistTerms,
  type WebhookEndpointId,
  type WebhookEndpointStatus,
  type WindDownCommand,
  windDown as windDownCommand,
} from "@holdfast/domain";
import {
  type Activations,
  depthOf,
  type Enqueued,
  openPatientRedis,
  openRedis,
  openReplies,
  openSender,
  type Producer,
  type Replies,
  type Reply,
  untilReady,
} from "@holdfast/event-queue";
import { newId } from "@holdfast/runtime";
import type { Redis } from "ioredis";
import type pg from "pg";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Milliseconds between two looks of `until`, and for which it looks unless told otherwise. */
const LOOK_EVERY_MS = 10;
const UNTIL_MS = 10_000;

/** Users that nobody can log in as. */
export async function createUsers(pool: Pick<pg.Pool, "query">, count: number): Promise<UserId[]> {
  const ids = Array.from({ length: count }, () => newId("user"));
  await pool.query(
    `INSERT INTO users (id, email, name, password_hash)
     SELECT id, id || '@example.com', 'Somebody', 'none' FROM unnest($1::text[]) AS given(id)`,
    [ids],
  );
  return ids;
}

/** An endpoint that hears of everything that its owner may, and is called by nobody: its secret is none. */
export async function createEndpoint(
  pool: Pick<pg.Pool, "query">,
  ownerId: UserId,
  {
    types = null,
    status = "active",
  }: { types?: readonly NoticeType[] | null; status?: WebhookEndpointStatus } = {},
): Promise<WebhookEndpointId> {
  const id = newId("webhookEndpoint");
  await pool.query(
    `INSERT INTO webhook_endpoints (id, owner_id, url, types, status, disabled_reason, failing_since, failed_at, secret)
    SELECT $1, $2, 'https://example.com/', $3, $4, CASE WHEN $4 = 'disabled' THEN 'gone' END, off, off, 'none'
    FROM (SELECT CASE WHEN $4 = 'disabled' THEN now() END AS off) given`,
    [id, ownerId, types, status],
  );
  return id;
}

export interface EventOptions {
  /** A slot for each capacity, two hours each, one after the other. */
  readonly capacities?: readonly number[];
  /** When the first slot starts; a day from now unless told otherwise. */
  readonly startsAt?: number;
  readonly terms?: Partial<NewEvent>;
  /** Given, even empty, the event has a waitlist: what is left out is as usual. */
  readonly waitlist?: Partial<WaitlistTerms>;
}

export interface TestEvent {
  readonly id: EventId;
  readonly organizerId: UserId;
  readonly slots: readonly NewSlot[];
  /** The first slot's. */
  readonly slotId: SlotId;
}

/** An event on sale, with one slot of ten tickets unless told otherwise. */
export async function createEvent(pool: pg.Pool, options: EventOptions = {}): Promise<TestEvent> {
  const {
    capacities = [10],
    startsAt = Math.ceil(Date.now() / 1000) * 1000 + DAY_MS,
    terms = {},
    waitlist,
  } = options;
  const [organizerId] = terms.organizerId === undefined ? await createUsers(pool, 1) : [terms.organizerId];
  const slots: NewSlot[] = capacities.map((capacity, i) => ({
    id: newId("slot"),
    name: null,
    startsAt: startsAt + i * 2 * HOUR_MS,
    endsAt: startsAt + (i + 1) * 2 * HOUR_MS,
    capacity,
  }));
  const [first] = slots;
  if (organizerId === undefined || first === undefined)
    throw new Error("an event has an organizer and a slot");
  const event: NewEvent = {
    id: newId("event"),
    name: "An evening",
    description: null,
    venue: null,
    salesOpenAt: null,
    salesCloseAt: null,
    holdSeconds: 300,
    offerSeconds: 900,
    maxPerOrder: 10,
    maxPerUser: 10,
    overlapPolicy: "refuse",
    cancelCutoffSeconds: 0,
    waitlist: {
      enabled: waitlist !== undefined,
      mode: "skip",
      maxSkips: 5,
      collectSeconds: 900,
      maxEntries: 1_000,
      closesBeforeSeconds: 0,
      ...waitlist,
    },
    slots,
    ...terms,
    organizerId,
  };
  await insertEvent(pool, event);
  return { id: event.id, organizerId, slots, slotId: first.id };
}

/** What a request may say beside what it asks for. */
export interface Asking {
  /** Its stamp, in milliseconds since 1970; now unless told otherwise. */
  readonly at?: number;
  readonly key?: string;
}

const fromUser = (eventId: EventId, userId: UserId, { at = Date.now(), key }: Asking) => ({
  id: newId("command"),
  eventId,
  at,
  userId,
  idempotencyKey: key ?? null,
  fingerprint: key === undefined ? null : randomUUID(),
});

export const reserve = (
  eventId: EventId,
  userId: UserId,
  {
    quantity = 1,
    slotId = null,
    orWait = false,
    ...asking
  }: Asking & { quantity?: number; slotId?: SlotId | null; orWait?: boolean } = {},
): ReserveCommand => ({
  ...fromUser(eventId, userId, asking),
  type: "reserve",
  input: { slotId, quantity, ...(orWait ? { orWait } : {}) },
});

export const purchase = (
  eventId: EventId,
  userId: UserId,
  reservationId: ReservationId,
  { paymentReference = null, ...asking }: Asking & { paymentReference?: string | null } = {},
): PurchaseCommand => ({
  ...fromUser(eventId, userId, asking),
  type: "purchase",
  input: { reservationId, paymentReference },
});

export const cancel = (
  eventId: EventId,
  userId: UserId,
  reservationId: ReservationId,
  { role = "user", ...asking }: Asking & { role?: UserRole } = {},
): CancelCommand => ({
  ...fromUser(eventId, userId, asking),
  type: "cancel",
  input: { reservationId, role },
});

export const joinWaitlist = (
  eventId: EventId,
  userId: UserId,
  slotId: SlotId,
  { quantity = 1, ...asking }: Asking & { quantity?: number } = {},
): JoinWaitlistCommand => ({
  ...fromUser(eventId, userId, asking),
  type: "join-waitlist",
  input: { slotId, quantity },
});

export const leaveWaitlist = (
  eventId: EventId,
  userId: UserId,
  entryId: WaitlistEntryId,
  { role = "user", ...asking }: Asking & { role?: UserRole } = {},
): LeaveWaitlistCommand => ({
  ...fromUser(eventId, userId, asking),
  type: "leave-waitlist",
  input: { entryId, role },
});

/** What an organizer's command may say beside what it asks for. */
export interface Organizing extends Asking {
  readonly role?: UserRole;
  /** Versions of the event, one of which it must have; any unless told otherwise. */
  readonly ifVersion?: readonly number[];
}

const fromOrganizer = (
  eventId: EventId,
  userId: UserId,
  { role = "organizer", ifVersion, ...asking }: Organizing,
) => ({
  ...fromUser(eventId, userId, asking),
  input: { role, ifVersion: ifVersion === undefined ? null : [...ifVersion] },
});

export const editEvent = (
  eventId: EventId,
  userId: UserId,
  edits: EventEdits,
  organizing: Organizing = {},
): EditEventCommand => {
  const { input, ...command } = fromOrganizer(eventId, userId, organizing);
  return { ...command, type: "edit-event", input: { ...input, edits } };
};

/** A slot of ten tickets, two days from now, unless told otherwise. */
export const addSlot = (
  eventId: EventId,
  userId: UserId,
  {
    name = null,
    capacity = 10,
    startsAt = Math.ceil(Date.now() / 1000) * 1000 + 2 * DAY_MS,
    endsAt = startsAt + 2 * HOUR_MS,
    ...organizing
  }: Organizing & { name?: string | null; capacity?: number; startsAt?: number; endsAt?: number } = {},
): AddSlotCommand => {
  const { input, ...command } = fromOrganizer(eventId, userId, organizing);
  return { ...command, type: "add-slot", input: { ...input, name, capacity, startsAt, endsAt } };
};

export const editSlot = (
  eventId: EventId,
  userId: UserId,
  slotId: SlotId,
  edits: SlotEdits,
  organizing: Organizing = {},
): EditSlotCommand => {
  const { input, ...command } = fromOrganizer(eventId, userId, organizing);
  return { ...command, type: "edit-slot", input: { ...input, slotId, edits } };
};

export const removeSlot = (
  eventId: EventId,
  userId: UserId,
  slotId: SlotId,
  organizing: Organizing = {},
): RemoveSlotCommand => {
  const { input, ...command } = fromOrganizer(eventId, userId, organizing);
  return { ...command, type: "remove-slot", input: { ...input, slotId } };
};

export const setCapacity = (
  eventId: EventId,
  userId: UserId,
  slotId: SlotId,
  capacity: number,
  organizing: Omit<Organizing, "ifVersion"> = {},
): SetCapacityCommand => {
  const { input, ...command } = fromOrganizer(eventId, userId, organizing);
  return { ...command, type: "set-capacity", input: { role: input.role, slotId, capacity } };
};

/** Closing and opening sales by hand, and cancelling the event, ask for nothing else. */
const ofWholeEvent =
  <Type extends "close-sales" | "open-sales" | "cancel-event">(type: Type) =>
  (eventId: EventId, userId: UserId, organizing: Omit<Organizing, "ifVersion"> = {}) => {
    const { input, ...command } = fromOrganizer(eventId, userId, organizing);
    return { ...command, type, input: { role: input.role } };
  };
export const closeSales: (...asked: FromOrganizer) => CloseSalesCommand = ofWholeEvent("close-sales");
export const openSales: (...asked: FromOrganizer) => OpenSalesCommand = ofWholeEvent("open-sales");
export const cancelEvent: (...asked: FromOrganizer) => CancelEventCommand = ofWholeEvent("cancel-event");
type FromOrganizer = [eventId: EventId, userId: UserId, organizing?: Omit<Organizing, "ifVersion">];

export const expireDue = (eventId: EventId, dueAt: number, at = Date.now()): ExpireDueCommand =>
  expireDueCommand(newId("command"), eventId, { at, dueAt });

export const promote = (
  eventId: EventId,
  slotId: SlotId,
  { from = null, recheck = [], at = Date.now() }: Partial<Pick<Promotion, "from" | "recheck" | "at">> = {},
): PromoteCommand => promoteCommand(newId("command"), { eventId, slotId, from, recheck }, at);

export const windDown = (
  eventId: EventId,
  { after = null, at = Date.now() }: { after?: ReservationCursor | null; at?: number } = {},
): WindDownCommand => windDownCommand(newId("command"), eventId, { at, after });

/** An outcome in a word: what a succeeded command's reservation or waitlist entry is now, or why there is none. */
export function wordOf(outcome: Outcome): string {
  switch (outcome.status) {
    case "succeeded":
      return outcome.reservation?.status ?? outcome.entry?.status ?? "done";
    case "rejected":
      return outcome.refusal.code;
    case "failed":
      return `failed ${outcome.failure}`;
    case "withdrawn":
      return outcome.status;
  }
}

/** People at one door: a producer with a reply channel of its own. */
export interface Crowd {
  readonly redis: Redis;
  readonly activations: Activations;
  readonly producer: Producer;
  readonly replies: Replies;
  /** Enqueues the command and waits for its outcome. Rejects when it could not be enqueued. */
  ask(command: Command): Promise<Reply>;
  /** Enqueues the command and does not wait for its outcome. Rejects when it could not be enqueued. */
  send(command: Command): Promise<Extract<Enqueued, { kind: "enqueued" }>>;
  /** How many commands of each event have been enqueued and are not done. */
  depthsOf(eventIds: readonly EventId[]): Promise<number[]>;
  close(): Promise<void>;
}

export async function openCrowd(redisUrl: string, prefix: string): Promise<Crowd> {
  const door = `door-${randomUUID()}`;
  const onError = (): void => undefined; // what a test cuts is seen by what it asks
  const redis = openRedis({ url: redisUrl, name: door, onError });
  const patient = openPatientRedis({ url: redisUrl, name: door, onError });
  await untilReady(redis);
  const sender = openSender({ redis, prefix, replyTo: door, onError });
  const { activations, producer } = sender;
  const replies = await openReplies(patient, prefix, door);
  const send: Crowd["send"] = async (command) => {
    const sent = await producer.enqueue(command);
    if (sent.kind !== "enqueued") throw new Error(`${command.type} was not enqueued: ${sent.kind}`);
    return sent;
  };
  return {
    redis,
    activations,
    producer,
    replies,
    send,
    ask: async (command) => {
      const reply = new Promise<Reply>((resolve) => replies.expect(command.id, resolve));
      await send(command);
      return reply;
    },
    depthsOf: (eventIds) => Promise.all(eventIds.map((eventId) => depthOf(redis, prefix, eventId))),
    close: async () => {
      await sender.close();
      redis.disconnect();
      patient.disconnect();
    },
  };
}

/** Looks until there is something to see, and gives it back. Rejects, with what was awaited, after `withinMs`. */
export async function until<T>(
  awaited: string,
  look: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  withinMs = UNTIL_MS,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== false && seen !== null && seen !== undefined) return seen;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${awaited}`);
    await pause(LOOK_EVERY_MS);
  }
}
