// The rules once more, as plainly as they can be put: one list of rows, searched from the start for every question,
// no counters, no batches, no settling ahead. Written from the rules' text and not from `decide`, to be compared.
import type {
  AnyCommand,
  Command,
  EventTerms,
  FollowUp,
  Outcome,
  Refusal,
  Reservation,
  Slot,
} from "../src/index.ts";
import type { EventRow } from "./world.ts";

const GRACE_MS = 500;
const HOLDS_AT_ONCE = 20;
const MINUTE_MS = 60_000;

export interface Naive {
  readonly events: readonly EventRow[];
  readonly rows: Reservation[];
  readonly ended: { readonly command: AnyCommand; readonly outcome: Outcome }[];
  readonly accepted: AnyCommand[];
  readonly logical: Record<string, number>;
}

export interface Told {
  readonly outcome: Outcome;
  readonly followUps: readonly FollowUp[];
}

export const naive = (events: readonly EventRow[], rows: readonly Reservation[]): Naive => ({
  events,
  rows: [...rows],
  ended: [],
  accepted: [],
  logical: {},
});

export function tell(model: Naive, command: AnyCommand, now: number): Told {
  const earlier = model.ended.find((each) => each.command.id === command.id);
  if (earlier !== undefined) return { outcome: earlier.outcome, followUps: [] };

  timePasses(model, command, now);
  const told = keyIsTaken(model, command)
    ? { outcome: no({ code: "idempotency-key-reused" }), followUps: [] }
    : answer(model, command, Math.min(command.at, now), now);
  model.ended.push({ command, outcome: told.outcome });
  return told;
}

function timePasses(model: Naive, command: AnyCommand, now: number): void {
  let reached = Math.min(command.at, now);
  if (isTimer(command)) reached = Math.min(now, Math.max(reached, command.input.dueAt + GRACE_MS));
  reached = Math.max(reached, model.logical[command.eventId] ?? 0);
  model.logical[command.eventId] = reached;
  for (const row of [...model.rows]) {
    if (row.eventId !== command.eventId || row.status !== "held" || row.expiresAt === null) continue;
    const { id, userId, expiresAt } = row;
    const wanted = model.accepted.some(
      (each) =>
        isPurchase(each) &&
        each.input.reservationId === id &&
        each.userId === userId &&
        each.at < expiresAt &&
        model.ended.every(({ command: { id: done } }) => done !== each.id),
    );
    if (expiresAt + GRACE_MS <= reached && !wanted) {
      put(model, { ...row, status: "expired", endedAt: now, endReason: "deadline" });
    }
  }
}

const isTimer = (command: AnyCommand): command is Extract<Command, { type: "expire-due" }> =>
  command.type === "expire-due";
const isPurchase = (command: AnyCommand): command is Extract<Command, { type: "purchase" }> =>
  command.type === "purchase";

const keyIsTaken = (model: Naive, { userId, idempotencyKey }: AnyCommand): boolean =>
  userId !== null &&
  idempotencyKey !== null &&
  model.ended.some(({ command }) => command.userId === userId && command.idempotencyKey === idempotencyKey);

function put(model: Naive, row: Reservation): Reservation {
  const at = model.rows.findIndex(({ id }) => id === row.id);
  if (at < 0) model.rows.push(row);
  else model.rows[at] = row;
  return row;
}

const no = (refusal: Refusal): Outcome => ({ status: "rejected", refusal });
const yes = (reservation: Reservation | null): Outcome => ({ status: "succeeded", reservation });

function answer(model: Naive, asked: AnyCommand, at: number, now: number): Told {
  const event = model.events.find(({ terms }) => terms.id === asked.eventId);
  if (event === undefined) throw new Error("the door lets no unknown event through");
  const command = asked.input === undefined ? undefined : asked;
  const row = model.rows.find(
    ({ id }) =>
      command !== undefined && "reservationId" in command.input && id === command.input.reservationId,
  );
  switch (command?.type) {
    case undefined:
      return { outcome: { status: "failed", failure: "unsupported" }, followUps: [] };
    case "expire-due":
      return { outcome: yes(null), followUps: [] };
    case "reserve":
      return reserve(model, event, command, at, now);
    case "purchase":
      return { outcome: purchase(model, event.terms, command, row, at, now), followUps: [] };
    case "cancel":
      return { outcome: cancel(model, event, command, row, at, now), followUps: [] };
    default:
      throw new Error(`no ${command?.type} in these histories`);
  }
}

