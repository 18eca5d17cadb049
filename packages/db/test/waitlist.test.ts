// Waitlist entries as their owners and organizers see them: places in lines, offers, pages.
import {
  type EventId,
  entryIdOfOffer,
  offerIdOf,
  type SlotId,
  type UserId,
  type WaitlistEntryId,
} from "@holdfast/domain";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { createEvent, createUsers, openTestDatabase, type TestDatabase } from "../../testkit/src/index.ts";
import {
  eventsOfSlots,
  findEntryOf,
  findEntryOrigins,
  listEntries,
  listLine,
  type Queryable,
  STRETCH_ENTRIES,
  type WaitlistRecord,
} from "../src/index.ts";

const AT = 1_750_000_000_000;

let database: TestDatabase;
let user: UserId;
let others: UserId;
beforeAll(async () => {
  database = await openTestDatabase();
  [user = newId("user"), others = newId("user")] = await createUsers(database.pool, 2);
});
afterAll(() => database.close());

interface Line {
  readonly eventId: EventId;
  readonly slotId: SlotId;
}

/** A line of so many entries of different people, of which every `left`th has left again. */
async function lineOf(entries: number, { leftEvery = 7 } = {}): Promise<Line> {
  const { id: eventId, slotId } = await createEvent(database.pool);
  await database.pool.query(
    `WITH made AS (
      INSERT INTO waitlist_entries (id, event_id, slot_id, user_id, quantity, status, seq, created_at, ended_at,
        end_reason)
      SELECT 'wle_' || substr(md5($2 || n), 1, 26), $1, $2, 'usr_' || md5($2 || n), 1,
        CASE WHEN n % $4 = 0 THEN 'left' ELSE 'waiting' END, n, to_timestamp($5 / 1000.0 + n),
        CASE WHEN n % $4 = 0 THEN now() END, CASE WHEN n % $4 = 0 THEN 'user' END
      FROM generate_series(1, $3::int) n RETURNING seq, status
    )
    INSERT INTO waitlist_stretches (slot_id, stretch, waiting)
    SELECT $2, (seq - 1) / ${STRETCH_ENTRIES}, count(*) FILTER (WHERE status = 'waiting') FROM made GROUP BY 2`,
    [eventId, slotId, entries, leftEvery, AT],
  );
  await database.pool.query("UPDATE slots SET waiting = $2, last_seq = $3 WHERE id = $1", [
    slotId,
    entries - Math.floor(entries / leftEvery),
    entries,
  ]);
  return { eventId, slotId };
}

/** One more entry of a line, by hand. */
async function join(
  { eventId, slotId }: Line,
  seq: number,
  { userId = user, status = "waiting", createdAt = AT + seq } = {},
): Promise<WaitlistEntryId> {
  const id = newId("waitlistEntry");
  const waits = status === "waiting";
  const live = waits || status === "offered";
  await database.pool.query(
    `INSERT INTO waitlist_entries (id, event_id, slot_id, user_id, quantity, status, seq, created_at, offered_at,
      ended_at, end_reason, last_passed_over)
    VALUES ($1, $2, $3, $4, 2, $5, $6, to_timestamp($7 / 1000.0), CASE WHEN $5 = 'offered' THEN now() END,
      CASE WHEN $8 THEN now() END, CASE WHEN $8 THEN 'user' END,
      '{"at": 1750000000000, "reason": "limit-exceeded", "limit": "holds", "reservationId": null}')`,
    [id, eventId, slotId, userId, status, seq, createdAt, !live],
  );
  await database.pool.query(
    `INSERT INTO waitlist_stretches AS s (slot_id, stretch, waiting) VALUES ($1, $2, $3)
    ON CONFLICT (slot_id, stretch) DO UPDATE SET waiting = s.waiting + excluded.waiting`,
    [slotId, Math.floor((seq - 1) / STRETCH_ENTRIES), waits ? 1 : 0],
  );
  return id;
}

async function placesOf(slotId: SlotId, numbers: readonly number[]): Promise<(number | null | undefined)[]> {
  const found: (number | null | undefined)[] = [];
  for (const seq of numbers) {
    const [entry] = await listLine(database.pool, { slotId, status: null, limit: 1, after: seq - 1 });
    found.push(entry?.position);
  }
  return found;
}

