// What the example data says of the past, beside what was announced: the rows that commands left behind.
import type {
  CommandId,
  CommandType,
  EpochMs,
  EventId,
  Outcome,
  Reservation,
  Seen,
  UserId,
  WaitlistEntry,
} from "@holdfast/domain";

/** A command as it ended. */
export interface Ended {
  readonly id: CommandId;
  readonly eventId: EventId;
  /** Its number among the event's outcomes. */
  readonly seq: number;
  readonly type: CommandType;
  readonly userId: UserId | null;
  readonly outcome: Outcome;
  readonly seen: Seen | null;
  readonly submittedAt: EpochMs;
  readonly finishedAt: EpochMs;
}

export interface History {
  readonly reservations: readonly Reservation[];
  readonly entries: readonly WaitlistEntry[];
  readonly ended: readonly Ended[];
}