function reserve(
  model: Naive,
  { terms, slots }: EventRow,
  command: Extract<Command, { type: "reserve" }>,
  at: number,
  now: number,
): Told {
  const { quantity, slotId } = command.input;
  const slot = slots.length === 1 && slotId === null ? slots[0] : slots.find(({ id }) => id === slotId);
  const mine = model.rows.filter((row) => row.userId === command.userId && active(row));
  const mineHere = mine.filter((row) => row.eventId === terms.id);
  const taken = (status: string) =>
    tickets(model.rows.filter((row) => row.slotId === slot?.id && row.status === status));
  const free = (slot?.capacity ?? 0) - taken("held") - taken("purchased");
  const same = mine.find((row) => row.slotId === slot?.id);
  const live = mine.filter((row) => row.status === "held" && row.expiresAt !== null && row.expiresAt > now);
  const coolsUntil = cooldownEnd(model, command.userId);
  const clashes = slot === undefined || terms.overlapPolicy === "allow" ? [] : clashing(model, mine, slot);
  const clash = clashes.find((row) => row.status === "purchased") ?? clashes[0];
  const deadlines = model.rows
    .filter((row) => row.slotId === slot?.id && row.status === "held")
    .map((row) => row.expiresAt ?? Number.NaN);

  const lines: [applies: boolean, refusal: () => Refusal][] = [
    [terms.cancelledAt !== null, () => ({ code: "event-cancelled" })],
    [slots.filter((each) => each.startsAt > now).length === 0, () => ({ code: "event-over" })],
    [
      at < (terms.salesOpenAt ?? 0),
      () => ({ code: "sales-not-open", salesOpenAt: terms.salesOpenAt ?? Number.NaN }),
    ],
    [terms.salesClosed || at >= (terms.salesCloseAt ?? Infinity), () => ({ code: "sales-closed" })],
    [slots.length > 1 && slotId === null, () => ({ code: "slot-required" })],
    [slot === undefined, () => ({ code: "not-found", pointer: "/slotId" })],
    [now >= (slot?.startsAt ?? 0), () => ({ code: "event-over" })],
    [quantity > terms.maxPerOrder, () => ({ code: "limit-exceeded", limit: "order" })],
    [quantity > (slot?.capacity ?? 0), () => ({ code: "limit-exceeded", limit: "capacity" })],
    [same !== undefined, () => ({ code: "already-reserved", reservationId: idOf(same) })],
    [tickets(mineHere) + quantity > terms.maxPerUser, () => ({ code: "limit-exceeded", limit: "user" })],
    [live.length >= HOLDS_AT_ONCE, () => ({ code: "limit-exceeded", limit: "holds" })],
    [coolsUntil > now, () => ({ code: "limit-exceeded", limit: "cooldown", retryAt: coolsUntil })],
    [
      clash !== undefined,
      () => ({ code: "overlap", reservationId: idOf(clash), retryable: clash?.status === "held" }),
    ],
    [(slot?.capacity ?? 0) - taken("purchased") < quantity, () => ({ code: "sold-out" })],
    [free < quantity, () => ({ code: "all-held", earliestReleaseAt: Math.min(...deadlines) })],
  ];
  const refusal = lines.find(([applies]) => applies)?.[1]();
  if (refusal !== undefined) {
    const elsewhere = refusal.code === "overlap" && clash?.status === "held" && clash.eventId !== terms.id;
    const dueAt = clash?.expiresAt ?? Infinity;
    const followUps: FollowUp[] =
      elsewhere && dueAt <= now ? [{ kind: "expire-elsewhere", eventId: clash.eventId, dueAt }] : [];
    return { outcome: no(refusal), followUps };
  }
  const wholeSecond = Math.ceil((now + terms.holdSeconds * 1000) / 1000) * 1000;
  const reservation = put(model, {
    id: command.id.replace("cmd", "rsv") as Reservation["id"],
    eventId: terms.id,
    slotId: slot?.id ?? ("" as Slot["id"]),
    userId: command.userId,
    quantity,
    status: "held",
    origin: "public",
    paymentReference: null,
    expiresAt: Math.min(wholeSecond, slot?.startsAt ?? 0),
    createdAt: now,
    purchasedAt: null,
    endedAt: null,
    endReason: null,
  });
  return { outcome: yes(reservation), followUps: [] };
}

