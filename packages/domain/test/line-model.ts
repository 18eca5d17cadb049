// Whom a slot's waitlist owes what, told from the rows before and after each command alone: who was offered tickets
// past whom, and whose turn it is. Does not know how the rules keep count.
import {
  type EpochMs,
  type EventId,
  freeTickets,
  type Slot,
  type SlotId,
  type WaitlistEntry,
  type WaitlistEntryId,
  waitlistClosesAt,
} from "../src/index.ts";
import type { World } from "./world.ts";

/** What an entry that waits has put up with. */
interface Tally {
  /** Offers to others behind it, since when it may have tickets without a break. */
  passes: number;
  /** How many of them it may have to put up with so far. */
  bound: number;
  /** Offers to others behind it since a collection ran out, whether it might have had tickets or not. */
  passesOfLate: number;
}

/** The rows of one moment. */
interface Rows {
  readonly slots: ReadonlyMap<SlotId, Slot>;
  readonly entries: ReadonlyMap<WaitlistEntryId, WaitlistEntry>;
}

export interface LineModel {
  /** Looks at the rows after a command, and tells what should not have happened since the last look. */
  observe(now: EpochMs): string[];
  /** Entries whose turn it is, who fit, and to whom nothing is offered. */
  owed(now: EpochMs): WaitlistEntry[];
  /** What has happened so far that a history should be about. */
  readonly events: ReadonlySet<string>;
}

const rowsOf = (world: World, eventId: EventId): Rows => ({
  slots: new Map(world.slots.get(eventId)),
  entries: new Map([...world.entries].filter(([, entry]) => entry.eventId === eventId)),
});

/** In turn: it waits, and nothing is known to stand in the way of its having tickets. */
const isInTurn = (entry: WaitlistEntry | undefined): entry is WaitlistEntry =>
  entry?.status === "waiting" && entry.recheckAt === null;

const waitingOf = ({ entries }: Rows, slotId: SlotId): WaitlistEntry[] =>
  [...entries.values()].filter((entry) => entry.slotId === slotId && entry.status === "waiting").sort(bySeq);

const lineOf = (rows: Rows, slotId: SlotId): WaitlistEntry[] => waitingOf(rows, slotId).filter(isInTurn);

const bySeq = (a: WaitlistEntry, b: WaitlistEntry): number => a.seq - b.seq;
const ticketsOf = (entries: readonly WaitlistEntry[]): number =>
  entries.reduce((sum, { quantity }) => sum + quantity, 0);

