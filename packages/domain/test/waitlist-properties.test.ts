// W3: what holds for every history of a waitlist, whatever is asked in whatever order, however little of a line is
// looked at once, and whichever of the looks that were asked for come late, twice or never.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type AnyCommand,
  cooldownEndsAt,
  type EventTerms,
  type FollowUp,
  isActive,
  LIVE_HOLDS_MAX,
  offerIdOf,
  overlaps,
  type Reservation,
  reservationIdOf,
  type Slot,
  type SlotId,
  type UserId,
  type WaitlistEntry,
  waitlistClosesAt,
} from "../src/index.ts";
import { HOUR } from "./builders.ts";
import { violations } from "./invariants.ts";
import { createLineModel, type LineModel } from "./line-model.ts";
import { idOf } from "./names.ts";
import { untold } from "./told.ts";
import {
  commandOfStep,
  HERE,
  NAMES,
  OLGA,
  type Plan,
  pickOf,
  plan,
  SECOND,
  SLOTS,
  START,
  type Step,
  USERS,
  worldOf,
} from "./waitlist-histories.ts";
import {
  commandOf,
  LOAD_LIMITS,
  type LoadLimits,
  type Ran,
  rechecksOf,
  run,
  sweepsDue,
  type World,
} from "./world.ts";

const RUNS = 400;
/** A history as it is being played: each command is one batch, and is looked at before the next. */
class Play {
  readonly world: World;
  readonly model: LineModel;
  readonly reached = new Set<string>();
  readonly #limits: LoadLimits;
  now = START;
  /** What was asked for and has not been sent. */
  #asked: FollowUp[] = [];
  /** Looks that were sent. */
  readonly #sent: FollowUp[] = [];
  #made = 0;
  #hasLost = false;

  constructor(planned: Plan) {
    this.world = worldOf(planned);
    this.model = createLineModel(this.world, HERE);
    this.#limits = { ...LOAD_LIMITS, lineMax: planned.lineMax, leftoverMax: 2 };
    const [slotId] = SLOTS as [SlotId];
    const from = (name: string, userId: UserId) => ({
      ...{ id: idOf("command", name), eventId: HERE, at: this.now, fingerprint: null },
      ...{ userId, idempotencyKey: null },
    });
    if (!planned.soldOut) return;
    for (let n = 0; n < planned.capacity; n += 1) {
      const hold = from(`holder ${n} holds`, idOf("user", `holder ${n}`));
      const input = { reservationId: reservationIdOf(hold.id), paymentReference: null };
      this.#run({ ...hold, type: "reserve", input: { slotId, quantity: 1 } });
      this.#run({ ...hold, id: idOf("command", `holder ${n} buys`), type: "purchase", input });
    }
    for (const [n, quantity] of planned.waiting.entries()) {
      const command = from(`${NAMES[n]} joins`, USERS[n] ?? OLGA);
      this.#run({ ...command, type: "join-waitlist", input: { slotId, quantity } });
    }
  }