/** Five minutes after the last of five holds that ended unpaid within ten. */
function cooldownEnd(model: Naive, user: string): number {
  const unpaid = model.rows
    .filter((row) => row.userId === user && row.status === "expired" && row.origin === "public")
    .map((row) => row.endedAt ?? Number.NaN);
  const hasFive = (last: number) =>
    unpaid.filter((at) => at <= last && at >= last - 10 * MINUTE_MS).length >= 5;
  return Math.max(0, ...unpaid.filter(hasFive).map((last) => last + 5 * MINUTE_MS));
}

const idOf = (row: Reservation | undefined): Reservation["id"] => row?.id ?? ("" as Reservation["id"]);
const active = (row: Reservation): boolean => row.status === "held" || row.status === "purchased";
const tickets = (rows: readonly Reservation[]): number => rows.reduce((sum, row) => sum + row.quantity, 0);

/** Of those that count, the ones that share a moment with the slot, the earliest first. */
function clashing(model: Naive, rows: readonly Reservation[], slot: Slot): Reservation[] {
  const placed = rows.flatMap((row) => {
    const event = model.events.find(({ terms }) => terms.id === row.eventId);
    const other = event?.slots.find(({ id }) => id === row.slotId);
    return event?.terms.overlapPolicy !== "refuse" || other === undefined ? [] : [{ row, other }];
  });
  return placed
    .filter(({ other }) => Math.max(other.startsAt, slot.startsAt) < Math.min(other.endsAt, slot.endsAt))
    .sort((a, b) => a.other.startsAt - b.other.startsAt)
    .map(({ row }) => row);
}

function purchase(
  model: Naive,
  terms: EventTerms,
  { userId, input }: Extract<Command, { type: "purchase" }>,
  row: Reservation | undefined,
  at: number,
  now: number,
): Outcome {
  if (row?.userId !== userId) return no({ code: "not-found" });
  if (row.status === "purchased" && row.paymentReference === input.paymentReference) return yes(row);
  if (row.status === "purchased") return no({ code: "already-purchased" });
  if (terms.cancelledAt !== null) return no({ code: "event-cancelled" });
  if (row.status === "cancelled") return no({ code: "not-active" });
  if (row.status === "expired" || at >= (row.expiresAt ?? 0)) return no({ code: "hold-expired" });
  const { paymentReference } = input;
  return yes(
    put(model, { ...row, status: "purchased", paymentReference, expiresAt: null, purchasedAt: now }),
  );
}

function cancel(
  model: Naive,
  { terms, slots }: EventRow,
  { userId, input }: Extract<Command, { type: "cancel" }>,
  row: Reservation | undefined,
  at: number,
  now: number,
): Outcome {
  const owns = row?.userId === userId;
  const runsIt = input.role === "admin" || (input.role === "organizer" && terms.organizerId === userId);
  if (row === undefined || !(owns || runsIt)) return no({ code: "not-found" });
  if (row.status === "cancelled") return yes(row);
  if (row.status === "expired") return no({ code: "not-active" });
  // The cascade would have come by, and does not ask whose wish it was.
  if (terms.cancelledAt !== null) {
    return yes(put(model, { ...row, status: "cancelled", endedAt: now, endReason: "event-cancelled" }));
  }
  const startsAt = slots.find(({ id }) => id === row.slotId)?.startsAt ?? Number.NaN;
  const closesAt = startsAt - terms.cancelCutoffSeconds * 1000;
  if (owns && at >= closesAt) return no({ code: "cancellation-closed" });
  return yes(
    put(model, { ...row, status: "cancelled", endedAt: now, endReason: owns ? "user" : "organizer" }),
  );
}
