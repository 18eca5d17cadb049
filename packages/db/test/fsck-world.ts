// A history played in memory, by the rules themselves: time passes, what was asked for is followed up, late things are
// swept. And what the tables would hold of it.
import {
  type AnyCommand,
  type Applied,
  availableTickets,
  type EventId,
  entryIdOfOffer,
  expireDue,
  type FollowUp,
  isKnown,
  isParked,
  type Outcome,
  promote,
  type ReservationId,
  windDown,
} from "@holdfast/domain";
import type pg from "pg";
import {
  createWorld,
  type LoadLimits,
  type Ran,
  run,
  sweepsDue,
  type World,
} from "../../domain/test/world.ts";
import { STRETCH_ENTRIES } from "../src/waitlist.ts";
import type { History } from "./fsck-histories.ts";

const SECOND = 1_000;
/** A promised purchase is delivered within this time. */
const PROMISED_MS = 30 * SECOND;
/** Rounds of sweeps that it takes at most until nothing is due. */
const SWEEPS_MAX = 100;

interface Ended {
  readonly command: AnyCommand;
  readonly outcome: Outcome;
  readonly now: number;
}

export interface Played {
  readonly history: History;
  readonly world: World;
  /** Of each event, in order. */
  readonly ended: ReadonlyMap<EventId, readonly Ended[]>;
  /** Those that never had a turn. */
  readonly withdrawn: readonly Ended[];
  readonly promised: readonly { readonly command: AnyCommand; readonly reservationId: ReservationId }[];
}

/** Plays a history that is over at `end`: some are at rest then, others are in the middle of things. */
export function play(history: History, { start, end }: { start: number; end: number }): Played {
  const { chance } = history;
  const world = createWorld(history.events);
  const ended = new Map(history.events.map(({ terms }): [EventId, Ended[]] => [terms.id, []]));
  const withdrawn: Ended[] = [];
  let promised: { command: AnyCommand; reservationId: ReservationId }[] = [];
  const limits: Partial<LoadLimits> = chance.is(0.5) ? {} : { dueMax: 2, lineMax: 2, leftoverMax: 2 };
  const atRest = chance.is(0.5);
  const steps = chance.whole(10, 30);

  let now = start;
  for (let step = 0; step < steps; step += 1) {
    const last = step >= steps - 3;
    // Towards the end nothing is left alone for long.
    now = last ? end - (steps - 1 - step) * SECOND : Math.min(end - 5 * SECOND, now + pauseMs());
    if (!last || step === steps - 3) {
      if (chance.is(0.1)) withdrawPromised();
      sweep();
    }
    for (let sent = chance.whole(1, 3); sent > 0; sent -= 1) {
      const command = history.command(now);
      if (chance.is(0.2) && promise(command)) continue;
      if (chance.is(0.02) && withdraw(command)) continue;
      apply(command.eventId, [command], atRest || !last || chance.is(0.5));
    }
  }
  if (atRest) {
    deliver(0);
    sweep();
  }
  return { history, world, ended, withdrawn, promised };

  function pauseMs(): number {
    return chance.is(0.1) ? chance.whole(20, 90) * SECOND : chance.of([0, 0, 200, 1_500, 4_000, 9_000]);
  }

  function apply(eventId: EventId, commands: readonly AnyCommand[], follows = true): void {
    const queue = asked(record(eventId, run(world, eventId, commands, now, limits)));
    while (follows) {
      const next = queue.shift();
      if (next === undefined) return;
      if (next.kind === "promote" && next.at > now) continue; // the sweep finds it
      const command = commandOf(next);
      queue.push(...asked(record(command.eventId, run(world, command.eventId, [command], now, limits))));
    }
  }

  function commandOf(next: FollowUp): AnyCommand {
    const id = history.freshId();
    if (next.kind === "promote") return promote(id, next, now);
    if (next.kind === "wind-down") return windDown(id, next.eventId, { at: now, after: next.after });
    return expireDue(id, next.eventId, { at: now, dueAt: next.dueAt });
  }

  function record(eventId: EventId, ran: Ran): Ran {
    const fresh = ran.applied.filter(({ replayed }) => !replayed);
    ended.get(eventId)?.push(...fresh.map(({ command, outcome }: Applied) => ({ command, outcome, now })));
    history.heard(eventId, ran.applied);
    return ran;
  }

  /** Also that parked waiters are looked at again who have lost a reservation somewhere. */
  function asked({ changes, followUps }: Ran): FollowUp[] {
    const freed = new Set(
      changes.flatMap((change) => (change.kind === "ended" ? [change.reservation.userId] : [])),
    );
    const relieved = [...world.entries.values()].filter(
      (entry) => isParked(entry) && freed.has(entry.userId),
    );
    return [
      ...followUps,
      ...relieved.map(
        ({ id, eventId, slotId }): FollowUp => ({
          kind: "promote",
          eventId,
          slotId,
          at: now,
          from: null,
          recheck: [id],
        }),
      ),
    ];
  }

  /** A purchase may be promised, and applied later. */
  function promise(command: AnyCommand): boolean {
    if (!isKnown(command) || command.type !== "purchase") return false;
    const keyless = { ...command, at: now, idempotencyKey: null };
    world.accepted.set(command.id, keyless);
    promised.push({ command: keyless, reservationId: command.input.reservationId });
    return true;
  }

  /** Before its turn has come. */
  function withdraw(command: AnyCommand): boolean {
    if (command.userId === null || history.hasSent(command)) return false;
    const keyless = { ...command, idempotencyKey: null };
    withdrawn.push({ command: keyless, outcome: { status: "withdrawn" }, now });
    return true;
  }

  function withdrawPromised(): void {
    const [first, ...others] = promised;
    if (first === undefined || !withdraw(first.command)) return;
    world.accepted.delete(first.command.id);
    promised = others;
  }

  function deliver(olderThanMs: number): void {
    const due = promised.filter(({ command }) => now - command.at >= olderThanMs);
    promised = promised.filter((one) => !due.includes(one));
    for (const { command } of due) apply(command.eventId, [command]);
  }

  function sweep(): void {
    deliver(PROMISED_MS);
    for (const { terms } of history.events) {
      apply(terms.id, [expireDue(history.freshId(), terms.id, { at: now, dueAt: now })]);
    }
    for (let rounds = 0; ; rounds += 1) {
      const due = sweepsDue(world, now);
      if (due.length === 0) return;
      if (rounds > SWEEPS_MAX) throw new Error("sweeping does not come to an end");
      for (const next of due) apply(next.eventId, [commandOf(next)]);
    }
  }
}

