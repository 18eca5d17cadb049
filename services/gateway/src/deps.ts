// What the routes are given. Nothing in this service reaches for anything else.
import type { EpochMs, EventId, UserRole, WebhookEndpointId } from "@holdfast/domain";
import type { Seal } from "@holdfast/runtime/sealed";
import type { AllowedHosts, Resolve } from "@holdfast/webhooks";
import type pg from "pg";
import type { EventReads } from "./event-reads.ts";
import type { Identity } from "./identity.ts";
import type { LongPolls } from "./long-polls.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { Origins } from "./origins.ts";
import type { Places } from "./places.ts";
import type { SignIn } from "./sign-in.ts";
import type { Standing } from "./standing.ts";
import type { Streams } from "./streams.ts";
import type { Commands } from "./submit.ts";
import type { DeliveryEnds } from "./webhook-ends.ts";

export interface WebhookDeps {
  /** Of endpoints' secrets. */
  readonly seal: Seal;
  readonly allowedHosts: AllowedHosts;
  /** Where a name leads. */
  readonly resolve: Resolve;
  /** Asks for a turn of the endpoint: something is to be delivered. */
  readonly signal: (id: WebhookEndpointId, how: { troubled: boolean }) => Promise<void>;
  readonly ends: Pick<DeliveryEnds, "until">;
  readonly places: Pick<Places, "enter">;
}

export interface GatewayDeps {
  readonly pool: pg.Pool;
  readonly commands: Commands;
  /** Milliseconds since 1970, database time. */
  readonly now: () => EpochMs;
  readonly origins: Origins;
  readonly signIn: SignIn;
  readonly reads: EventReads;
  readonly longPolls: LongPolls;
  readonly streams: Pick<Streams, "commands" | "availability">;
  readonly metrics: Pick<GatewayMetrics, "answered" | "requestAnswered" | "watch">;
  /** The role as the database has it now; null when the user is gone or disabled. */
  readonly roleNow: (identity: Identity) => Promise<UserRole | null>;
  /** Asks for a drain of the event: somebody let it go on. */
  readonly activate: (id: EventId) => Promise<void>;
  readonly webhooks: WebhookDeps;
  /** Says to whoever watches the event that something about it has changed, beside its commands. Nothing waits for it. */
  readonly changed: (id: EventId) => void;
  /** What was changed about users counts here at once. */
  readonly standing: Pick<Standing, "userChanged">;
  /** Can the stores be reached? */
  readonly storesAnswer: () => Promise<boolean>;
  /** Aborted when the gateway begins to stop: who waits is answered with what is known. */
  readonly stopping: AbortSignal;
}
