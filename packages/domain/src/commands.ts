// What may be asked of an event. A command travels through the event's queue and ends in exactly one outcome.
import { z } from "zod";
import { OVERLAP_POLICIES, WAITLIST_MODES } from "./event.ts";
import { CommandId, EventId, ReservationId, SlotId, UserId, WaitlistEntryId } from "./ids.ts";
import {
  EVENT_DESCRIPTION_LENGTH_MAX,
  EVENT_NAME_LENGTH_MAX,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  PAYMENT_REFERENCE_LENGTH_MAX,
  SLOT_CAPACITY_MAX,
  SLOT_NAME_LENGTH_MAX,
  VENUE_LENGTH_MAX,
} from "./limits.ts";
import type { FollowUp, ReservationCursor } from "./outcomes.ts";
import type { EpochMs } from "./time.ts";

export const USER_ROLES = ["user", "organizer", "admin"] as const;
export type UserRole = (typeof USER_ROLES)[number];

/** Roles are cumulative: user < organizer < admin. */
export const hasRole = (role: UserRole, needed: UserRole): boolean =>
  USER_ROLES.indexOf(role) >= USER_ROLES.indexOf(needed);

const base = {
  id: CommandId,
  eventId: EventId,
  /** When it was accepted, in milliseconds of database time. */
  at: z.int().nonnegative(),
};

const fromUser = {
  ...base,
  userId: UserId,
  idempotencyKey: z.string().min(1).max(IDEMPOTENCY_KEY_LENGTH_MAX).nullable(),
  /** Tells whether a repeated key came with the same request: a hash over method, path and body. */
  fingerprint: z.string().nullable(),
};

const fromNobody = { ...base, userId: z.null(), idempotencyKey: z.null(), fingerprint: z.null() };

const epochMs = z.int();
const role = z.enum(USER_ROLES);
const capacity = z.int().min(0).max(SLOT_CAPACITY_MAX);
/** Versions of the event, one of which it must have; null: any. */
const ifVersion = z.array(z.int()).nullable();

export const ReserveCommand = z.object({
  ...fromUser,
  type: z.literal("reserve"),
  input: z.object({
    slotId: SlotId.nullable(),
    quantity: z.int().positive(),
    /** Joins the waitlist when there are no tickets. Absent: no. */
    orWait: z.literal(true).optional(),
  }),
});

export const PurchaseCommand = z.object({
  ...fromUser,
  type: z.literal("purchase"),
  input: z.object({
    reservationId: ReservationId,
    paymentReference: z.string().max(PAYMENT_REFERENCE_LENGTH_MAX).nullable(),
  }),
});

export const CancelCommand = z.object({
  ...fromUser,
  type: z.literal("cancel"),
  input: z.object({ reservationId: ReservationId, role }),
});

export const JoinWaitlistCommand = z.object({
  ...fromUser,
  type: z.literal("join-waitlist"),
  input: z.object({ slotId: SlotId, quantity: z.int().positive() }),
});

export const LeaveWaitlistCommand = z.object({
  ...fromUser,
  type: z.literal("leave-waitlist"),
  input: z.object({ entryId: WaitlistEntryId, role }),
});

export const EventEdits = z.object({
  name: z.string().max(EVENT_NAME_LENGTH_MAX).optional(),
  description: z.string().max(EVENT_DESCRIPTION_LENGTH_MAX).nullable().optional(),
  venue: z.string().max(VENUE_LENGTH_MAX).nullable().optional(),
  salesOpenAt: epochMs.nullable().optional(),
  salesCloseAt: epochMs.nullable().optional(),
  holdSeconds: z.int().optional(),
  offerSeconds: z.int().optional(),
  maxPerOrder: z.int().optional(),
  maxPerUser: z.int().optional(),
  overlapPolicy: z.enum(OVERLAP_POLICIES).optional(),
  cancelCutoffSeconds: z.int().optional(),
  waitlist: z
    .object({
      enabled: z.boolean(),
      mode: z.enum(WAITLIST_MODES),
      maxSkips: z.int(),
      collectSeconds: z.int(),
      maxEntries: z.int(),
      closesBeforeSeconds: z.int(),
    })
    .partial()
    .optional(),
});