describe("a place in the line", () => {
  test("counts those who wait, from 1, over the borders of stretches, and not those who left", async () => {
    const { slotId } = await lineOf(3 * STRETCH_ENTRIES + 10);
    const waiting = (seq: number) => seq - Math.floor(seq / 7);
    const numbers = [1, 2, 6, 8, 511, 512, 513, 1_023, 1_024, 1_025, 1_546].filter((seq) => seq % 7 !== 0);
    expect(await placesOf(slotId, numbers)).toEqual(numbers.map(waiting));
  });

  test("is none of an entry that does not wait, and moves up when somebody before it leaves", async () => {
    const line = await lineOf(0);
    const ids = [
      await join(line, 1, { userId: others }),
      await join(line, 2, { userId: newId("user"), status: "left" }),
      await join(line, 3),
    ];
    const look = (id = ids[2] ?? newId("waitlistEntry")) => findEntryOf(database.pool, user, id);
    expect(await look()).toMatchObject({ position: 2 });
    expect(
      (await listLine(database.pool, { slotId: line.slotId, status: null, limit: 9, after: null })).map(
        ({ position }) => position,
      ),
    ).toEqual([1, null, 2]);
    await database.pool.query(
      "UPDATE waitlist_entries SET status = 'left', ended_at = now(), end_reason = 'user' WHERE id = $1",
      [ids[0]],
    );
    await database.pool.query("UPDATE waitlist_stretches SET waiting = waiting - 1 WHERE slot_id = $1", [
      line.slotId,
    ]);
    expect(await look()).toMatchObject({ position: 1 });
  });

  /** How many rows a look reads, over all parts of its plan that read tables, also those that it then drops. */
  async function rowsReadBy(look: (db: Queryable) => Promise<unknown>): Promise<number> {
    interface Plan {
      readonly "Index Name"?: string;
      readonly "Relation Name"?: string;
      readonly "Actual Rows": number;
      readonly "Actual Loops": number;
      readonly "Rows Removed by Filter"?: number;
      readonly Plans?: readonly Plan[];
    }
    const rowsOf = (plan: Plan): number => {
      const reads = plan["Relation Name"] !== undefined || plan["Index Name"] !== undefined;
      const own = (plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0)) * plan["Actual Loops"];
      return (plan.Plans ?? []).reduce((sum, part) => sum + rowsOf(part), reads ? own : 0);
    };
    let read = 0;
    const query = async (text: string, values: unknown[]) => {
      const { rows } = await database.pool.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
      read += rowsOf(rows[0]["QUERY PLAN"][0].Plan);
      return { rows: [] };
    };
    await look({ query } as unknown as Queryable);
    return read;
  }

  test.each(["before the tables were ever looked at for statistics", "and after"])(
    "at the end of a line of ten thousand costs reading far fewer rows: %s",
    async (when) => {
      const stretches = 20;
      const line = await lineOf(stretches * STRETCH_ENTRIES - 1, { leftEvery: 1_000_000 });
      const last = await join(line, stretches * STRETCH_ENTRIES, { userId: others });
      if (when === "and after") await database.pool.query("ANALYZE");
      expect(await findEntryOf(database.pool, others, last)).toMatchObject({
        position: stretches * STRETCH_ENTRIES,
      });
      const bound = (entries: number) => entries * 2 * STRETCH_ENTRIES;
      expect(await rowsReadBy((db) => findEntryOf(db, others, last))).toBeLessThan(bound(1));
      const page = { slotId: line.slotId, status: null, limit: 3, after: stretches * STRETCH_ENTRIES - 3 };
      expect(await rowsReadBy((db) => listLine(db, page))).toBeLessThan(bound(3));
    },
  );

  test("reads a page of a user's entries from its index, and each offer by its id", async () => {
    const line = await lineOf(2_000);
    const [somebody = newId("user")] = await createUsers(database.pool, 1);
    const id = await join(line, 2_001, { userId: somebody, status: "offered" });
    await offer(line, id, somebody);
    await database.pool.query("ANALYZE");
    const page = { userId: somebody, eventId: null, status: null, limit: 20, after: null };
    expect(await rowsReadBy((db) => listEntries(db, page))).toBeLessThan(5);
  });
});

async function offer({ eventId, slotId }: Line, entry: WaitlistEntryId, userId: UserId): Promise<void> {
  await database.pool.query(
    `INSERT INTO reservations (id, event_id, slot_id, user_id, quantity, status, origin, expires_at, created_at,
      during, exclusive)
    SELECT $1, $2, s.id, $4, 2, 'held', 'waitlist', to_timestamp($5::float8 / 1000 + 900), to_timestamp($5::float8 / 1000),
      tstzrange(s.starts_at, s.ends_at), true FROM slots s WHERE s.id = $3`,
    [offerIdOf(entry), eventId, slotId, userId, AT],
  );
}

