// What Holdfast sends to endpoints.
import type { Schemas } from "./operations.ts";

interface About<Type extends string, Data> {
  /** The same on every try: what tells a repeat. */
  id: string;
  type: Type;
  /** When it happened. */
  timestamp: string;
  apiVersion: "1";
  data: Data;
}

interface OfEvent<Resource> {
  eventId: string;
  /** The event's messages in the order in which things happened. A gap is what this endpoint was not told of. */
  sequence: number;
  resource: Resource;
}

export type WebhookMessage =
  | About<`command.${"succeeded" | "rejected" | "failed"}`, OfEvent<Schemas["Command"]>>
  | About<`reservation.${"held" | "purchased" | "cancelled" | "expired"}`, OfEvent<Schemas["Reservation"]>>
  | About<
      `waitlist.${"joined" | "offered" | "fulfilled" | "declined" | "lapsed" | "left" | "closed"}`,
      OfEvent<Schemas["WaitlistEntry"]>
    >
  | About<"event.cancelled", OfEvent<Schemas["Event"]>>
  | About<"endpoint.verification", { challenge: string }>
  | About<"endpoint.test", { endpointId: string }>
  | About<"endpoint.disabled", { endpointId: string; reason: "gone" | "failing" }>;
