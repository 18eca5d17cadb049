// One endpoint's turn: claims what is due, sends a few at a time, and lets the endpoint go so that others have theirs. A
// turn that waits for somebody else's server goes on aside: it keeps the endpoint, and gives its slot up.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type DeliveryEndpoint,
  type DueDelivery,
  deliveryEndpoint,
  dueDeliveries,
  giveUpDeliveries,
  hasDueDeliveries,
  putOffDeliveries,
  withholdDeliveries,
} from "@holdfast/db";
import type { DeliveryId, WebhookEndpointId } from "@holdfast/domain";
import type { DeliveryLease, DeliveryLeases } from "@holdfast/event-queue";
import { type Logger, tellTrouble } from "@holdfast/runtime";
import type { Seal } from "@holdfast/runtime/sealed";
import { createAside } from "./aside.ts";
import type { WebhookMetrics } from "./metrics.ts";
import { createRecorder, type RecorderDeps } from "./record.ts";
import { JITTER } from "./schedule.ts";
import { type SendDeps, sendOne } from "./send.ts";
import { createSlowness } from "./slowness.ts";

/** Attempts of one endpoint at once; of one that is slow; of one whose last attempt failed. */
const IN_FLIGHT_MAX = 8;
const IN_FLIGHT_SLOW_MAX = 4;
const IN_FLIGHT_FAILING_MAX = 1;
/** Attempts at once of a turn in which nothing was answered yet: what hangs is to cost few connections. */
const IN_FLIGHT_UNANSWERED_MAX = 2;
/** Milliseconds for which a turn takes more on. */
const TURN_MS = 1_000;
/** Attempts in a turn of one whose last attempt failed. */
const FAILING_TURN_MAX = 8;
/** Milliseconds for which such a one rests then: a part of how long it has failed, at least and at most so much. */
const REST_MS = 500;
const REST_MAX_MS = 60_000;
const REST_PART = 1 / 20;
/** Milliseconds after which an attempt shows that its endpoint is slow. */
export const SLOW_MS = 2_000;
/** Milliseconds of sending after which a turn gives its slot up; one in trouble. */
const PATIENCE_MS = 50;
const PATIENCE_TROUBLED_MS = 25;
/** Attempts of one process at once with which turns still go aside; of those in trouble. With more, they keep their slots. */
const ASIDE_MAX = 4_000;
const ASIDE_TROUBLED_MAX = 2_000;
/** Of those in trouble, attempts with which one that has failed for long rests once more: room for who just began to. */
const ASIDE_LONG_FAILING_MAX = 1_000;
/** Milliseconds of failing that are long. */
const LONG_FAILING_MS = 60_000;
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
  /** Instead of `SLOW_MS`; instead of both `PATIENCE_…MS`, all `ASIDE_…MAX`, and all that says how long to rest. */
  readonly slowMs?: number;
  readonly patienceMs?: number;
  readonly asideMax?: number;
  readonly restMs?: number | undefined;
}

export interface Courier {
  /** A turn, as the given queue asks for it. Resolves when the slot is free again. */
  serve(endpointId: WebhookEndpointId, turn: { troubled: boolean }): Promise<void>;
  /** Resolves when no turn goes on aside. */
  idle(): Promise<void>;
}

interface Turn {
  readonly endpointId: WebhookEndpointId;
  /** The queue that told of it. */
  readonly troubled: boolean;
  readonly lease: DeliveryLease;
  /** Called when it begins to send. */
  readonly onSending: () => void;
  /** It ended before it had seen that nothing more is due. */
  cutShort: boolean;
  /** Its endpoint is in trouble, and gets its turn by the other queue. */
  passedOn: boolean;
  /** Its endpoint's last attempt failed, or it was left to rest: what is due is left to the sweep. */
  rests: boolean;
  /** Milliseconds for which it is to rest; null: as it was. */
  restMs: number | null;
}

