// What a batch asks of others once it is committed: timers for its holds, looks at waiters, the next piece of an ending,
// deliveries of its messages.
// Hints, all of them: nothing waits for them, and what gets lost here is found by the sweep.
import {
  type CommandId,
  type EpochMs,
  type EventId,
  expireDue,
  type FollowUp,
  type Promotion,
  windDown,
} from "@holdfast/domain";
import type { Deadlines, Deliveries, Producer, Promotions, UnderWay } from "@holdfast/event-queue";
import type { Notified } from "./messages.ts";

export interface FollowUpDeps {
  readonly deadlines: Pick<Deadlines, "schedule">;
  readonly promotions: Pick<Promotions, "schedule">;
  readonly deliveries: Pick<Deliveries, "signal">;
  readonly underWay: Pick<UnderWay, "note">;
  readonly producer: Pick<Producer, "enqueue">;
  /** Database time. */
  readonly now: () => EpochMs;
  readonly newCommandId: () => CommandId;
  readonly onError: (error: unknown) => void;
}

/** What a batch of the event asks, as of its transaction's time. */
export interface Asked {
  readonly followUps: readonly FollowUp[];
  /** Of the holds that it made. */
  readonly deadlines: readonly EpochMs[];
  /** Endpoints that are to be told of something. */
  readonly notified: readonly Notified[];
  readonly now: EpochMs;
}

type WindDown = Extract<FollowUp, { kind: "wind-down" }>;

export function createFollowUp({
  deadlines,
  promotions,
  deliveries,
  underWay,
  producer,
  now: clock,
  newCommandId,
  onError,
}: FollowUpDeps) {
  const expire = (eventId: EventId, dueAt: EpochMs) =>
    producer.enqueue(expireDue(newCommandId(), eventId, { at: clock(), dueAt }));

  function look(promotion: Promotion, now: EpochMs): void {
    // It goes on: another look from the line's head would only begin it anew.
    if (promotion.from !== null) underWay.note(promotion.slotId).catch(onError);
    promotions.schedule(promotion, now).catch(onError);
  }

  function goOnEnding({ eventId, after }: WindDown): void {
    underWay.note(eventId).catch(onError);
    producer.enqueue(windDown(newCommandId(), eventId, { at: clock(), after })).catch(onError);
  }

  return (eventId: EventId, asked: Asked): void => {
    for (const expiresAt of new Set(asked.deadlines)) {
      deadlines.schedule(eventId, expiresAt, asked.now).catch(onError);
    }
    for (const { endpointId, troubled } of asked.notified) {
      deliveries.signal(endpointId, { troubled }).catch(onError);
    }
    const elsewhere = new Map<EventId, EpochMs>();
    const endings = new Map<string, WindDown>();
    for (const ask of asked.followUps) {
      switch (ask.kind) {
        case "expire-elsewhere":
          elsewhere.set(ask.eventId, Math.max(ask.dueAt, elsewhere.get(ask.eventId) ?? 0));
          break;
        case "promote":
          look(ask, asked.now);
          break;
        case "wind-down":
          endings.set(ask.after?.id ?? "", ask); // several commands may ask for the same piece
          break;
      }
    }
    for (const [other, dueAt] of elsewhere) expire(other, dueAt).catch(onError);
    for (const ending of endings.values()) goOnEnding(ending);
  };
}
