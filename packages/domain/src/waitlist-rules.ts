// The waitlist: who may join, how one leaves, and who is asked next. First in, first out by the number that an entry
// got inside the queue; `skip` lets smaller parties pass a head that does not fit, within bounds.
import type {
  JoinWaitlistCommand,
  LeaveWaitlistCommand,
  PromoteCommand,
  ReserveCommand,
} from "./commands.ts";
import { alreadyReserved, type Obstacle, obstacleToHolding, overUserLimit } from "./eligibility.ts";
import { end, endWaiting, isOffer } from "./endings.ts";
import { type Collecting, freeTickets, type Slot, somebodyWaits, waitlistClosesAt } from "./event.ts";
import { offerIdOf, type SlotId, type UserId, type WaitlistEntryId, waitlistEntryIdOf } from "./ids.ts";
import { PARKED_RECHECK_MAX_MS, PARKED_RECHECK_MS } from "./limits.ts";
import { organizes } from "./organizer-rules.ts";
import {
  type Change,
  type Decision,
  done,
  type FollowUp,
  type Line,
  type LookFrom,
  type Refusal,
  refuse,
} from "./outcomes.ts";
import { newHold } from "./reservation.ts";
import { type EventState, type EventView, evolve, patched, slotOf } from "./state.ts";
import { ceilToSecond, type EpochMs } from "./time.ts";
import { type EntryPatch, isLive, isParked, type PassedOver, type WaitlistEntry } from "./waitlist-entry.ts";

export function liveEntryOf(state: EventView, userId: UserId, slotId: SlotId): WaitlistEntry | undefined {
  for (const entry of state.entries.values()) {
    if (entry.userId === userId && entry.slotId === slotId && isLive(entry.status)) return entry;
  }
  return undefined;
}

/** Why nobody at all may join. */
export function whyNotJoin(
  { terms }: EventView,
  slot: Slot,
  now: EpochMs,
): Extract<Refusal, { code: "waitlist-closed" | "waitlist-full" }> | null {
  if (!terms.waitlist.enabled || now >= waitlistClosesAt(terms, slot)) return { code: "waitlist-closed" };
  if (slot.waiting >= terms.waitlist.maxEntries) return { code: "waitlist-full" };
  return null;
}

/** A reserve that found no tickets, and would rather wait than be refused. */
export function joinInstead(state: EventView, command: ReserveCommand, slot: Slot, now: EpochMs): Decision {
  const closed = whyNotJoin(state, slot, now);
  return closed === null ? join(state, command, slot, command.input.quantity, now) : refuse(closed);
}

export function join(
  { terms }: EventView,
  command: ReserveCommand | JoinWaitlistCommand,
  slot: Slot,
  quantity: number,
  now: EpochMs,
): Decision {
  const entry: WaitlistEntry = {
    id: waitlistEntryIdOf(command.id),
    eventId: terms.id,
    slotId: slot.id,
    userId: command.userId,
    quantity,
    status: "waiting",
    seq: slot.lastSeq + 1,
    createdAt: now,
    offeredAt: null,
    endedAt: null,
    endReason: null,
    recheckAt: null,
    lastPassedOver: null,
  };
  const position = slot.waiting + 1;
  const joined: Change = { kind: "joined", entry };
  // What is free is too little for somebody before, or not looked at yet: nothing changes for who is there already.
  const isLookedAt = slot.promoteAt !== null && slot.promoteAt <= now; // later: when a collection runs out
  if (freeTickets(slot) <= 0 || isLookedAt) return done({ entry, position }, [joined]);
  const from = { after: slot.lastSeq, since: markOf(now) };
  const look: FollowUp = { kind: "promote", eventId: terms.id, slotId: slot.id, at: now, from, recheck: [] };
  return done({ entry, position }, [joined, lineChange(slot, { promoteAt: from.since })], [look]);
}

export function leave(state: EventView, command: LeaveWaitlistCommand, now: EpochMs): Decision {
  const entry = state.entries.get(command.input.entryId);
  if (entry === undefined) return refuse({ code: "not-found" });
  const owner = entry.userId === command.userId;
  if (!owner && !organizes(state, command)) return refuse({ code: "not-found" });
  if (!isLive(entry.status)) return refuse({ code: "not-active" });
  const left = { status: "left", endReason: owner ? "user" : "organizer" } as const;
  if (entry.status === "waiting") {
    const change = endWaiting(entry, left, now);
    return done({ entry: patched(entry, change.patch), position: null }, [change]);
  }
  const offer = state.reservations.get(offerIdOf(entry.id));
  if (offer === undefined || !isOffer(offer)) throw new Error(`${entry.id} is offered, and has no offer`);
  const { changes } = end(offer, owner ? "declined" : "organizer", now, left);
  const patch: EntryPatch = { ...left, endedAt: now, recheckAt: null };
  return done({ entry: patched(entry, patch), position: null }, changes);
}

