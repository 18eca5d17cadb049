// One endpoint's turn: claims what is due, sends a few at a time, and lets the endpoint go so that others have theirs. A
// turn that takes long goes on aside: it keeps the endpoint, and gives its slot up.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type DeliveryEndpoint,
  type DueDelivery,
  deliveryEndpoint,
  dueDeliveries,
  giveUpDeliveries,
  hasDueDeliveries,
  putOffDeliveries,
} from "@holdfast/db";
import type { DeliveryId, WebhookEndpointId } from "@holdfast/domain";
import type { DeliveryLease, DeliveryLeases } from "@holdfast/event-queue";
import { type Logger, tellTrouble } from "@holdfast/runtime";
import type { Seal } from "@holdfast/runtime/sealed";
import { createLately } from "./lately.ts";
import type { WebhookMetrics } from "./metrics.ts";
import { createRecorder, type Recorder, type RecorderDeps } from "./record.ts";
import { type SendDeps, sendOne } from "./send.ts";

/** Attempts of one endpoint at once; of one that is slow; of one whose last attempt failed. */
const IN_FLIGHT_MAX = 8;
const IN_FLIGHT_SLOW_MAX = 4;
const IN_FLIGHT_FAILING_MAX = 1;
/** Milliseconds for which a turn takes more on. */
const TURN_MS = 1_000;
/** Attempts in a turn of one whose last attempt failed, and milliseconds for which it rests then. */
const FAILING_TURN_MAX = 8;
const REST_MS = 500;
/** Milliseconds after which a turn gives its slot up, and an attempt shows that its endpoint is slow. */
export const SLOW_MS = 2_000;
/** Milliseconds for which an endpoint counts as slow. */
const SLOW_FOR_MS = 60_000;
/** Milliseconds after which a turn in trouble gives its slot up. */
const TROUBLED_PATIENCE_MS = 250;
/** Turns of one process that go on aside. With more, they keep their slots; those in trouble leave half to others. */
const ASIDE_MAX = 512;
/** Deliveries claimed at once, for each that may be in flight. */
const CLAIMED_AHEAD = 4;
/** Deliveries given up, or put off, at once. */
const SETTLED_MAX = 500;
/** Milliseconds that deliveries wait which cannot be sent now: until their endpoint is verified, or its secret is read. */
export const PUT_OFF_MS = 300_000;

export interface CourierDeps
  extends Omit<SendDeps, "secrets" | "metrics" | "log">,
    Omit<RecorderDeps, "metrics" | "log"> {
  readonly metrics: WebhookMetrics;
  readonly log: Logger;
  readonly leases: Pick<DeliveryLeases, "take">;
  readonly seal: Pick<Seal, "open">;
  /** Instead of `SLOW_MS`, `ASIDE_MAX` and `REST_MS`. */
  readonly slowMs?: number;
  readonly asideMax?: number;
  readonly restMs?: number;
}

export interface Courier {
  /** A turn, as the given queue asks for it. Resolves when the slot is free again. */
  serve(endpointId: WebhookEndpointId, turn: { troubled: boolean }): Promise<void>;
  /** Resolves when no turn goes on aside. */
  idle(): Promise<void>;
}

interface Turn {
  readonly endpointId: WebhookEndpointId;
  readonly lease: DeliveryLease;
  readonly recorder: Recorder;
  /** It ended before it had seen that nothing more is due. */
  cutShort: boolean;
}

