// The bodies that make and change events and their slots. A change is a JSON merge patch: what is not given stays.
import {
  EVENT_DESCRIPTION_LENGTH_MAX,
  EVENT_NAME_LENGTH_MAX,
  HOLD_SECONDS_DEFAULT,
  HOLD_SECONDS_MAX,
  MAX_PER_ORDER_DEFAULT,
  MAX_PER_USER_DEFAULT,
  OFFER_SECONDS_DEFAULT,
  OFFER_SECONDS_MAX,
  OVERLAP_POLICIES,
  SLOT_CAPACITY_MAX,
  SLOT_NAME_LENGTH_MAX,
  SLOTS_PER_EVENT_MAX,
  VENUE_LENGTH_MAX,
  WAITLIST_CLOSES_BEFORE_SECONDS_MAX,
  WAITLIST_COLLECT_SECONDS_DEFAULT,
  WAITLIST_COLLECT_SECONDS_MAX,
  WAITLIST_ENTRIES_DEFAULT,
  WAITLIST_ENTRIES_MAX,
  WAITLIST_MAX_SKIPS_DEFAULT,
  WAITLIST_MAX_SKIPS_MAX,
  WAITLIST_MODES,
  type WaitlistTerms,
} from "@holdfast/domain";
import { z } from "zod";
import { INTEGER_MAX, TimeIn, text, wholeNumber } from "./fields.ts";

const WAITLIST_DEFAULTS: WaitlistTerms = {
  enabled: true,
  mode: "skip",
  maxSkips: WAITLIST_MAX_SKIPS_DEFAULT,
  collectSeconds: WAITLIST_COLLECT_SECONDS_DEFAULT,
  maxEntries: WAITLIST_ENTRIES_DEFAULT,
  closesBeforeSeconds: 0,
};

const TERMS_DEFAULTS = {
  holdSeconds: HOLD_SECONDS_DEFAULT,
  offerSeconds: OFFER_SECONDS_DEFAULT,
  maxPerOrder: MAX_PER_ORDER_DEFAULT,
  maxPerUser: MAX_PER_USER_DEFAULT,
  overlapPolicy: "refuse",
  cancelCutoffSeconds: 0,
} as const;

const waitlistFields = {
  enabled: z.boolean(),
  mode: z.enum(WAITLIST_MODES),
  maxSkips: wholeNumber(0, WAITLIST_MAX_SKIPS_MAX),
  collectSeconds: wholeNumber(0, WAITLIST_COLLECT_SECONDS_MAX),
  maxEntries: wholeNumber(0, WAITLIST_ENTRIES_MAX),
  closesBeforeSeconds: wholeNumber(0, WAITLIST_CLOSES_BEFORE_SECONDS_MAX),
};

const termsFields = {
  holdSeconds: wholeNumber(1, HOLD_SECONDS_MAX),
  offerSeconds: wholeNumber(1, OFFER_SECONDS_MAX),
  maxPerOrder: wholeNumber(1, SLOT_CAPACITY_MAX),
  maxPerUser: wholeNumber(1, SLOT_CAPACITY_MAX),
  overlapPolicy: z.enum(OVERLAP_POLICIES),
  cancelCutoffSeconds: wholeNumber(0, INTEGER_MAX),
};

const nameField = text(EVENT_NAME_LENGTH_MAX);
const descriptionField = z.string().max(EVENT_DESCRIPTION_LENGTH_MAX);
const venueField = z.string().max(VENUE_LENGTH_MAX);
const slotNameField = text(SLOT_NAME_LENGTH_MAX);

/** How an event's waitlist behaves: what is not given is as the defaults say. */
export const WaitlistPolicyIn = z.strictObject({
  enabled: waitlistFields.enabled.default(WAITLIST_DEFAULTS.enabled),
  mode: waitlistFields.mode.default(WAITLIST_DEFAULTS.mode),
  maxSkips: waitlistFields.maxSkips.default(WAITLIST_DEFAULTS.maxSkips),
  collectSeconds: waitlistFields.collectSeconds.default(WAITLIST_DEFAULTS.collectSeconds),
  maxEntries: waitlistFields.maxEntries.default(WAITLIST_DEFAULTS.maxEntries),
  closesBeforeSeconds: waitlistFields.closesBeforeSeconds.default(WAITLIST_DEFAULTS.closesBeforeSeconds),
});

interface SlotTimes {
  readonly startsAt?: number | undefined;
  readonly endsAt?: number | undefined;
}
const endsLater = ({ startsAt, endsAt }: SlotTimes): boolean =>
  startsAt === undefined || endsAt === undefined || startsAt < endsAt;
const ENDS_LATER = { error: "must be later than startsAt", path: ["endsAt"] };

/** A slot that is made, with its event or later. */
export const SlotBody = z
  .strictObject({
    name: slotNameField.optional(),
    startsAt: TimeIn,
    endsAt: TimeIn,
    capacity: wholeNumber(1, SLOT_CAPACITY_MAX),
  })
  .refine(endsLater, ENDS_LATER)
  .meta({ id: "SlotBody" });
