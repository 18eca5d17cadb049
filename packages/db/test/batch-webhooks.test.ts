// What a batch tells others: whose endpoints hear of it, and how messages and deliveries are written with it or not at all.
import {
  type AnyCommand,
  type Notice,
  offerIdOf,
  reservationIdOf,
  type UserId,
  type WebhookEndpointId,
  waitlistEntryIdOf,
} from "@holdfast/domain";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import {
  cancel,
  createEndpoint,
  createEvent,
  createUsers,
  expireDue,
  joinWaitlist,
  leaveWaitlist,
  purchase,
  reserve,
  type TestEvent,
} from "../../testkit/src/index.ts";
import { type BatchWrite, type LoadedBatch, loadBatch, type Subscriber } from "../src/inventory.ts";
import { loadSubscribers } from "../src/inventory-webhooks.ts";
import { type Batches, expectSound, OWNER, openBatches } from "./batch-under-test.ts";

let batches: Batches;
let event: TestEvent;
let ann: UserId;
let bob: UserId;
let admin: UserId;

beforeAll(async () => {
  batches = await openBatches();
});
afterAll(() => batches.close());

beforeEach(async () => {
  const { pool } = batches.database;
  await pool.query("DELETE FROM webhook_endpoints");
  event = await createEvent(pool, { capacities: [2], waitlist: {} });
  await setRole(event.organizerId, "organizer");
  [ann, bob, admin] = (await createUsers(pool, 3)) as [UserId, UserId, UserId];
  await setRole(admin, "admin");
});

const setRole = async (userId: UserId, role: string): Promise<unknown> =>
  batches.database.pool.query("UPDATE users SET role = $2 WHERE id = $1", [userId, role]);

/** What a batch of these commands is loaded with, by a drain that comes after all before it; nothing is written. */
async function loaded(commands: readonly AnyCommand[]): Promise<LoadedBatch> {
  const { pool } = batches.database;
  const { rows } = await pool.query<{ fence: string }>("SELECT fence FROM event_lanes WHERE event_id = $1", [
    event.id,
  ]);
  const tx = await batches.connect();
  try {
    const claim = { owner: "another", after: Number(rows[0]?.fence) };
    return await loadBatch(tx, event.id, claim, commands, Date.now());
  } finally {
    await tx.query("ROLLBACK");
    tx.release();
  }
}

/** Whom it finds listening. */
const heard = async (...commands: AnyCommand[]): Promise<readonly Subscriber[]> =>
  (await loaded(commands)).subscribers;

describe("who hears of a batch", () => {
  const idsOf = (subscribers: readonly Subscriber[]) => subscribers.map(({ id }) => id).sort();

  test("its senders, of their own; its organizer and admins, of everything; nobody else", async () => {
    const { pool } = batches.database;
    const mine = await createEndpoint(pool, ann, { types: ["reservation.held"] });
    const all = await createEndpoint(pool, event.organizerId);
    const every = await createEndpoint(pool, admin);
    await createEndpoint(pool, bob);
    await createEndpoint(pool, ann, { status: "unverified" });
    const off = await createEndpoint(pool, ann, { status: "disabled" });
    const long = await createEndpoint(pool, ann, { status: "disabled" });
    await pool.query("UPDATE webhook_endpoints SET failed_at = now() - interval '31 days' WHERE id = $1", [
      long,
    ]);

    const found = await heard(reserve(event.id, ann));
    expect(idsOf(found)).toEqual([mine, off, all, every].sort());
    expect(idsOf(found.filter(({ disabled }) => disabled))).toEqual([off]);
    expect(
      found
        .filter(({ hearsAll }) => hearsAll)
        .map(({ ownerId }) => ownerId)
        .sort(),
    ).toEqual([event.organizerId, admin].sort());
    expect(found.find(({ id }) => id === mine)).toEqual({
      id: mine,
      ownerId: ann,
      types: ["reservation.held"],
      hearsAll: false,
      troubled: false,
      disabled: false,
    });
  });

  test("nobody is asked for twice while nobody listens at all", async () => {
    const listens = async () => {
      const tx = await batches.connect();
      try {
        return await loadSubscribers(tx, event.id, [ann]);
      } finally {
        tx.release();
      }
    };
    expect(await listens()).toEqual({ subscribers: [], others: false });
    await createEndpoint(batches.database.pool, bob);
    expect(await listens()).toEqual({ subscribers: [], others: true });
  });

  test("not who is disabled, and not as organizer who is none any more", async () => {
    const { pool } = batches.database;
    await createEndpoint(pool, ann);
    const organizer = await createEndpoint(pool, event.organizerId);
    await pool.query("UPDATE users SET disabled_at = now() WHERE id = $1", [ann]);
    await setRole(event.organizerId, "user");
    const found = await heard(reserve(event.id, ann));
    expect(found.map(({ id, hearsAll }) => [id, hearsAll])).toEqual([[organizer, false]]);
  });

  test("whose hold is due by now, whose entry the organizer ends, and whose offer that is", async () => {
    const { pool } = batches.database;
    const entry = joinWaitlist(event.id, bob, event.slotId);
    await batches.apply(event.id, [reserve(event.id, ann, { quantity: 2 }), entry]);
    const endpoints = [await createEndpoint(pool, ann), await createEndpoint(pool, bob)];
    const out = leaveWaitlist(event.id, event.organizerId, waitlistEntryIdOf(entry.id), {
      role: "organizer",
    });
    await pool.query(
      "UPDATE reservations SET expires_at = now() - interval '1 minute' WHERE event_id = $1 AND status = 'held'",
      [event.id],
    );
    expect(idsOf(await heard(out))).toEqual(endpoints.sort());
  });
});

