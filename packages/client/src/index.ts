// Holdfast for those who call it. Everything that they import is named here.
import type { Schemas } from "./operations.ts";

export { type ClientOptions, createClient, type Holdfast } from "./client.ts";
export type { CommandOptions } from "./commands.ts";
export {
  CommandWithdrawn,
  ConnectionLost,
  HoldfastProblem,
  type NextStep,
  NoAnswer,
  type ProblemCode,
  StillQueued,
  UnexpectedAnswer,
  WebhookRefused,
} from "./errors.ts";
export type { components, paths } from "./generated/api.ts";
export { createSession, type Session, type SessionOptions, type Tokens } from "./session.ts";
export type { Fetch, TokenSource } from "./transport.ts";
export { verifyWebhook, type WebhookCheck, type WebhookHeaders } from "./webhook.ts";
export type { WebhookMessage } from "./webhook-message.ts";

export type Availability = Schemas["Availability"];
export type Command = Schemas["Command"];
export type Event = Schemas["Event"];
export type Problem = Schemas["Problem"];
export type Reservation = Schemas["Reservation"];
export type Slot = Schemas["Slot"];
export type User = Schemas["User"];
export type WaitlistEntry = Schemas["WaitlistEntry"];