export function createCourier(deps: CourierDeps): Courier {
  const { pool, leases, deliveries, seal, metrics, stopping, now, monotonicMs, random, log } = deps;
  const { slowMs = SLOW_MS, patienceMs, asideMax, restMs } = deps;
  const slowness = createSlowness(monotonicMs);
  const onTrouble = tellTrouble(log, "deliveries are in trouble");
  const calmOnes = createAside(asideMax ?? ASIDE_MAX, onTrouble);
  const troubledOnes = createAside(asideMax ?? ASIDE_TROUBLED_MAX, onTrouble);
  const asideOf = ({ troubled }: { troubled: boolean }) => (troubled ? troubledOnes : calmOnes);

  async function serve(endpointId: WebhookEndpointId, { troubled }: { troubled: boolean }): Promise<void> {
    const lease = await leases.take(endpointId);
    if (lease === null) return; // whoever has it looks again after letting it go
    const sending = Promise.withResolvers<void>();
    const ended = take({
      endpointId,
      troubled,
      lease,
      onSending: sending.resolve,
      cutShort: false,
      passedOn: false,
      rests: lease.resting,
      restMs: null,
    });
    await Promise.race([sending.promise, ended]);
    if (await endsWithin(ended, patienceMs ?? (troubled ? PATIENCE_TROUBLED_MS : PATIENCE_MS))) return;
    await asideOf({ troubled }).admit(ended);
  }

  async function take(turn: Turn): Promise<void> {
    const { endpointId, troubled, lease } = turn;
    try {
      if (lease.resting && !(await isAskedItself(endpointId))) return;
      const endpoint = await deliveryEndpoint(pool, endpointId);
      turn.passedOn = !troubled && (slowness.has(endpointId) || (endpoint?.failingSince ?? null) !== null);
      if (turn.passedOn) return;
      if (endpoint !== null && (await makesRoom(turn, endpoint))) {
        turn.rests = true;
        turn.restMs = restOf(endpoint);
        return;
      }
      await work(turn, endpoint);
    } finally {
      await letGo(turn);
    }
  }

  async function makesRoom({ endpointId, troubled }: Turn, endpoint: DeliveryEndpoint): Promise<boolean> {
    const { status, failingSince } = endpoint;
    const long = status === "active" && failingSince !== null && now() - failingSince >= LONG_FAILING_MS;
    if (!troubled || !long || troubledOnes.attempts < (asideMax ?? ASIDE_LONG_FAILING_MAX)) return false;
    return !(await isAskedItself(endpointId));
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
    const { endpointId, lease, troubled } = turn;
    const secrets = secretsOf(endpoint);
    if (secrets === null) {
      onTrouble(new Error("a secret cannot be read: WEBHOOK_ENCRYPTION_KEY is not what it was sealed with"));
      await putOff(turn);
      return giveUpVerifications(turn);
    }
    const recorder = createRecorder(endpointId, endpoint, deps);
    const until = monotonicMs() + TURN_MS;
    const most = inFlightMax(endpoint, slowness.has(endpointId));
    let answered = false;
    const inHand = new Map<DeliveryId, Promise<void>>();
    let claimed: DueDelivery[] = [];
    let seenAll = false;
    let left = recorder.failing ? FAILING_TURN_MAX : Number.POSITIVE_INFINITY;
    const goesOn = (): boolean =>
      left > 0 && !stopping.aborted && !lease.lost && !recorder.turned && monotonicMs() < until;

    try {
      while (goesOn()) {
        if (inHand.size >= (answered ? most : Math.min(most, IN_FLIGHT_UNANSWERED_MAX))) {
          await Promise.race(inHand.values());
          continue;
        }
        if (claimed.length === 0 && !seenAll) {
          const limit = most * CLAIMED_AHEAD;
          const claim = { inHand: [...inHand.keys()], verificationOnly, limit };
          const due = await dueDeliveries(pool, endpointId, claim);
          seenAll = due.length < limit;
          claimed = due.filter(({ mayBeTold }) => mayBeTold);
          await withhold(due.filter(({ mayBeTold }) => !mayBeTold));
          if (claimed.length === 0) continue;
        }
        const next = claimed.shift();
        if (next === undefined) break;
        left -= 1;
        const sending = asideOf({ troubled }).count(send(next));
        inHand.set(
          next.id,
          sending.finally(() => inHand.delete(next.id)),
        );
        turn.onSending();
      }
    } finally {
      turn.cutShort ||= !seenAll || claimed.length > 0;
      await Promise.all(inHand.values());
    }
    if (recorder.disabled) await giveUp(turn, { keepVerification: true });
    turn.cutShort ||= recorder.turned;
    turn.rests = recorder.failing && endpoint.status === "active" && !recorder.disabled;
    turn.restMs = turn.rests ? restOf(endpoint) : 0;

    async function send(delivery: DueDelivery): Promise<void> {
      const late = setTimeout(() => slowness.slow(endpointId), slowMs);
      const sent = await sendOne(delivery, { ...deps, url: endpoint.url, secrets: secrets ?? [] }).finally(
        () => clearTimeout(late),
      );
      if (sent === null) return;
      answered ||= sent.attempt.status !== null;
      if (sent.attempt.durationMs < slowMs) slowness.quick(endpointId);
      else slowness.slow(endpointId);
      await recorder.record(sent);
    }
  }

  function restOf({ failingSince }: DeliveryEndpoint): number {
    if (restMs !== undefined) return restMs;
    const failing = failingSince === null ? 0 : now() - failingSince;
    const rest = Math.min(Math.max(failing * REST_PART, REST_MS), REST_MAX_MS);
    return Math.ceil(rest * (1 + JITTER * random()));
  }

  /** What its owner may not be told of any more. */
  async function withhold(due: readonly DueDelivery[]): Promise<void> {
    if (due.length === 0) return;
    await withholdDeliveries(
      pool,
      due.map(({ id }) => id),
    );
    metrics.gaveUp(due.length);
  }

  /** Or whoever asked for them would wait, and each sweep would find them. */
  async function giveUpVerifications({ endpointId }: Turn): Promise<void> {
    const claim = { inHand: [], verificationOnly: true, limit: SETTLED_MAX };
    await withhold(await dueDeliveries(pool, endpointId, claim));
  }

  /** A test or a verification comes before all else, and through every rest. */
  async function isAskedItself(endpointId: WebhookEndpointId): Promise<boolean> {
    const [first] = await dueDeliveries(pool, endpointId, { inHand: [], verificationOnly: false, limit: 1 });
    return first !== undefined && first.eventId === null;
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

  /**
   * First lets go, then looks: who was refused the endpoint meanwhile had written before, and is seen. While it rests only
   * what it is asked itself counts, or failing at once, again and again, would keep everybody busy.
   */
  async function letGo(turn: Turn): Promise<void> {
    const { endpointId, lease, passedOn, rests } = turn;
    const asked = await lease.release(turn.restMs ?? undefined).catch((error: unknown) => {
      onTrouble(error); // it ends by itself
      return true;
    });
    if (passedOn) return deliveries.signal(endpointId, { troubled: true });
    if (!asked && !turn.cutShort) return;
    const more = await (rests ? isAskedItself(endpointId) : hasDueDeliveries(pool, endpointId));
    if (more) await deliveries.signal(endpointId, { troubled: rests || slowness.has(endpointId) });
  }

  return {
    serve,
    async idle() {
      await Promise.all([calmOnes.idle(), troubledOnes.idle()]);
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
