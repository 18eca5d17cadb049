// Writes down what became of an endpoint's attempts, those that ended together at once, and what they say of the endpoint
// itself: that it works, fails, has proved itself, is gone. Sends nothing.
import { setTimeout as sleep } from "node:timers/promises";
import type { EndpointNotice } from "@holdfast/contracts";
import {
  activateEndpoint,
  type DeliveryEndpoint,
  disableEndpoint,
  type EndpointToTell,
  insertEndpointMessage,
  inTransaction,
  noteFailing,
  noteWorking,
  otherEndpoints,
  recordAttempts,
} from "@holdfast/db";
import type {
  DeliveryId,
  EpochMs,
  WebhookDisabledReason,
  WebhookEndpointId,
  WebhookMessageId,
} from "@holdfast/domain";
import type { Deliveries } from "@holdfast/event-queue";
import { type Logger, tellTrouble } from "@holdfast/runtime";
import type pg from "pg";
import type { WebhookMetrics } from "./metrics.ts";
import { FAILING_MAX_MS, FAILURES_APART_MAX_MS } from "./schedule.ts";
import type { Sent } from "./send.ts";

/** Milliseconds until it is tried again, when the database does not take it. */
const AGAIN_MS = 500;
/** Deliveries that are due at once when their endpoint has proved itself. */
const BROUGHT_FORWARD_MAX = 1_000;

export interface RecorderDeps {
  readonly pool: pg.Pool;
  readonly deliveries: Pick<Deliveries, "signal">;
  readonly newMessageId: () => WebhookMessageId;
  readonly newDeliveryId: () => DeliveryId;
  readonly metrics: Pick<WebhookMetrics, "gaveUp" | "disabled">;
  readonly log: Logger;
  readonly stopping: AbortSignal;
}

export interface Recorder {
  /** Resolves when it is written down; or when it cannot be before the stop, so that it will be sent once more. */
  record(sent: Sent): Promise<void>;
  /** The endpoint's last attempt failed. */
  readonly failing: boolean;
  /** It has begun to fail, or to work, or is not what it was: the turn is to end. */
  readonly turned: boolean;
  readonly disabled: boolean;
}

type Change =
  | { readonly kind: "verified" | "working" }
  | { readonly kind: "failing"; readonly since: EpochMs; readonly at: EpochMs }
  | { readonly kind: "disabled"; readonly reason: WebhookDisabledReason };

interface Waiting {
  readonly sent: Sent;
  readonly done: () => void;
}

export function createRecorder(
  endpointId: WebhookEndpointId,
  endpoint: DeliveryEndpoint | null,
  { pool, deliveries, newMessageId, newDeliveryId, metrics, log, stopping }: RecorderDeps,
): Recorder {
  const onTrouble = tellTrouble(log, "attempts could not be written down");
  let failing = failuresOf(endpoint);
  let turned = false;
  let disabled = false;
  let waiting: Waiting[] = [];
  let writing = false;

  async function writeAll(): Promise<void> {
    writing = true;
    while (waiting.length > 0) {
      const piece = waiting;
      waiting = [];
      const written = await write(piece.map(({ sent }) => sent)).then(
        () => true,
        (error: unknown) => {
          onTrouble(error);
          return stopping.aborted;
        },
      );
      if (written) {
        for (const { done } of piece) done();
      } else {
        waiting = [...piece, ...waiting];
        await sleep(AGAIN_MS, undefined, { signal: stopping }).catch(() => undefined);
      }
    }
    writing = false;
  }

  async function write(piece: readonly Sent[]): Promise<void> {
    const attempts = piece.map(({ attempt }) => attempt);
    const change = changeBy(piece, failing);
    if (endpoint === null || change === null) {
      await recordAttempts(pool, attempts);
    } else {
      const told = await inTransaction(pool, async (tx) => {
        await recordAttempts(tx, attempts);
        return applyChange(tx, change, endpoint);
      });
      turned ||= change.kind !== "failing" || failing === null;
      if (change.kind === "failing") failing = change;
      if (change.kind === "working" || change.kind === "verified") failing = null;
      for (const { id, troubled } of told) deliveries.signal(id, { troubled }).catch(onTrouble);
    }
    metrics.gaveUp(attempts.filter(({ becomes }) => becomes === "failed").length);
  }

  async function applyChange(
    tx: pg.PoolClient,
    change: Change,
    { url, ownerId }: DeliveryEndpoint,
  ): Promise<EndpointToTell[]> {
    switch (change.kind) {
      case "working":
        await noteWorking(tx, endpointId);
        return [];
      case "verified":
        await activateEndpoint(tx, endpointId, { url, limit: BROUGHT_FORWARD_MAX });
        return [];
      case "failing":
        await noteFailing(tx, endpointId, change);
        return [];
      case "disabled": {
        const { reason } = change;
        if (!(await disableEndpoint(tx, endpointId, { url, reason }))) return [];
        const others = await otherEndpoints(tx, { ownerId, endpointId });
        const notice: EndpointNotice = { type: "endpoint.disabled", endpointId, reason };
        const copies = others.map(({ id }) => ({ id: newDeliveryId(), endpointId: id }));
        if (others.length > 0) {
          await insertEndpointMessage(tx, { id: newMessageId(), notice, deliveries: copies });
        }
        disabled = true;
        metrics.disabled(reason);
        log.warn({ endpointId, reason }, "a webhook endpoint is disabled");
        return others;
      }
    }
  }

  return {
    record: (sent) =>
      new Promise((done) => {
        waiting.push({ sent, done });
        if (!writing) writeAll().catch(onTrouble);
      }),
    get failing() {
      return failing !== null;
    },
    get turned() {
      return turned;
    },
    get disabled() {
      return disabled;
    },
  };
}

/** Since when an endpoint's attempts fail, and when the last one did. */
interface Failures {
  readonly since: EpochMs;
  readonly at: EpochMs;
}

const failuresOf = (endpoint: DeliveryEndpoint | null): Failures | null => {
  const { failingSince: since = null, failedAt: at = null } = endpoint ?? {};
  return since === null || at === null ? null : { since, at };
};

/** What the attempts, in the order in which they ended, say of an endpoint that fails like this; null: nothing new. */
function changeBy(piece: readonly Sent[], failing: Failures | null): Change | null {
  const said = piece.filter(({ verdict }) => verdict.endpoint !== null);
  if (said.some(({ verdict }) => verdict.endpoint === "verified")) return { kind: "verified" };
  if (said.some(({ verdict }) => verdict.endpoint === "gone")) return { kind: "disabled", reason: "gone" };
  const last = said.at(-1);
  if (last === undefined) return null;
  if (last.verdict.endpoint === "working") return failing === null ? null : { kind: "working" };
  const { at } = last.attempt;
  // A failure long after the last one begins anew: what had nothing to be sent for weeks has not failed for weeks.
  const goesOn = failing !== null && at - failing.at <= FAILURES_APART_MAX_MS;
  const since = goesOn ? failing.since : at;
  return at - since >= FAILING_MAX_MS
    ? { kind: "disabled", reason: "failing" }
    : { kind: "failing", since, at };
}