/** Words for what the rows hold, to tell whether a crowd of histories has something of everything. */
export function kindsOf({ world, ended, withdrawn, promised }: Played): string[] {
  const rows = [...world.reservations.values()];
  return [
    ...rows.map(({ origin, status, endReason }) => [origin, status, endReason].filter(Boolean).join(" ")),
    ...[...world.entries.values()].map(({ status, endReason }) =>
      ["entry", status, endReason].filter(Boolean).join(" "),
    ),
    ...[...world.entries.values()].filter(isParked).map(() => "entry parked"),
    ...rows
      .filter(
        ({ origin, status, purchasedAt }) => origin === "waitlist" && status === "cancelled" && purchasedAt,
      )
      .map(({ id }) => `${world.entries.get(entryIdOfOffer(id))?.status} and cancelled later`),
    ...[...world.terms.values()].flatMap((terms) =>
      [...(world.slots.get(terms.id)?.values() ?? [])].flatMap((slot) => [
        ...(slot.passers.length > 0 ? ["passed"] : []),
        ...(slot.collecting === null ? [] : ["collecting"]),
        ...(slot.promoteAt === null ? [] : ["a look is due"]),
        ...(availableTickets(terms, slot, Number.NEGATIVE_INFINITY) === 0 && slot.waiting > 0
          ? ["sold out"]
          : []),
      ]),
    ),
    ...[...world.windingDown].map(() => "winding down"),
    ...[...[...ended.values()].flat(), ...withdrawn].map(({ outcome }) => outcome.status),
    ...promised.map(() => "promised"),
  ];
}

type Row = Record<string, unknown>;