export const EditEventCommand = z.object({
  ...fromUser,
  type: z.literal("edit-event"),
  input: z.object({ edits: EventEdits, ifVersion, role }),
});

export const AddSlotCommand = z.object({
  ...fromUser,
  type: z.literal("add-slot"),
  input: z.object({
    name: z.string().max(SLOT_NAME_LENGTH_MAX).nullable(),
    startsAt: epochMs,
    endsAt: epochMs,
    capacity,
    ifVersion,
    role,
  }),
});

export const SlotEdits = z.object({
  name: z.string().max(SLOT_NAME_LENGTH_MAX).nullable().optional(),
  startsAt: epochMs.optional(),
  endsAt: epochMs.optional(),
  capacity: capacity.optional(),
});

export const EditSlotCommand = z.object({
  ...fromUser,
  type: z.literal("edit-slot"),
  input: z.object({ slotId: SlotId, edits: SlotEdits, ifVersion, role }),
});

export const RemoveSlotCommand = z.object({
  ...fromUser,
  type: z.literal("remove-slot"),
  input: z.object({ slotId: SlotId, ifVersion, role }),
});

export const SetCapacityCommand = z.object({
  ...fromUser,
  type: z.literal("set-capacity"),
  input: z.object({ slotId: SlotId, capacity, role }),
});

/** Closing and opening sales by hand, and cancelling the event. */
const ofOrganizer = { ...fromUser, input: z.object({ role }) };
export const CloseSalesCommand = z.object({ ...ofOrganizer, type: z.literal("close-sales") });
export const OpenSalesCommand = z.object({ ...ofOrganizer, type: z.literal("open-sales") });
export const CancelEventCommand = z.object({ ...ofOrganizer, type: z.literal("cancel-event") });

/** Sent by timers and sweeps, never by people: ends the holds that were due at the given second. */
export const ExpireDueCommand = z.object({
  ...fromNobody,
  type: z.literal("expire-due"),
  input: z.object({ dueAt: z.int().nonnegative() }),
});

/** Sent by the waitlist worker and by sweeps: offers what is free of a slot to who waits for it, a piece at a time. */
export const PromoteCommand = z.object({
  ...fromNobody,
  type: z.literal("promote"),
  input: z.object({
    slotId: SlotId,
    from: z.object({ after: z.int().nonnegative(), since: epochMs }).nullable(),
    recheck: z.array(WaitlistEntryId),
  }),
});

/**
 * Sent by the worker after itself and by sweeps: ends a piece of what nobody can have any more, which are the
 * reservations and waitlist entries of a cancelled event, and entries of slots that closed or became too small.
 */
export const WindDownCommand = z.object({
  ...fromNobody,
  type: z.literal("wind-down"),
  input: z.object({ after: z.object({ createdAt: epochMs, id: ReservationId }).nullable() }),
});

export const Command = z.discriminatedUnion("type", [
  ReserveCommand,
  PurchaseCommand,
  CancelCommand,
  JoinWaitlistCommand,
  LeaveWaitlistCommand,
  EditEventCommand,
  AddSlotCommand,
  EditSlotCommand,
  RemoveSlotCommand,
  SetCapacityCommand,
  CloseSalesCommand,
  OpenSalesCommand,
  CancelEventCommand,
  ExpireDueCommand,
  PromoteCommand,
  WindDownCommand,
]);