  step(planned: Step): void {
    const { what, which, flag } = planned;
    const due = this.#asked.filter((each) => each.kind !== "promote" || each.at <= this.now);
    const next = pickOf(due, which);
    switch (what) {
      case "pass":
        this.now = flag ? this.now + (which + 1) * 250 : this.#whenSomethingIsAsked(which);
        return;
      case "follow":
        if (next !== undefined) this.#send(next);
        return;
      case "follow all":
        this.followAll();
        return;
      case "lose":
        this.#hasLost = true;
        this.#asked = this.#asked.filter((each) => each !== next);
        return;
      case "again": {
        const earlier = pickOf(this.#sent, which);
        if (earlier !== undefined) this.#send(earlier);
        return;
      }
      case "sweep":
        this.sweep();
        return;
      default: {
        this.#made += 1;
        const command = commandOfStep(this.world, planned, `step ${this.#made}`, this.now);
        if (command === undefined) return;
        this.now = Math.max(this.now, command.at); // a deadline may have to come first
        this.#run(command);
      }
    }
  }

  /** The time for which a look was asked, or some time later. */
  #whenSomethingIsAsked(which: number): number {
    const times = this.#asked.flatMap((each) =>
      each.kind === "promote" && each.at > this.now ? [each.at] : [],
    );
    return pickOf(times, which) ?? this.now + which * 20 * SECOND;
  }

  /** Sends what was asked for, until nothing of it is due. */
  followAll(): void {
    for (let sent = 0; ; sent += 1) {
      if (sent > 2_000) throw new Error("follow-ups do not come to an end");
      const next = this.#asked.find((each) => each.kind !== "promote" || each.at <= this.now);
      if (next === undefined) break;
      this.#send(next);
    }
    this.#expectNothingOwed();
  }

  /** As if all that should have been sent by now had been lost. */
  sweep(): void {
    this.#hasLost = false;
    const later = this.#asked.filter((each) => each.kind === "promote" && each.at > this.now);
    this.#asked = [...later, ...sweepsDue(this.world, this.now)];
    this.followAll();
  }

  #send(next: FollowUp): void {
    this.#asked = this.#asked.filter((each) => each !== next);
    if (next.kind === "expire-elsewhere") return;
    if (next.kind === "promote" && next.from !== null) this.reached.add("a look went on");
    if (next.kind === "promote" && next.recheck.length > 0) this.reached.add("somebody was looked at again");
    this.#sent.push(next);
    this.#run(commandOf(this.world, next, this.now));
  }

  #run(command: AnyCommand): void {
    this.now += 1; // no two batches of an event are of one moment
    const { world, now } = this;
    const before = new Map(world.entries);
    const waited = new Map(SLOTS.map((id) => [id, this.#waitsFor(id)]));
    const ran = run(world, command.eventId, [command], now, this.#limits);
    same(violations(world), []);
    same(this.#brokenLines(), []);
    same(this.model.observe(now), []);
    this.#expectSomebodyLooks();
    this.#expectFairDoor(ran, waited);
    this.#expectParkedRightly(before);
    for (const { outcome } of ran.applied) {
      this.reached.add(outcome.status === "rejected" ? outcome.refusal.code : outcome.status);
    }
    for (const entry of world.entries.values()) {
      this.reached.add(entry.status);
      if (entry.lastPassedOver !== null) this.reached.add(`passed over: ${entry.lastPassedOver.reason}`);
    }
    this.#asked.push(...ran.followUps, ...rechecksOf(world, ran.changes, now));
  }

  #waitsFor(slotId: SlotId): boolean {
    const terms = this.world.terms.get(HERE) as EventTerms;
    const slot = this.#slot(slotId);
    if (this.now >= waitlistClosesAt(terms, slot)) return false;
    return this.#line(slotId).some(({ recheckAt }) => recheckAt === null);
  }

  #slot(id: SlotId): Slot {
    return this.world.slots.get(HERE)?.get(id) as Slot;
  }

  #line(slotId: SlotId): WaitlistEntry[] {
    return [...this.world.entries.values()].filter(
      (entry) => entry.slotId === slotId && entry.status === "waiting",
    );
  }

  /** No public hold while somebody eligible waited, or was made to. */
  #expectFairDoor({ changes }: Ran, waited: ReadonlyMap<SlotId, boolean>): void {
    for (const change of changes) {
      if (change.kind !== "held" || change.reservation.origin === "waitlist") continue;
      same(
        [change.reservation.slotId, waited.get(change.reservation.slotId) ?? false],
        [change.reservation.slotId, false],
      );
    }
  }

  /** Whoever was parked by this command had something in the way. */
  #expectParkedRightly(before: ReadonlyMap<WaitlistEntry["id"], WaitlistEntry>): void {
    for (const entry of this.world.entries.values()) {
      const earlier = before.get(entry.id);
      if (entry.status === "waiting" && entry.recheckAt !== null && entry.recheckAt !== earlier?.recheckAt) {
        same([entry.id, this.#isInTheWay(entry)], [entry.id, true]);
      }
    }
  }

  #isInTheWay({ userId, slotId, quantity }: WaitlistEntry): boolean {
    const { world, now } = this;
    const mine = [...world.reservations.values()].filter((row) => row.userId === userId);
    const active = mine.filter(({ status }) => isActive(status));
    const terms = world.terms.get(HERE) as EventTerms;
    const ofEvent = active.filter(({ eventId }) => eventId === HERE);
    const slot = this.#slot(slotId);
    const isExclusive = ({ eventId }: Reservation) => world.terms.get(eventId)?.overlapPolicy === "refuse";
    const slotOf = (row: Reservation) => world.slots.get(row.eventId)?.get(row.slotId) as Slot;
    const lapsed = mine
      .filter(({ status, origin }) => status === "expired" && origin === "public")
      .map(({ endedAt }) => endedAt ?? 0);
    return (
      active.some((row) => row.slotId === slotId) ||
      ofEvent.reduce((sum, row) => sum + row.quantity, quantity) > terms.maxPerUser ||
      active.filter(({ status }) => status === "held").length >= LIVE_HOLDS_MAX ||
      now < (cooldownEndsAt(lapsed) ?? 0) ||
      (terms.overlapPolicy === "refuse" &&
        active.some((row) => isExclusive(row) && overlaps(slotOf(row), slot)))
    );
  }

  /** Counters equal the rows, and each offered entry has one hold, of its own. */
  #brokenLines(): string[] {
    const { world } = this;
    const offers = [...world.reservations.values()].filter(
      (row) => row.origin === "waitlist" && row.status === "held",
    );
    const offered = [...world.entries.values()].filter(({ status }) => status === "offered");
    const expected = offered.map((entry) => [
      offerIdOf(entry.id),
      entry.userId,
      entry.slotId,
      entry.quantity,
    ]);
    const found = offers.map((row) => [row.id, row.userId, row.slotId, row.quantity]);
    const sorted = (rows: unknown[][]) => rows.map((row) => row.join(" ")).sort();
    const wrong = isDeepStrictEqual(sorted(expected), sorted(found)) ? [] : ["offers are not as entries say"];
    for (const id of SLOTS) {
      const slot = this.#slot(id);
      const line = this.#line(id);
      const parked = line.filter(({ recheckAt }) => recheckAt !== null);
      if (slot.waiting !== line.length || slot.parked !== parked.length) wrong.push(`${id} has miscounted`);
      const live = [...line, ...offered.filter(({ slotId }) => slotId === id)];
      if (new Set(live.map(({ userId }) => userId)).size < live.length)
        wrong.push(`two live ones of a user, ${id}`);
    }
    return wrong;
  }

  /** Whose turn it is gets tickets, even if everything that was asked for is lost: a sweep sees that it is late. */
  #expectSomebodyLooks(): void {
    for (const entry of this.model.owed(this.now)) {
      const { promoteAt } = this.#slot(entry.slotId);
      same([entry.seq, promoteAt !== null && promoteAt <= this.now], [entry.seq, true]);
    }
  }

  /** Unless what was asked for was lost. */
  #expectNothingOwed(): void {
    if (this.#hasLost) return;
    same(
      this.model.owed(this.now).map(({ seq }) => seq),
      [],
    );
  }
}