/**
 * Offers what is free of a slot to who waits for it, the eldest first, as far as they were loaded. Whoever may not
 * have tickets is parked; parked ones that the command names are looked at again.
 */
export function promote(state: EventView, { input }: PromoteCommand, now: EpochMs): Decision {
  const slot = state.slots.get(input.slotId);
  const loaded = state.lines.get(input.slotId);
  if (slot === undefined || loaded === undefined) return done({});
  if (state.terms.cancelledAt !== null || now >= waitlistClosesAt(state.terms, slot)) {
    return done({}, slot.promoteAt === null ? [] : [lineChange(slot, { promoteAt: null })]);
  }
  // Something was freed meanwhile, or somebody else looks: a look from the head is under way, or asked for.
  if (input.from !== null && slot.promoteAt !== input.from.since) return done({});
  const look = new Look(state, slot.id, now);
  const recheck = new Set(input.recheck);
  if (recheck.size > 0 && isUnderWay(slot, now)) return lookAgain(state, look, recheck);
  const isAsked = (entry: WaitlistEntry): boolean =>
    loaded.entries.has(entry.id) || (entry.seq > loaded.lastSeq && entry.seq <= loaded.upTo);
  const inLine = [...state.entries.values()]
    .filter((entry) => entry.slotId === slot.id && entry.status === "waiting" && isAsked(entry))
    .filter((entry) => recheck.has(entry.id) || !isParked(entry))
    .sort((a, b) => a.seq - b.seq);
  const after = input.from?.after ?? 0;
  let holds = input.from === null || !look.mayPassAgain;
  for (const entry of inLine) {
    if (!holds) break;
    // Behind those that were loaded nobody is offered anything: others may come before.
    look.at(entry, entry.seq <= loaded.upTo);
    // Who stands between the head and where a look goes on was not loaded: the head must be in their way still.
    holds = entry.seq > after || look.isStopped;
  }
  if (holds) look.end(loaded.upTo);
  else look.beginAgain();
  return done({}, look.changes, look.followUps);
}

/** While others look at the line, only whether they may have tickets again; if so, that look has missed them. */
function lookAgain(state: EventView, look: Look, recheck: ReadonlySet<WaitlistEntryId>): Decision {
  for (const id of recheck) {
    const entry = state.entries.get(id);
    if (entry !== undefined && isParked(entry)) look.at(entry, false);
  }
  if (look.hasUnparked) look.beginAgain();
  return done({}, look.changes, look.followUps);
}

/** Are its waiters being looked at, or about to be? */
const isUnderWay = ({ promoteAt }: Slot, now: EpochMs): boolean => promoteAt !== null && promoteAt < now;

/**
 * By this `promoteAt` a look that goes on knows that it is still the last one. What comes free from now on is later; no
 * two batches are of one moment; and whole seconds are for looks that are to come.
 */
const markOf = (now: EpochMs): EpochMs => ((now - 1) % 1000 === 0 ? now - 2 : now - 1);

const lineChange = (slot: Slot, moved: Partial<Line>): Change => ({
  kind: "line",
  slotId: slot.id,
  line: { passers: slot.passers, collecting: slot.collecting, promoteAt: slot.promoteAt, ...moved },
});

/** One walk through a slot's waiters. Moves a state of its own on, so that each is judged after those before. */
class Look {
  readonly changes: Change[] = [];
  readonly followUps: FollowUp[] = [];
  /** Tickets are no longer collected: it has run out, or they were for somebody who is not in turn any more. */
  readonly mayPassAgain: boolean;
  readonly #state: EventState;
  readonly #slotId: SlotId;
  readonly #now: EpochMs;
  /** The first one who may have tickets, and wants more than is free. */
  #head: WaitlistEntry | null = null;
  /** Those whom a smaller party would pass. */
  readonly #blocked: WaitlistEntry[] = [];
  #mayPass = true;
  #passers: readonly number[];
  #collecting: Collecting | null;