export type SlotBody = z.infer<typeof SlotBody>;

interface SalesTimes {
  readonly salesOpenAt?: number | null | undefined;
  readonly salesCloseAt?: number | null | undefined;
}
const closesLater = ({ salesOpenAt, salesCloseAt }: SalesTimes): boolean =>
  salesOpenAt == null || salesCloseAt == null || salesOpenAt < salesCloseAt;
const CLOSES_LATER = { error: "must be later than salesOpenAt", path: ["salesCloseAt"] };

export const CreateEventBody = z
  .strictObject({
    name: nameField,
    description: descriptionField.optional(),
    venue: venueField.optional(),
    salesOpenAt: TimeIn.optional(),
    salesCloseAt: TimeIn.optional(),
    holdSeconds: termsFields.holdSeconds.default(TERMS_DEFAULTS.holdSeconds),
    offerSeconds: termsFields.offerSeconds.default(TERMS_DEFAULTS.offerSeconds),
    maxPerOrder: termsFields.maxPerOrder.default(TERMS_DEFAULTS.maxPerOrder),
    maxPerUser: termsFields.maxPerUser.default(TERMS_DEFAULTS.maxPerUser),
    overlapPolicy: termsFields.overlapPolicy.default(TERMS_DEFAULTS.overlapPolicy),
    cancelCutoffSeconds: termsFields.cancelCutoffSeconds.default(TERMS_DEFAULTS.cancelCutoffSeconds),
    waitlist: WaitlistPolicyIn.default(WAITLIST_DEFAULTS),
    slots: z.array(SlotBody).min(1).max(SLOTS_PER_EVENT_MAX),
  })
  .refine(closesLater, CLOSES_LATER)
  .meta({ id: "CreateEventBody" });
export type CreateEventBody = z.infer<typeof CreateEventBody>;

/** A field of a merge patch: null puts its default back. */
const cleared = <Field extends z.ZodType>(field: Field, normal: z.output<Field>) =>
  field
    .nullable()
    .transform((given): z.output<Field> => given ?? normal)
    .optional();

const EditWaitlistPolicy = z.strictObject({
  enabled: cleared(waitlistFields.enabled, WAITLIST_DEFAULTS.enabled),
  mode: cleared(waitlistFields.mode, WAITLIST_DEFAULTS.mode),
  maxSkips: cleared(waitlistFields.maxSkips, WAITLIST_DEFAULTS.maxSkips),
  collectSeconds: cleared(waitlistFields.collectSeconds, WAITLIST_DEFAULTS.collectSeconds),
  maxEntries: cleared(waitlistFields.maxEntries, WAITLIST_DEFAULTS.maxEntries),
  closesBeforeSeconds: cleared(waitlistFields.closesBeforeSeconds, WAITLIST_DEFAULTS.closesBeforeSeconds),
});

export const EditEventBody = z
  .strictObject({
    name: nameField.optional(),
    description: descriptionField.nullable().optional(),
    venue: venueField.nullable().optional(),
    salesOpenAt: TimeIn.nullable().optional(),
    salesCloseAt: TimeIn.nullable().optional(),
    holdSeconds: cleared(termsFields.holdSeconds, TERMS_DEFAULTS.holdSeconds),
    offerSeconds: cleared(termsFields.offerSeconds, TERMS_DEFAULTS.offerSeconds),
    maxPerOrder: cleared(termsFields.maxPerOrder, TERMS_DEFAULTS.maxPerOrder),
    maxPerUser: cleared(termsFields.maxPerUser, TERMS_DEFAULTS.maxPerUser),
    overlapPolicy: cleared(termsFields.overlapPolicy, TERMS_DEFAULTS.overlapPolicy),
    cancelCutoffSeconds: cleared(termsFields.cancelCutoffSeconds, TERMS_DEFAULTS.cancelCutoffSeconds),
    waitlist: cleared(EditWaitlistPolicy, WAITLIST_DEFAULTS),
  })
  .refine(closesLater, CLOSES_LATER)
  .meta({ id: "EditEventBody" });
export type EditEventBody = z.infer<typeof EditEventBody>;

export const EditSlotBody = z
  .strictObject({
    name: slotNameField.nullable().optional(),
    startsAt: TimeIn.optional(),
    endsAt: TimeIn.optional(),
    capacity: wholeNumber(0, SLOT_CAPACITY_MAX).optional(),
  })
  .refine(endsLater, ENDS_LATER)
  .meta({ id: "EditSlotBody" });
export type EditSlotBody = z.infer<typeof EditSlotBody>;

export const SetCapacityBody = z
  .strictObject({ capacity: wholeNumber(0, SLOT_CAPACITY_MAX) })
  .meta({ id: "SetCapacityBody" });
export type SetCapacityBody = z.infer<typeof SetCapacityBody>;
