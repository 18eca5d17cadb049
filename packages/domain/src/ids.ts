// The names of things: a prefix for people, a brand for the compiler, 128 bits in base 32 (TypeID form).
// Nothing here makes an id at random; whoever has a source of randomness passes its bytes to `encodeId`.
import { z } from "zod";

export const ID_PREFIXES = {
  user: "usr",
  session: "ses",
  event: "evt",
  slot: "slt",
  reservation: "rsv",
  waitlistEntry: "wle",
  command: "cmd",
  webhookEndpoint: "whk",
  webhookMessage: "msg",
  delivery: "dlv",
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Length of the part behind the underscore: 26 characters carry 130 bits, of which 128 are used. */
export const ID_SUFFIX_LENGTH = 26;
const SUFFIX = `[0-7][0-9a-hjkmnp-tv-z]{${ID_SUFFIX_LENGTH - 1}}`;

const idSchema = <Brand extends string>(prefix: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_${SUFFIX}$`), `must be an id of the form ${prefix}_…`)
    .brand<Brand>();

export const UserId = idSchema<"UserId">(ID_PREFIXES.user);
export const SessionId = idSchema<"SessionId">(ID_PREFIXES.session);
export const EventId = idSchema<"EventId">(ID_PREFIXES.event);
export const SlotId = idSchema<"SlotId">(ID_PREFIXES.slot);
export const ReservationId = idSchema<"ReservationId">(ID_PREFIXES.reservation);
export const WaitlistEntryId = idSchema<"WaitlistEntryId">(ID_PREFIXES.waitlistEntry);
export const CommandId = idSchema<"CommandId">(ID_PREFIXES.command);
export const WebhookEndpointId = idSchema<"WebhookEndpointId">(ID_PREFIXES.webhookEndpoint);
export const WebhookMessageId = idSchema<"WebhookMessageId">(ID_PREFIXES.webhookMessage);
export const DeliveryId = idSchema<"DeliveryId">(ID_PREFIXES.delivery);

export type UserId = z.infer<typeof UserId>;
export type SessionId = z.infer<typeof SessionId>;
export type EventId = z.infer<typeof EventId>;
export type SlotId = z.infer<typeof SlotId>;
export type ReservationId = z.infer<typeof ReservationId>;
export type WaitlistEntryId = z.infer<typeof WaitlistEntryId>;
export type CommandId = z.infer<typeof CommandId>;
export type WebhookEndpointId = z.infer<typeof WebhookEndpointId>;
export type WebhookMessageId = z.infer<typeof WebhookMessageId>;
export type DeliveryId = z.infer<typeof DeliveryId>;

export interface IdOf {
  user: UserId;
  session: SessionId;
  event: EventId;
  slot: SlotId;
  reservation: ReservationId;
  waitlistEntry: WaitlistEntryId;
  command: CommandId;
  webhookEndpoint: WebhookEndpointId;
  webhookMessage: WebhookMessageId;
  delivery: DeliveryId;
}

/**
 * Writes 16 bytes as an id of the given kind. The first bytes are the most significant: UUIDv7 bytes sort by time.
 * Made of character codes in one go: added up letter by letter, V8 keeps it as a chain of 26 strings.
 */
export function encodeId<Kind extends IdKind>(kind: Kind, bytes: Uint8Array): IdOf[Kind] {
  if (bytes.length !== 16) throw new RangeError(`an id takes 16 bytes, not ${bytes.length}`);
  const codes: number[] = [];
  let carried = 0;
  let carriedBits = 2; // 130 − 128: the first character carries only three bits of value
  for (const byte of bytes) {
    carried = (carried << 8) | byte;
    carriedBits += 8;
    while (carriedBits >= 5) {
      carriedBits -= 5;
      codes.push(ALPHABET.charCodeAt((carried >>> carriedBits) & 31));
    }
    carried &= (1 << carriedBits) - 1;
  }
  return `${ID_PREFIXES[kind]}_${String.fromCharCode(...codes)}` as IdOf[Kind];
}

/** The same bits under another prefix. */
const renamed = <Kind extends IdKind>(id: string, kind: Kind): IdOf[Kind] =>
  `${ID_PREFIXES[kind]}${id.slice(id.indexOf("_"))}` as IdOf[Kind];

/**
 * What a command makes bears the command's own bits, so that `decide` needs no randomness and a command applied
 * again names the same thing. The offer that a waitlist entry gets bears the entry's.
 */
export const reservationIdOf = (command: CommandId): ReservationId => renamed(command, "reservation");
export const waitlistEntryIdOf = (command: CommandId): WaitlistEntryId => renamed(command, "waitlistEntry");
export const slotIdOf = (command: CommandId): SlotId => renamed(command, "slot");
export const offerIdOf = (entry: WaitlistEntryId): ReservationId => renamed(entry, "reservation");
/** Only of a reservation whose origin is the waitlist. */
export const entryIdOfOffer = (offer: ReservationId): WaitlistEntryId => renamed(offer, "waitlistEntry");
