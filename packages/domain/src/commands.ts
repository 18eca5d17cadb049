// What may be asked of an event. A command travels through the event's queue and ends in exactly one outcome.
import { z } from "zod";
import { CommandId, EventId, ReservationId, SlotId, UserId } from "./ids.ts";
import { IDEMPOTENCY_KEY_LENGTH_MAX, PAYMENT_REFERENCE_LENGTH_MAX } from "./limits.ts";
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

export const ReserveCommand = z.object({
  ...fromUser,
  type: z.literal("reserve"),
  input: z.object({ slotId: SlotId.nullable(), quantity: z.int().positive() }),
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
  input: z.object({ reservationId: ReservationId, role: z.enum(USER_ROLES) }),
});

/** Sent by timers and sweeps, never by people: ends the holds that were due at the given second. */
export const ExpireDueCommand = z.object({
  ...base,
  type: z.literal("expire-due"),
  userId: z.null(),
  idempotencyKey: z.null(),
  fingerprint: z.null(),
  input: z.object({ dueAt: z.int().nonnegative() }),
});

export const Command = z.discriminatedUnion("type", [
  ReserveCommand,
  PurchaseCommand,
  CancelCommand,
  ExpireDueCommand,
]);

export type ReserveCommand = Readonly<z.infer<typeof ReserveCommand>>;
export type PurchaseCommand = Readonly<z.infer<typeof PurchaseCommand>>;
export type CancelCommand = Readonly<z.infer<typeof CancelCommand>>;
export type ExpireDueCommand = Readonly<z.infer<typeof ExpireDueCommand>>;
export type Command = Readonly<z.infer<typeof Command>>;
export type CommandType = Command["type"];

export const COMMAND_TYPES = ["reserve", "purchase", "cancel", "expire-due"] as const satisfies CommandType[];

/** A timer's or sweep's word to an event, sent at `at`: end the holds that were due at `dueAt`. */
export const expireDue = (
  id: CommandId,
  eventId: EventId,
  { at, dueAt }: { at: EpochMs; dueAt: EpochMs },
): ExpireDueCommand => ({
  id,
  type: "expire-due",
  eventId,
  at,
  userId: null,
  idempotencyKey: null,
  fingerprint: null,
  input: { dueAt },
});

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

/** What a running hold needs may wait in a deeper queue than the crowd at the door. */
export const servesRunningHold = (type: CommandType): boolean => type !== "reserve";