test("an entry is shown to its owner, with its offer while there is one", async () => {
  const line = await lineOf(0);
  const id = await join(line, 1, { status: "offered" });
  await offer(line, id, user);
  const seen = await findEntryOf(database.pool, user, id);
  expect(seen).toEqual({
    id,
    eventId: line.eventId,
    slotId: line.slotId,
    userId: user,
    quantity: 2,
    status: "offered",
    seq: 1,
    createdAt: AT + 1,
    offeredAt: expect.any(Number),
    endedAt: null,
    endReason: null,
    recheckAt: null,
    lastPassedOver: { at: AT, reason: "limit-exceeded", limit: "holds", reservationId: null },
    position: null,
    offer: {
      id: offerIdOf(id),
      eventId: line.eventId,
      slotId: line.slotId,
      userId: user,
      quantity: 2,
      status: "held",
      origin: "waitlist",
      paymentReference: null,
      expiresAt: AT + 900_000,
      createdAt: AT,
      purchasedAt: null,
      endedAt: null,
      endReason: null,
    },
  });
  expect(entryIdOfOffer(seen?.offer?.id ?? newId("reservation"))).toBe(id);
  expect(await findEntryOf(database.pool, others, id)).toBeNull();
  expect(await findEntryOf(database.pool, user, newId("waitlistEntry"))).toBeNull();
  await database.pool.query(
    "UPDATE waitlist_entries SET status = 'fulfilled', ended_at = now(), end_reason = 'purchased' WHERE id = $1",
    [id],
  );
  expect(await findEntryOf(database.pool, user, id)).toMatchObject({ status: "fulfilled", offer: null });
});

test("a user's entries are listed the newest first, by status and event, in pages", async () => {
  const [one, other] = [await lineOf(0), await lineOf(0)];
  const [somebody = newId("user")] = await createUsers(database.pool, 1);
  const ids = [
    await join(one, 1, { userId: somebody, status: "left", createdAt: AT }),
    await join(one, 2, { userId: somebody, createdAt: AT + 2 }),
    await join(other, 1, { userId: somebody, createdAt: AT + 1 }),
  ] as const;
  const newestFirst = [ids[1], ids[2], ids[0]];
  const list = async (more: Partial<Parameters<typeof listEntries>[1]> = {}) =>
    (
      await listEntries(database.pool, {
        userId: somebody,
        eventId: null,
        status: null,
        limit: 10,
        after: null,
        ...more,
      })
    ).map(({ id }) => id);
  expect(await list()).toEqual(newestFirst);
  expect(await list({ status: "waiting" })).toEqual([ids[1], ids[2]]);
  expect(await list({ eventId: one.eventId })).toEqual([ids[1], ids[0]]);
  expect(await list({ limit: 2 })).toEqual(newestFirst.slice(0, 2));
  expect(await list({ after: { createdAt: AT + 1, id: ids[2] } })).toEqual([ids[0]]);
  expect(await list({ userId: newId("user") })).toEqual([]);
});

test("a line is listed from its head on, by status, in pages", async () => {
  const { slotId } = await lineOf(30, { leftEvery: 10 });
  const seqs = (entries: readonly WaitlistRecord[]) => entries.map(({ seq }) => seq);
  const page = (status: "waiting" | "left" | null, limit: number, after: number | null) =>
    listLine(database.pool, { slotId, status, limit, after });
  expect(seqs(await page(null, 3, null))).toEqual([1, 2, 3]);
  expect(seqs(await page(null, 3, 8))).toEqual([9, 10, 11]);
  expect(seqs(await page("left", 9, null))).toEqual([10, 20, 30]);
  expect(seqs(await page("waiting", 2, 9))).toEqual([11, 12]);
  expect(seqs(await page(null, 3, 30))).toEqual([]);
});

test("whose an entry is, and of which event a slot, is found for many at once", async () => {
  const line = await lineOf(0);
  const id = await join(line, 1);
  const [unknown, nowhere] = [newId("waitlistEntry"), newId("slot")];
  const origins = await findEntryOrigins(database.pool, [id, unknown]);
  expect([...origins]).toEqual([[id, { eventId: line.eventId, userId: user }]]);
  expect([...(await eventsOfSlots(database.pool, [nowhere, line.slotId]))]).toEqual([
    [line.slotId, line.eventId],
  ]);
});
