// Commands at random, of everything that may be asked of an event: what a history consists of. Whom they are about is
// chosen among what earlier outcomes have told, so that most of them are possible and some are not.
import {
  type AnyCommand,
  type Applied,
  type EventId,
  expireDue,
  offerIdOf,
  type ReservationId,
  type SlotId,
  type UserId,
  type UserRole,
  type WaitlistEntryId,
} from "@holdfast/domain";
import { idOf } from "../../domain/test/names.ts";
import type { EventRow } from "../../domain/test/world.ts";

/** Numbers that look random, the same for the same seed. */
export class Chance {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  /** 0 ≤ n < 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  /** From min to max, both included. */
  whole(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }
  is(share: number): boolean {
    return this.next() < share;
  }
  of<T>(items: readonly T[]): T {
    return items[this.whole(0, items.length - 1)] as T;
  }
  /** One of the names, each as often as its weight says. */
  weighed<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const names = Object.keys(weights) as Name[];
    let left = this.next() * names.reduce((sum, name) => sum + weights[name], 0);
    const found = names.find((name) => {
      left -= weights[name];
      return left < 0;
    });
    return found ?? (names[0] as Name);
  }
}

const SECOND = 1_000;
const HOUR = 3_600_000;

interface Known {
  readonly reservations: { readonly id: ReservationId; readonly eventId: EventId; readonly userId: UserId }[];
  readonly entries: { readonly id: WaitlistEntryId; readonly eventId: EventId; readonly userId: UserId }[];
  readonly slots: { readonly id: SlotId; readonly eventId: EventId }[];
  readonly sent: AnyCommand[];
}

export class History {
  readonly events: readonly EventRow[];
  readonly users: readonly UserId[];
  readonly chance: Chance;
  readonly #name: string;
  readonly #organizer: UserId;
  readonly #known: Known;
  #commands = 0;

  /** The events are on sale around `now`; some of their slots start soon. */
  constructor(name: string, seed: number, now: number) {
    this.#name = name;
    this.chance = new Chance(seed);
    const people = Array.from({ length: 6 }, (_, n) => idOf("user", `${name} ${n}`));
    this.#organizer = idOf("user", `${name} organizer`);
    this.users = [this.#organizer, ...people];
    this.events = Array.from({ length: this.chance.whole(1, 2) }, (_, n) => this.#event(n, now));
    this.#known = {
      reservations: [],
      entries: [],
      slots: this.events.flatMap(({ terms, slots }) => slots.map(({ id }) => ({ id, eventId: terms.id }))),
      sent: [],
    };
  }

  #event(n: number, now: number): EventRow {
    const { chance } = this;
    return {
      terms: {
        id: idOf("event", `${this.#name} ${n}`),
        organizerId: this.#organizer,
        cancelledAt: null,
        salesOpenAt: null,
        salesCloseAt: chance.is(0.1) ? now + 60 * SECOND : null,
        salesClosed: false,
        holdSeconds: chance.whole(5, 60),
        offerSeconds: chance.whole(5, 60),
        maxPerOrder: chance.whole(2, 4),
        maxPerUser: chance.whole(3, 6),
        overlapPolicy: chance.is(0.7) ? "refuse" : "allow",
        cancelCutoffSeconds: 0,
        waitlist: {
          enabled: chance.is(0.95),
          mode: chance.is(0.7) ? "skip" : "strict",
          maxSkips: chance.whole(0, 2),
          collectSeconds: chance.whole(1, 30),
          maxEntries: chance.whole(3, 10),
          closesBeforeSeconds: chance.of([0, 0, 30]),
        },
      },
      slots: Array.from({ length: chance.whole(1, 3) }, (_, slot) => {
        const startsAt = now + (chance.is(0.2) ? chance.whole(30, 200) * SECOND : chance.whole(1, 5) * HOUR);
        return {
          id: idOf("slot", `${this.#name} ${n} ${slot}`),
          name: null,
          startsAt,
          endsAt: startsAt + HOUR,
          capacity: chance.whole(1, 4),
          held: 0,
          purchased: 0,
          used: false,
          waiting: 0,
          parked: 0,
          lastSeq: 0,
          passers: [],
          collecting: null,
          promoteAt: null,
        };
      }),
    };
  }