/** Writes what tables would hold of these histories, `shiftMs` later than they were played. */
export async function writeRows(pool: pg.Pool, played: readonly Played[], shiftMs: number): Promise<void> {
  const at = (ms: number | null): string | null =>
    ms === null ? null : new Date(ms + shiftMs).toISOString();
  const insert = async (table: string, rows: readonly Row[]): Promise<void> => {
    await pool.query(`INSERT INTO ${table} SELECT * FROM jsonb_populate_recordset(NULL::${table}, $1)`, [
      JSON.stringify(rows),
    ]);
  };
  const outcomeRow = ({ command, outcome, now }: Ended): Row => {
    const reused = outcome.status === "rejected" && outcome.refusal.code === "idempotency-key-reused";
    return {
      command_id: command.id,
      event_id: command.eventId,
      type: command.type,
      user_id: command.userId,
      idempotency_key: reused ? null : command.idempotencyKey,
      status: outcome.status,
      outcome,
      submitted_at: at(command.at),
      finished_at: at(now),
    };
  };
  const worlds = played.map(({ world }) => world);
  const ofEach = <T>(rowsOf: (world: World) => Iterable<T>): T[] =>
    worlds.flatMap((world) => [...rowsOf(world)]);

  await insert(
    "users",
    played.flatMap(({ history }) =>
      history.users.map((id) => ({
        id,
        email: `${id}@example.com`,
        name: "Somebody",
        role: "user",
        password_hash: "none",
        created_at: at(0),
        auth_changed_at: at(0),
      })),
    ),
  );
  await insert(
    "events",
    played.flatMap(({ world }) =>
      [...world.terms.values()].map((terms) => {
        const details = world.details.get(terms.id);
        const slots = [...(world.slots.get(terms.id)?.values() ?? [])];
        return {
          id: terms.id,
          organizer_id: terms.organizerId,
          name: details?.name,
          sales_open_at: at(terms.salesOpenAt),
          sales_close_at: at(terms.salesCloseAt),
          sales_closed: terms.salesClosed,
          hold_seconds: terms.holdSeconds,
          offer_seconds: terms.offerSeconds,
          max_per_order: terms.maxPerOrder,
          max_per_user: terms.maxPerUser,
          overlap_policy: terms.overlapPolicy,
          cancel_cutoff_seconds: terms.cancelCutoffSeconds,
          waitlist: terms.waitlist,
          cancelled_at: at(terms.cancelledAt),
          winding_down: world.windingDown.has(terms.id),
          starts_at: at(Math.min(...slots.map((slot) => slot.startsAt))),
          ends_at: at(Math.max(...slots.map((slot) => slot.endsAt))),
          version: details?.version,
          created_at: at(details?.createdAt ?? 0),
          updated_at: at(details?.updatedAt ?? 0),
        };
      }),
    ),
  );
  await insert(
    "slots",
    ofEach((world) =>
      [...world.slots].flatMap(([event_id, slots]) =>
        [...slots.values()].map((slot) => ({
          id: slot.id,
          event_id,
          starts_at: at(slot.startsAt),
          ends_at: at(slot.endsAt),
          capacity: slot.capacity,
          held: slot.held,
          purchased: slot.purchased,
          inventory: 1,
          used: slot.used,
          waiting: slot.waiting,
          parked: slot.parked,
          last_seq: slot.lastSeq,
          passers: slot.passers.length === 0 ? null : slot.passers,
          collecting_for: slot.collecting?.for ?? null,
          collecting_until: at(slot.collecting?.until ?? null),
          promote_at: at(slot.promoteAt),
        })),
      ),
    ),
  );
  await insert(
    "event_lanes",
    played.flatMap(({ world, ended }) =>
      [...ended].map(([event_id, outcomes]) => ({
        event_id,
        fence: 1,
        logical_at: at(world.logicalAt.get(event_id) ?? 0),
        next_seq: outcomes.length + 1,
        next_message: 1,
      })),
    ),
  );
  await insert(
    "reservations",
    ofEach((world) =>
      [...world.reservations.values()].map((row) => {
        const slot = world.slots.get(row.eventId)?.get(row.slotId);
        return {
          id: row.id,
          event_id: row.eventId,
          slot_id: row.slotId,
          user_id: row.userId,
          quantity: row.quantity,
          status: row.status,
          origin: row.origin,
          payment_reference: row.paymentReference,
          expires_at: at(row.expiresAt),
          created_at: at(row.createdAt),
          purchased_at: at(row.purchasedAt),
          ended_at: at(row.endedAt),
          end_reason: row.endReason,
          during: `[${at(slot?.startsAt ?? 0)},${at(slot?.endsAt ?? 0)})`,
          exclusive: world.terms.get(row.eventId)?.overlapPolicy === "refuse",
        };
      }),
    ),
  );
  const entries = ofEach((world) => world.entries.values());
  await insert(
    "waitlist_entries",
    entries.map((row) => ({
      id: row.id,
      event_id: row.eventId,
      slot_id: row.slotId,
      user_id: row.userId,
      quantity: row.quantity,
      status: row.status,
      seq: row.seq,
      created_at: at(row.createdAt),
      offered_at: at(row.offeredAt),
      ended_at: at(row.endedAt),
      end_reason: row.endReason,
      recheck_at: at(row.recheckAt),
      last_passed_over: row.lastPassedOver,
    })),
  );
  const stretches = Map.groupBy(
    entries.filter(({ status }) => status === "waiting"),
    ({ slotId, seq }) => `${slotId} ${Math.floor((seq - 1) / STRETCH_ENTRIES)}`,
  );
  await insert(
    "waitlist_stretches",
    [...stretches].map(([key, some]) => {
      const [slot_id, stretch] = key.split(" ");
      return { slot_id, stretch: Number(stretch), waiting: some.length };
    }),
  );
  await insert(
    "outcomes",
    played.flatMap(({ ended, withdrawn }) => [
      ...[...ended.values()].flatMap((outcomes) =>
        outcomes.map((one, n) => ({ ...outcomeRow(one), seq: n + 1 })),
      ),
      ...withdrawn.map(outcomeRow),
    ]),
  );
  await insert(
    "accepted_commands",
    played.flatMap(({ promised }) =>
      promised.map(({ command, reservationId }) => ({
        command_id: command.id,
        event_id: command.eventId,
        user_id: command.userId,
        type: command.type,
        submitted_at: at(command.at),
        accepted_at: at(command.at),
        command,
        reservation_id: reservationId,
      })),
    ),
  );
}
