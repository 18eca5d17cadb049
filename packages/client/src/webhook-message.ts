// What Holdfast sends to endpoints: told apart by `type`. A server that is newer than this client may send others.
import type { Schemas } from "./operations.ts";

export type WebhookMessage =
  | Schemas["CommandMessage"]
  | Schemas["ReservationMessage"]
  | Schemas["WaitlistMessage"]
  | Schemas["EventMessage"]
  | Schemas["VerificationMessage"]
  | Schemas["TestMessage"]
  | Schemas["EndpointDisabledMessage"];
