// Which events are busy, as one process sees it: how many commands it has sent to each of late. Forgets by itself.
import type { EventId } from "@holdfast/domain";

/** Milliseconds for which an event's commands count together. They count on in the stretch after. */
export const CROWD_STRETCH_MS = 4_000;

export interface Crowds {
  /** Notes commands that were sent to the event; how many there were in this stretch of time and the one before. */
  note(eventId: EventId, commands: number): number;
}

export function createCrowds(monotonicMs: () => number): Crowds {
  let before = new Map<EventId, number>();
  let now = new Map<EventId, number>();
  let since = monotonicMs();

  function turnPages(): void {
    const passed = monotonicMs() - since;
    if (passed < CROWD_STRETCH_MS) return;
    before = passed < 2 * CROWD_STRETCH_MS ? now : new Map();
    now = new Map();
    since += Math.floor(passed / CROWD_STRETCH_MS) * CROWD_STRETCH_MS;
  }

  return {
    note(eventId, commands) {
      turnPages();
      const count = (now.get(eventId) ?? 0) + commands;
      now.set(eventId, count);
      return count + (before.get(eventId) ?? 0);
    },
  };
}