  #id(): ReturnType<typeof idOf<"command">> {
    this.#commands += 1;
    return idOf("command", `${this.#name} ${this.#commands}`);
  }

  /** A command that somebody sends now. */
  command(now: number): AnyCommand {
    const { chance } = this;
    const known = this.#known;
    const slot = chance.of(known.slots);
    const reservation = chance.is(0.97) ? known.reservations.at(-chance.whole(1, 8)) : undefined;
    const entry = known.entries.at(-chance.whole(1, 6));
    const quantity = chance.of([1, 1, 2, 2, 3]);
    const anybody = chance.of(this.users);
    const from = (userId: UserId = anybody) => ({
      id: this.#id(),
      at: now - chance.of([0, 0, 0, 300, 2_000]),
      userId,
      idempotencyKey: chance.is(0.05) ? chance.of(["k1", "k2"]) : null,
      fingerprint: null,
    });
    const role: UserRole = chance.is(0.1) ? "admin" : "organizer";
    const asOrganizer = { ...from(this.#organizer), eventId: slot.eventId };
    const ifVersion = null;
    const kind = chance.weighed({
      reserve: 10,
      join: 8,
      purchase: 5,
      cancel: 5,
      leave: 2,
      limits: 0.5,
      waitlist: 0.7,
      "add-slot": 0.4,
      "edit-slot": 0.4,
      "remove-slot": 0.3,
      capacity: 2,
      sales: 0.4,
      "cancel-event": 0.25,
      expire: 1,
      "wind-down": 0.2,
      promote: 0.5,
      again: 0.5,
      unknown: 0.1,
    });
    switch (kind) {
      case "reserve": {
        const orWait = chance.is(0.4) ? ({ orWait: true } as const) : {};
        const slotId = chance.is(0.95) ? slot.id : null;
        return { ...from(), eventId: slot.eventId, type: "reserve", input: { slotId, quantity, ...orWait } };
      }
      case "purchase":
      case "cancel": {
        if (reservation === undefined) return this.command(now);
        const { id: reservationId, eventId, userId } = reservation;
        if (kind === "purchase") {
          const input = { reservationId, paymentReference: null };
          return { ...from(userId), eventId, type: "purchase", input };
        }
        const other = chance.is(0.2);
        const input = { reservationId, role: other ? role : "user" } as const;
        return { ...from(other ? this.#organizer : userId), eventId, type: "cancel", input };
      }
      case "join":
        return {
          ...from(),
          eventId: slot.eventId,
          type: "join-waitlist",
          input: { slotId: slot.id, quantity },
        };
      case "leave": {
        if (entry === undefined) return this.command(now);
        const { id: entryId, eventId, userId } = entry;
        const other = chance.is(0.2);
        const input = { entryId, role: other ? role : "user" } as const;
        return { ...from(other ? this.#organizer : userId), eventId, type: "leave-waitlist", input };
      }
      case "limits": {
        const edits = { maxPerUser: chance.whole(1, 6), holdSeconds: chance.whole(5, 60) };
        return { ...asOrganizer, type: "edit-event", input: { edits, ifVersion, role } };
      }
      case "waitlist": {
        const waitlist = {
          mode: chance.of(["skip", "strict"] as const),
          maxSkips: chance.whole(0, 2),
          closesBeforeSeconds: chance.of([0, 30]),
        };
        return { ...asOrganizer, type: "edit-event", input: { edits: { waitlist }, ifVersion, role } };
      }
      case "add-slot": {
        const startsAt = now + chance.whole(1, 5) * HOUR;
        const input = { name: null, startsAt, endsAt: startsAt + HOUR, capacity: quantity, ifVersion, role };
        return { ...asOrganizer, type: "add-slot", input };
      }
      case "edit-slot": {
        const edits = { endsAt: now + 10 * HOUR, capacity: chance.whole(1, 5) };
        return { ...asOrganizer, type: "edit-slot", input: { slotId: slot.id, edits, ifVersion, role } };
      }
      case "remove-slot":
        return { ...asOrganizer, type: "remove-slot", input: { slotId: slot.id, ifVersion, role } };
      case "capacity": {
        const capacity = chance.whole(1, 6);
        return { ...asOrganizer, type: "set-capacity", input: { slotId: slot.id, capacity, role } };
      }
      case "sales":
        return { ...asOrganizer, type: chance.is(0.3) ? "close-sales" : "open-sales", input: { role } };
      case "cancel-event":
        return { ...asOrganizer, type: "cancel-event", input: { role } };
      case "expire":
        return expireDue(this.#id(), slot.eventId, { at: now, dueAt: now });
      case "wind-down":
      case "promote": {
        const nobody = { userId: null, idempotencyKey: null, fingerprint: null };
        const base = { id: this.#id(), eventId: slot.eventId, at: now, ...nobody };
        if (kind === "wind-down") return { ...base, type: "wind-down", input: { after: null } };
        const recheck = entry === undefined ? [] : [entry.id];
        return { ...base, type: "promote", input: { slotId: slot.id, from: null, recheck } };
      }
      case "again":
        return known.sent.at(-chance.whole(1, 10)) ?? this.command(now);
      case "unknown":
        return { ...from(), eventId: slot.eventId, type: "juggle" };
    }
  }

  /** What outcomes tell of, later commands may be about. */
  heard(eventId: EventId, applied: readonly Applied[]): void {
    for (const { command, outcome, replayed } of applied) {
      if (replayed) continue;
      this.#known.sent.push(command);
      if (outcome.status !== "succeeded" || command.userId === null) continue;
      const { reservation, entry, slot } = outcome;
      const { userId } = command;
      if (command.type === "reserve" && reservation !== null) {
        this.#known.reservations.push({ id: reservation.id, eventId, userId });
      }
      if (entry?.status === "waiting") {
        this.#known.entries.push({ id: entry.id, eventId, userId });
        this.#known.reservations.push({ id: offerIdOf(entry.id), eventId, userId });
      }
      if (command.type === "add-slot" && slot !== undefined) this.#known.slots.push({ id: slot.id, eventId });
    }
  }

  /** Has it come to an end before? */
  hasSent = (command: AnyCommand): boolean => this.#known.sent.some(({ id }) => id === command.id);

  /** For commands that nobody sends. */
  freshId = () => this.#id();
}