/** Has a batch write every notice for one endpoint, as if it wanted all. */
const telling =
  (endpointId: WebhookEndpointId, notices: readonly Notice[]) =>
  (write: BatchWrite): BatchWrite => ({
    ...write,
    messages: notices.map((notice) => ({
      id: newId("webhookMessage"),
      notice,
      deliveries: [{ id: newId("delivery"), endpointId, missed: false }],
    })),
  });

describe("what a batch tells", () => {
  const noticed = (name: string): Notice =>
    ({ type: "reservation.held", userId: ann, reservation: { paymentReference: name } }) as unknown as Notice;

  async function told(): Promise<{ sequence: number; type: string; what: string; due: boolean }[]> {
    const { rows } = await batches.database.pool.query<{
      sequence: number;
      type: string;
      what: string;
      due: boolean;
    }>(
      `SELECT m.sequence::int AS sequence, m.type, m.notice -> 'reservation' ->> 'paymentReference' AS what,
        d.status = 'pending' AND d.tries = 0 AND d.next_attempt_at = m.created_at AS due
      FROM webhook_messages m JOIN webhook_deliveries d ON d.message_id = m.id
      WHERE m.event_id = $1 ORDER BY m.sequence`,
      [event.id],
    );
    return rows;
  }

  test("is numbered on from batch to batch, each with a delivery that is due", async () => {
    const endpoint = await createEndpoint(batches.database.pool, event.organizerId);
    await batches.apply(
      event.id,
      [reserve(event.id, ann)],
      OWNER,
      telling(endpoint, [noticed("one"), noticed('"two", with\nlines')]),
    );
    await batches.apply(event.id, [], OWNER);
    await batches.apply(event.id, [reserve(event.id, bob)], OWNER, telling(endpoint, [noticed("three")]));
    expect(await told()).toEqual([
      { sequence: 1, type: "reservation.held", what: "one", due: true },
      { sequence: 2, type: "reservation.held", what: '"two", with\nlines', due: true },
      { sequence: 3, type: "reservation.held", what: "three", due: true },
    ]);
    await expectSound(batches.database.pool, event.id);
  });

  test("goes to more endpoints than one statement tells", async () => {
    const deliveries = Array.from({ length: 5_001 }, () => ({
      id: newId("delivery"),
      endpointId: newId("webhookEndpoint"),
      missed: false,
    }));
    const id = newId("webhookMessage");
    await batches.apply(event.id, [reserve(event.id, ann)], OWNER, (write) => ({
      ...write,
      messages: [{ id, notice: noticed("one"), deliveries }],
    }));
    const { rows } = await batches.database.pool.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM webhook_deliveries WHERE message_id = $1",
      [id],
    );
    expect(rows).toEqual([{ count: deliveries.length }]);
  });

  test("has failed for an endpoint that misses it", async () => {
    const [id, endpointId] = [newId("delivery"), newId("webhookEndpoint")];
    const deliveries = [{ id, endpointId, missed: true }];
    await batches.apply(event.id, [reserve(event.id, ann)], OWNER, (write) => ({
      ...write,
      messages: [{ id: newId("webhookMessage"), notice: noticed("one"), deliveries }],
    }));
    const { rows } = await batches.database.pool.query(
      "SELECT status, next_attempt_at, attempts FROM webhook_deliveries WHERE id = $1",
      [id],
    );
    expect(rows).toEqual([{ status: "failed", next_attempt_at: null, attempts: [] }]);
    await expectSound(batches.database.pool, event.id);
  });

  test("is written with the batch or not at all", async () => {
    const endpoint = await createEndpoint(batches.database.pool, event.organizerId);
    const tell = telling(endpoint, [noticed("one")]);
    const twice = batches.apply(event.id, [reserve(event.id, ann)], OWNER, (write) => {
      const told = tell(write);
      return { ...told, messages: [...told.messages, ...told.messages] };
    });
    await expect(twice).rejects.toMatchObject({ constraint: "webhook_messages_pkey" });
    expect(await told()).toEqual([]);
    const { rows } = await batches.database.pool.query("SELECT FROM outcomes WHERE event_id = $1", [
      event.id,
    ]);
    expect(rows).toEqual([]);
  });
});

test("the entry of an offer is loaded for who listens, and for nobody", async () => {
  const { pool } = batches.database;
  const hold = reserve(event.id, ann, { quantity: 2 });
  const entry = joinWaitlist(event.id, bob, event.slotId, { quantity: 2 });
  await batches.applyWhole(event.id, [hold, entry]);
  await batches.applyWhole(event.id, [cancel(event.id, ann, reservationIdOf(hold.id))]);
  const offer = offerIdOf(waitlistEntryIdOf(entry.id));
  const due = await pool.query(
    "UPDATE reservations SET expires_at = now() - interval '1 minute' WHERE id = $1",
    [offer],
  );
  expect(due.rowCount).toBe(1);

  const known = async (): Promise<string[]> => {
    const asked = [expireDue(event.id, Date.now()), purchase(event.id, ann, reservationIdOf(hold.id))];
    return [...(await loaded(asked)).state.entries.keys()];
  };
  expect(await known()).toEqual([]);
  await createEndpoint(pool, event.organizerId);
  expect(await known()).toEqual([waitlistEntryIdOf(entry.id)]);
});