function play(planned: Plan): Play {
  const played = new Play(planned);
  for (const step of planned.steps) played.step(step);
  return played;
}

/** As `expect` has it, and a hundred times as fast while nothing is wrong. */
function same(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

test("who waits is passed within bounds, nobody at the door before them, and nobody is forgotten", () => {
  fc.assert(
    fc.property(plan, (planned) => {
      const played = play(planned);
      played.followAll();
      played.sweep();
      same(
        played.model.owed(played.now).map(({ seq }) => seq),
        [],
      );
    }),
    { numRuns: RUNS },
  );
});

test("once nobody changes anything, everybody who can be served is, though all that was asked for is lost", () => {
  fc.assert(
    fc.property(plan, (planned) => {
      const played = play(planned);
      played.now += HOUR / 60;
      played.sweep();
      same(
        played.model.owed(played.now).map(({ seq }) => seq),
        [],
      );
    }),
    { numRuns: RUNS / 2 },
  );
});

test("what others are told of, in its order, is what became of every reservation, entry and command (N4)", () => {
  fc.assert(
    fc.property(plan, (planned) => {
      const played = play(planned);
      played.sweep();
      same(untold(played.world), []);
    }),
    { numRuns: RUNS / 2 },
  );
});

test("the histories reach what waitlists are about", () => {
  const reached = new Set<string>();
  for (const planned of fc.sample(plan, { numRuns: 300, seed: 1 })) {
    const played = play(planned);
    for (const each of [...played.reached, ...played.model.events]) reached.add(each);
  }
  const expected = [
    ...["succeeded", "already-reserved", "already-waiting", "all-held", "capacity-below-committed"],
    ...["limit-exceeded", "not-active", "overlap", "sold-out", "tickets-available", "waitlist-closed"],
    ...["waiting", "offered", "fulfilled", "declined", "lapsed", "left", "closed"],
    ...["limit-exceeded", "overlap", "too-few"].map((why) => `passed over: ${why}`),
    ...["somebody was passed", "tickets were collected", "a collection ran out"],
    ...["a look went on", "somebody was looked at again"],
  ];
  expect(expected.filter((each) => !reached.has(each))).toEqual([]);
});