export function createLineModel(world: World, eventId: EventId): LineModel {
  const tallies = new Map<WaitlistEntryId, Tally>();
  const events = new Set<string>();
  let before = rowsOf(world, eventId);

  /** Of the event: the terms of the waitlist do not change in these histories. */
  const terms = () => {
    const found = world.terms.get(eventId);
    if (found === undefined) throw new Error(`no event ${eventId}`);
    return found;
  };

  return { observe, owed, events };

  function observe(now: EpochMs): string[] {
    const after = rowsOf(world, eventId);
    const wrong = [...after.slots.values()].flatMap((slot) => observeSlot(slot, after, now));
    before = after;
    return wrong;
  }

  function observeSlot(slot: Slot, after: Rows, now: EpochMs): string[] {
    const { mode, maxSkips } = terms().waitlist;
    const offered = [...after.entries.values()].filter(
      (entry) =>
        entry.slotId === slot.id &&
        entry.offeredAt !== null &&
        (before.entries.get(entry.id)?.offeredAt ?? null) === null,
    );
    if (ranOut(slot, now)) {
      events.add("a collection ran out");
      // With others before it, it may not have been looked at: then it is collected for again.
      const isFirst = lineOf(after, slot.id)[0]?.seq === before.slots.get(slot.id)?.collecting?.for;
      for (const tally of waitingOf(before, slot.id).map(({ id }) => tallies.get(id))) {
        if (tally === undefined) continue;
        tally.bound += maxSkips;
        if (isFirst) tally.passesOfLate = 0;
      }
    }
    const wrong: string[] = [];
    for (const entry of waitingOf(after, slot.id)) {
      const tally = tallyOf(entry);
      const past = offered.filter(({ seq }) => seq > entry.seq);
      tally.passesOfLate += past.length;
      if (past.length === 0 || !isInTurn(entry)) continue;
      tally.passes += past.length;
      events.add("somebody was passed");
      const names = `${past.map(({ seq }) => seq).join(", ")} passed ${entry.seq}`;
      // What was free at its turn: what is free now, and what those behind were offered.
      if (entry.quantity <= freeTickets(slot) + ticketsOf(past)) wrong.push(`${names}, which fitted`);
      if (mode === "strict") wrong.push(`${names} in a strict line`);
      if (tally.passes > tally.bound) wrong.push(`${names}: ${tally.passes} times of ${tally.bound}`);
    }
    return [...wrong, ...wrongCollection(slot, lineOf(after, slot.id), now)];
  }

  /** What it puts up with is counted anew when it may have tickets after it might not. */
  function tallyOf(entry: WaitlistEntry): Tally {
    const { maxSkips } = terms().waitlist;
    const known = tallies.get(entry.id);
    if (known !== undefined && isInTurn(before.entries.get(entry.id))) return known;
    const tally = { passes: 0, bound: maxSkips, passesOfLate: known?.passesOfLate ?? 0 };
    tallies.set(entry.id, tally);
    return tally;
  }

  function ranOut(slot: Slot, now: EpochMs): boolean {
    const collecting = before.slots.get(slot.id)?.collecting ?? null;
    if (collecting === null || now < collecting.until || slot.collecting?.until === collecting.until) {
      return false;
    }
    const isIt = ({ slotId, seq }: WaitlistEntry) => slotId === slot.id && seq === collecting.for;
    return isInTurn([...before.entries.values()].find(isIt));
  }

  /** Tickets are collected for who was passed often enough, and somebody will look when that has run out. */
  function wrongCollection(slot: Slot, line: readonly WaitlistEntry[], now: EpochMs): string[] {
    const { collecting, promoteAt } = slot;
    if (collecting === null || now >= waitlistClosesAt(terms(), slot)) return [];
    events.add("tickets were collected");
    if (promoteAt === null || promoteAt > Math.max(collecting.until, now)) {
      return [`nobody looks at ${slot.id} when its collection has run out`];
    }
    const earlier = before.slots.get(slot.id)?.collecting ?? null;
    if (earlier?.for === collecting.for) return [];
    const head = line.find(({ seq }) => seq === collecting.for);
    const passes = head === undefined ? 0 : tallyOf(head).passesOfLate;
    return passes < terms().waitlist.maxSkips
      ? [`tickets are collected for ${collecting.for}, passed only ${passes} times`]
      : [];
  }

  function owed(now: EpochMs): WaitlistEntry[] {
    const rows = rowsOf(world, eventId);
    return [...rows.slots.values()].flatMap((slot) => owedOf(slot, rows, now));
  }

  function owedOf(slot: Slot, rows: Rows, now: EpochMs): WaitlistEntry[] {
    const free = freeTickets(slot);
    const { mode } = terms().waitlist;
    const [head, ...others] = lineOf(rows, slot.id);
    if (head === undefined || free <= 0 || now >= waitlistClosesAt(terms(), slot)) return [];
    if (head.quantity <= free) return [head];
    if (mode === "strict") return [];
    const mayPass = others.find(({ quantity }) => quantity <= free);
    return mayPass === undefined || isKeptFor(head, slot, now) ? [] : [mayPass];
  }

  /** May no smaller party pass it? While tickets are collected for it, and never where there are no skips. */
  function isKeptFor(head: WaitlistEntry, { collecting }: Slot, now: EpochMs): boolean {
    if (terms().waitlist.maxSkips === 0) return true;
    return collecting?.for === head.seq && now < collecting.until;
  }
}