export type ReserveCommand = Readonly<z.infer<typeof ReserveCommand>>;
export type PurchaseCommand = Readonly<z.infer<typeof PurchaseCommand>>;
export type CancelCommand = Readonly<z.infer<typeof CancelCommand>>;
export type JoinWaitlistCommand = Readonly<z.infer<typeof JoinWaitlistCommand>>;
export type LeaveWaitlistCommand = Readonly<z.infer<typeof LeaveWaitlistCommand>>;
export type EventEdits = Readonly<z.infer<typeof EventEdits>>;
export type SlotEdits = Readonly<z.infer<typeof SlotEdits>>;
export type EditEventCommand = Readonly<z.infer<typeof EditEventCommand>>;
export type AddSlotCommand = Readonly<z.infer<typeof AddSlotCommand>>;
export type EditSlotCommand = Readonly<z.infer<typeof EditSlotCommand>>;
export type RemoveSlotCommand = Readonly<z.infer<typeof RemoveSlotCommand>>;
export type SetCapacityCommand = Readonly<z.infer<typeof SetCapacityCommand>>;
export type CloseSalesCommand = Readonly<z.infer<typeof CloseSalesCommand>>;
export type OpenSalesCommand = Readonly<z.infer<typeof OpenSalesCommand>>;
export type CancelEventCommand = Readonly<z.infer<typeof CancelEventCommand>>;
export type ExpireDueCommand = Readonly<z.infer<typeof ExpireDueCommand>>;
export type PromoteCommand = Readonly<z.infer<typeof PromoteCommand>>;
export type WindDownCommand = Readonly<z.infer<typeof WindDownCommand>>;
export type Command = Readonly<z.infer<typeof Command>>;
export type CommandType = Command["type"];

/** Commands of an event's organizer, or an admin. */
export type OrganizerCommand =
  | EditEventCommand
  | AddSlotCommand
  | EditSlotCommand
  | RemoveSlotCommand
  | SetCapacityCommand
  | CloseSalesCommand
  | OpenSalesCommand
  | CancelEventCommand;

/** Every type, and who sends it. */
const SENDERS = {
  reserve: "user",
  purchase: "user",
  cancel: "user",
  "join-waitlist": "user",
  "leave-waitlist": "user",
  "edit-event": "organizer",
  "add-slot": "organizer",
  "edit-slot": "organizer",
  "remove-slot": "organizer",
  "set-capacity": "organizer",
  "close-sales": "organizer",
  "open-sales": "organizer",
  "cancel-event": "organizer",
  "expire-due": "system",
  promote: "system",
  "wind-down": "system",
} as const satisfies Record<CommandType, "user" | "organizer" | "system">;

export const COMMAND_TYPES = Object.keys(SENDERS) as CommandType[];

export const isOfOrganizer = (command: AnyCommand): command is OrganizerCommand =>
  isKnown(command) && SENDERS[command.type] === "organizer";

const nobody = { userId: null, idempotencyKey: null, fingerprint: null } as const;

/** A timer's or sweep's word to an event, sent at `at`: end the holds that were due at `dueAt`. */
export const expireDue = (
  id: CommandId,
  eventId: EventId,
  { at, dueAt }: { at: EpochMs; dueAt: EpochMs },
): ExpireDueCommand => ({ id, type: "expire-due", eventId, at, ...nobody, input: { dueAt } });

/** Offer what is free of the slot, from the head of its line or on from where a look was broken off. */
export const promote = (
  id: CommandId,
  { eventId, slotId, from, recheck }: Pick<Promotion, "eventId" | "slotId" | "from" | "recheck">,
  at: EpochMs,
): PromoteCommand => ({
  id,
  type: "promote",
  eventId,
  at,
  ...nobody,
  input: { slotId, from, recheck: [...recheck] },
});

export type Promotion = Extract<FollowUp, { kind: "promote" }>;

/** End the next piece of what nobody can have any more. */
export const windDown = (
  id: CommandId,
  eventId: EventId,
  { at, after }: { at: EpochMs; after: ReservationCursor | null },
): WindDownCommand => ({ id, type: "wind-down", eventId, at, ...nobody, input: { after } });

/**
 * What is left of a command that this version does not know, sent by a newer one: enough to answer it
 * `failed` (`unsupported`) and go on.
 */
export const UnknownCommand = z.object({
  ...base,
  userId: UserId.nullable(),
  idempotencyKey: fromUser.idempotencyKey,
  fingerprint: z.string().nullable(),
  type: z.string().min(1).max(64),
});
export type UnknownCommand = Readonly<z.infer<typeof UnknownCommand>> & { readonly input?: undefined };

export type AnyCommand = Command | UnknownCommand;

export const isKnown = (command: AnyCommand): command is Command => command.input !== undefined;

/** What a running hold needs, and what organizers ask, may wait in a deeper queue than the crowd at the door. */
export const servesRunningHold = (type: CommandType): boolean =>
  type !== "reserve" && type !== "join-waitlist";