  constructor(state: EventView, slotId: SlotId, now: EpochMs) {
    this.#state = {
      ...state,
      slots: new Map(state.slots),
      reservations: new Map(state.reservations),
      entries: new Map(state.entries),
      claims: new Map([...state.claims].map(([user, claims]) => [user, [...claims]])),
      expiries: new Map([...state.expiries].map(([user, expiries]) => [user, [...expiries]])),
    };
    this.#slotId = slotId;
    this.#now = now;
    const { passers, collecting } = this.#slot;
    // When tickets were collected long enough, everybody's count begins again, had there been any to collect or not.
    const isInTurn = collecting !== null && this.#isInTurn(collecting.for);
    const ranOut = isInTurn && now >= collecting.until;
    this.mayPassAgain = collecting !== null && (ranOut || !isInTurn);
    this.#passers = ranOut ? [] : passers;
    this.#collecting = ranOut ? null : collecting;
  }

  get #slot(): Slot {
    return slotOf(this.#state, this.#slotId);
  }

  at(entry: WaitlistEntry, inOrder: boolean): void {
    const free = freeTickets(this.#slot);
    const mayHave = inOrder && free > 0 && this.#mayPass;
    // Nothing to give: whether somebody may have tickets is found out when there are some.
    if (!mayHave && !isParked(entry)) return;
    const obstacle = this.#obstacleOf(entry);
    if (entry.quantity > this.#slot.capacity) {
      this.#do(endWaiting(entry, { status: "closed", endReason: "capacity" }, this.#now));
    } else if (obstacle !== null) {
      this.#park(entry, obstacle);
    } else if (!mayHave) {
      this.#patch(entry, {}); // no longer parked
    } else if (entry.quantity > free) {
      this.#block(entry);
    } else if (this.#head === null || this.#letPass(this.#head)) {
      this.#offer(entry);
    } else {
      this.#mayPass = false;
      if (isParked(entry)) this.#patch(entry, {});
    }
  }

  /** Has somebody who was parked come back into the line? */
  get hasUnparked(): boolean {
    return this.changes.some(
      (change) => change.kind === "entry" && change.wasParked && change.patch.recheckAt === null,
    );
  }

  /** Does the first in line want more than is free, or is nothing free? */
  get isStopped(): boolean {
    return this.#head !== null || freeTickets(this.#slot) <= 0;
  }

  /** What this look rested on is no longer so: another one is to begin at the head. */
  beginAgain(): void {
    const moved = { passers: this.#passers, collecting: this.#collecting, promoteAt: this.#now };
    this.changes.push(lineChange(this.#slot, moved));
  }

  /** Writes down what is to happen next. */
  end(upTo: number): void {
    const now = this.#now;
    const slot = this.#slot;
    const { terms } = this.#state;
    if (this.#head !== null && terms.waitlist.mode === "skip") {
      this.#mayPass = this.#letPass(this.#head) && this.#mayPass;
    }
    if (this.#collecting !== null && !this.#isInTurn(this.#collecting.for)) this.#collecting = null;
    let promoteAt: EpochMs | null = this.#collecting?.until ?? null;
    if (this.#head !== null && freeTickets(slot) > 0) {
      // It keeps tickets from others only as long as it may have them itself: nobody else would ask.
      promoteAt = Math.min(promoteAt ?? Number.POSITIVE_INFINITY, ceilToSecond(now + PARKED_RECHECK_MS));
    }
    const isAllLoaded = !Number.isFinite(upTo);
    if (!isAllLoaded && this.#mayPass && freeTickets(slot) > 0 && somebodyWaits(terms, slot, now)) {
      promoteAt = markOf(now);
      this.#goOn({ after: upTo, since: promoteAt });
    }
    const moved: Line = { passers: this.#passers, collecting: this.#collecting, promoteAt };
    if (!isSameLine(slot, moved)) this.changes.push(lineChange(slot, moved));
  }

  #goOn(from: LookFrom): void {
    const { id: eventId } = this.#state.terms;
    const slotId = this.#slotId;
    this.followUps.push({ kind: "promote", eventId, slotId, at: this.#now, from, recheck: [] });
  }

  #do(change: Change): void {
    evolve(this.#state, change);
    this.changes.push(change);
  }

  #patch(entry: WaitlistEntry, patch: Partial<EntryPatch>): void {
    this.#do({
      kind: "entry",
      id: entry.id,
      slotId: entry.slotId,
      before: "waiting",
      wasParked: isParked(entry),
      patch: { status: "waiting", endedAt: null, endReason: null, recheckAt: null, ...patch },
    });
  }

  #obstacleOf({ userId, quantity }: WaitlistEntry): Obstacle | null {
    const state = this.#state;
    const own = alreadyReserved(state, userId, this.#slot) ?? overUserLimit(state, { userId, quantity });
    if (own !== null) return own;
    const blocked = obstacleToHolding(state, userId, this.#slot, this.#now);
    if (blocked === null) return null;
    this.followUps.push(...blocked.followUps);
    return blocked.obstacle;
  }

  /** For the same reason as before it waits twice as long: what changes of its user's is told. */
  #park(entry: WaitlistEntry, obstacle: Obstacle): void {
    const now = this.#now;
    const cooledAt =
      obstacle.code === "limit-exceeded" && obstacle.limit === "cooldown" ? obstacle.retryAt : null;
    const why = passedOver(obstacle, now);
    const before = entry.lastPassedOver;
    const isNew = before === null || !isSameReason(before, why);
    const pause = Math.min(
      Math.max(PARKED_RECHECK_MS, now - (isNew ? now : before.at)),
      PARKED_RECHECK_MAX_MS,
    );
    this.#patch(entry, { recheckAt: cooledAt ?? now + pause, ...(isNew ? { lastPassedOver: why } : {}) });
  }

  #block(entry: WaitlistEntry): void {
    if (isParked(entry)) this.#patch(entry, {});
    this.#head ??= entry;
    this.#blocked.push({ ...entry, recheckAt: null });
    if (this.#state.terms.waitlist.mode === "strict") this.#mayPass = false;
  }

  /** Does the entry with this number wait, and may have tickets as far as is known? */
  #isInTurn(seq: number): boolean {
    const isIt = (entry: WaitlistEntry) => entry.slotId === this.#slotId && entry.seq === seq;
    const entry = [...this.#state.entries.values()].find(isIt);
    return entry?.status === "waiting" && !isParked(entry);
  }

  /**
   * May smaller parties pass the head? Until it was passed `maxSkips` times; then tickets are collected for it. The
   * head waits longest, so nobody was passed more often. Without skips nobody ever passes, and nothing has to run out.
   */
  #letPass(head: WaitlistEntry): boolean {
    const { maxSkips, collectSeconds } = this.#state.terms.waitlist;
    if (this.#passers.filter((seq) => seq > head.seq).length < maxSkips) {
      this.#collecting = null;
      return true;
    }
    if (maxSkips > 0 && this.#collecting?.for !== head.seq) {
      this.#collecting = { for: head.seq, until: this.#now + Math.max(1, collectSeconds) * 1000 };
    }
    return false;
  }

  #offer(entry: WaitlistEntry): void {
    const now = this.#now;
    const { terms } = this.#state;
    const lastPassedOver = { at: now, reason: "too-few", limit: null, reservationId: null } as const;
    for (const blocked of this.#blocked.splice(0)) this.#patch(blocked, { lastPassedOver });
    this.#patch(entry, { status: "offered", offeredAt: now });
    const reservation = newHold({
      id: offerIdOf(entry.id),
      eventId: entry.eventId,
      slotId: entry.slotId,
      userId: entry.userId,
      quantity: entry.quantity,
      origin: "waitlist",
      expiresAt: Math.min(ceilToSecond(now + terms.offerSeconds * 1000), waitlistClosesAt(terms, this.#slot)),
      createdAt: now,
    });
    this.#do({ kind: "held", before: null, reservation });
    if (this.#head === null) return;
    // The greatest tell of everybody in line how often they were passed, up to as often as one may be.
    this.#passers = [...this.#passers, entry.seq].sort((a, b) => b - a).slice(0, terms.waitlist.maxSkips);
  }
}

const isSameReason = (a: PassedOver, b: PassedOver): boolean =>
  a.reason === b.reason && a.limit === b.limit && a.reservationId === b.reservationId;

const isSameLine = (slot: Slot, line: Line): boolean =>
  slot.promoteAt === line.promoteAt &&
  slot.collecting?.for === line.collecting?.for &&
  slot.collecting?.until === line.collecting?.until &&
  slot.passers.length === line.passers.length &&
  slot.passers.every((seq, i) => seq === line.passers[i]);

function passedOver(obstacle: Obstacle, at: EpochMs): PassedOver {
  const none = { at, limit: null, reservationId: null };
  switch (obstacle.code) {
    case "already-reserved":
    case "overlap":
      return { ...none, reason: obstacle.code, reservationId: obstacle.reservationId };
    case "limit-exceeded":
      return { ...none, reason: obstacle.code, limit: obstacle.limit };
  }
}

/** After something came free, or the line is another: the slot's waiters are to be looked at, from the head. */
export function promotionsDue(state: EventView, changes: readonly Change[], now: EpochMs): Change[] {
  const freed = new Set(changes.flatMap((change) => freedBy(change) ?? []));
  const shortened = new Set(changes.flatMap((change) => shortenedBy(change) ?? []));
  return [...new Set([...freed, ...shortened])].flatMap((slotId) => {
    const slot = state.slots.get(slotId);
    if (slot === undefined || freeTickets(slot) <= 0 || !somebodyWaits(state.terms, slot, now)) return [];
    // A look that is under way sees by itself who has gone.
    if (isUnderWay(slot, now) && !freed.has(slotId)) return [];
    return [lineChange(slot, { promoteAt: now })]; // also when it is so already: that may have been meant for another look
  });
}

function freedBy(change: Change): SlotId | null {
  if (change.kind === "ended") return change.reservation.slotId;
  return change.kind === "slot-edited" ? change.slot.id : null;
}

/** The line without somebody who may have been its head. */
const shortenedBy = (change: Change): SlotId | null =>
  change.kind === "entry" && change.before === "waiting" && !change.wasParked ? change.slotId : null;