export function createCourier(deps: CourierDeps): Courier {
  const { pool, leases, deliveries, seal, metrics, stopping, monotonicMs, log } = deps;
  const { slowMs = SLOW_MS, asideMax = ASIDE_MAX, restMs = REST_MS } = deps;
  const slow = createLately(SLOW_FOR_MS, monotonicMs);
  const resting = createLately(restMs, monotonicMs);
  const aside = new Set<Promise<void>>();
  const onTrouble = tellTrouble(log, "deliveries are in trouble");

  async function serve(endpointId: WebhookEndpointId, { troubled }: { troubled: boolean }): Promise<void> {
    if (resting.has(endpointId)) return; // the sweep finds it
    const endpoint = await deliveryEndpoint(pool, endpointId);
    const failing = endpoint !== null && endpoint.failingSince !== null;
    if (!troubled && (failing || slow.has(endpointId))) {
      await deliveries.signal(endpointId, { troubled: true });
      return;
    }
    const lease = await leases.take(endpointId);
    if (lease === null) return; // whoever has it looks again after letting it go
    const turn: Turn = {
      endpointId,
      lease,
      recorder: createRecorder(endpointId, endpoint, deps),
      cutShort: false,
    };
    const ended = take(turn, endpoint);
    if (await endsWithin(ended, troubled ? Math.min(slowMs, TROUBLED_PATIENCE_MS) : slowMs)) return;
    if (!troubled) slow.note(endpointId);
    if (aside.size >= (troubled ? asideMax / 2 : asideMax)) return ended;
    const going = ended.catch(onTrouble).finally(() => aside.delete(going));
    aside.add(going);
  }

  async function take(turn: Turn, endpoint: DeliveryEndpoint | null): Promise<void> {
    try {
      await work(turn, endpoint);
    } finally {
      await letGo(turn);
    }
  }

  async function work(turn: Turn, endpoint: DeliveryEndpoint | null): Promise<void> {
    if (endpoint === null || endpoint.ownerDisabled) return giveUp(turn, { keepVerification: false });
    switch (endpoint.status) {
      case "active":
        return sendDue(turn, endpoint, { verificationOnly: false });
      case "unverified":
        await putOff(turn);
        return sendDue(turn, endpoint, { verificationOnly: true });
      case "disabled":
        await giveUp(turn, { keepVerification: true });
        return sendDue(turn, endpoint, { verificationOnly: true });
    }
  }

  async function sendDue(
    turn: Turn,
    endpoint: DeliveryEndpoint,
    { verificationOnly }: { verificationOnly: boolean },
  ): Promise<void> {
    const { endpointId, lease, recorder } = turn;
    const secrets = secretsOf(endpoint);
    if (secrets === null) {
      onTrouble(new Error("a secret cannot be read: WEBHOOK_ENCRYPTION_KEY is not what it was sealed with"));
      return putOff(turn);
    }
    const until = monotonicMs() + TURN_MS;
    const most = inFlightMax(endpoint, slow.has(endpointId));
    const inHand = new Map<DeliveryId, Promise<void>>();
    let claimed: DueDelivery[] = [];
    let seenAll = false;
    let left = recorder.failing ? FAILING_TURN_MAX : Number.POSITIVE_INFINITY;
    const goesOn = (): boolean =>
      left > 0 && !stopping.aborted && !lease.lost && !recorder.turned && monotonicMs() < until;

    try {
      while (goesOn()) {
        if (inHand.size >= most) {
          await Promise.race(inHand.values());
          continue;
        }
        if (claimed.length === 0 && !seenAll) {
          const limit = most * CLAIMED_AHEAD;
          const claim = { inHand: [...inHand.keys()], verificationOnly, limit };
          claimed = await dueDeliveries(pool, endpointId, claim);
          seenAll = claimed.length < limit;
        }
        const next = claimed.shift();
        if (next === undefined) break;
        left -= 1;
        const sending = send(next).finally(() => inHand.delete(next.id));
        inHand.set(next.id, sending);
      }
    } finally {
      turn.cutShort ||= !seenAll || claimed.length > 0;
      await Promise.all(inHand.values());
    }
    if (recorder.disabled) await giveUp(turn, { keepVerification: true });

    async function send(delivery: DueDelivery): Promise<void> {
      const sent = await sendOne(delivery, { ...deps, url: endpoint.url, secrets: secrets ?? [] });
      if (sent === null) return;
      if (sent.attempt.durationMs >= slowMs) slow.note(endpointId);
      else slow.forget(endpointId);
      await recorder.record(sent);
    }
  }

  async function giveUp({ endpointId, ...turn }: Turn, how: { keepVerification: boolean }): Promise<void> {
    let count = SETTLED_MAX;
    while (count === SETTLED_MAX && !stopping.aborted && !turn.lease.lost) {
      count = await giveUpDeliveries(pool, endpointId, { ...how, limit: SETTLED_MAX });
      metrics.gaveUp(count);
    }
  }

  async function putOff(turn: Turn): Promise<void> {
    const count = await putOffDeliveries(pool, turn.endpointId, { waitMs: PUT_OFF_MS, limit: SETTLED_MAX });
    turn.cutShort ||= count === SETTLED_MAX;
  }

  /**
   * The two secrets with which the endpoint's messages are signed, or its one. Null when that cannot be read; one before
   * it that cannot was sealed with a lost key, and rotated for that reason.
   */
  function secretsOf({ secret, previousSecret }: DeliveryEndpoint): string[] | null {
    const [opened, previous] = [secret, previousSecret].map((one) => (one === null ? null : seal.open(one)));
    if (opened == null) return null;
    return previous == null ? [opened] : [opened, previous];
  }

  /** First lets go, then looks: who was refused the endpoint meanwhile had written before, and is seen. */
  async function letGo({ endpointId, lease, recorder, cutShort }: Turn): Promise<void> {
    const asked = await lease.release().catch((error: unknown) => {
      onTrouble(error); // it ends by itself
      return true;
    });
    if (recorder.failing) {
      resting.note(endpointId); // or failing at once, again and again, would keep everybody busy
      return;
    }
    if (!(asked || cutShort || recorder.turned) || !(await hasDueDeliveries(pool, endpointId))) return;
    await deliveries.signal(endpointId, { troubled: slow.has(endpointId) });
  }

  return {
    serve,
    async idle() {
      while (aside.size > 0) await Promise.all(aside);
    },
  };
}

function inFlightMax({ failingSince }: DeliveryEndpoint, slow: boolean): number {
  if (failingSince !== null) return IN_FLIGHT_FAILING_MAX;
  return slow ? IN_FLIGHT_SLOW_MAX : IN_FLIGHT_MAX;
}

async function endsWithin(ending: Promise<void>, ms: number): Promise<boolean> {
  const over = new AbortController();
  const late = sleep(ms, false, { signal: over.signal }).catch(() => false);
  return Promise.race([ending.then(() => true), late]).finally(() => over.abort());
}
