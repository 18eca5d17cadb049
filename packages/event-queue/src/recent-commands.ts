// How many commands of each event a process has seen of late: who is hot, though a queue may be empty.
import type { EventId } from "@holdfast/domain";

/** Milliseconds for which an event's commands count together. They count on in the stretch after. */
export const RECENT_STRETCH_MS = 4_000;

export interface RecentCommands {
  /** How many there were of the event in this stretch of time and the one before, with these. */
  note(eventId: EventId, commands: number): number;
}

/** Of events without commands in two stretches nothing is kept, from the next call on. */
export function createRecentCommands(monotonicMs: () => number): RecentCommands {
  let before = new Map<EventId, number>();
  let now = new Map<EventId, number>();
  let since = monotonicMs();

  function turnPages(): void {
    const passed = monotonicMs() - since;
    if (passed < RECENT_STRETCH_MS) return;
    before = passed < 2 * RECENT_STRETCH_MS ? now : new Map();
    now = new Map();
    since += Math.floor(passed / RECENT_STRETCH_MS) * RECENT_STRETCH_MS;
  }

  return {
    note(eventId, commands) {
      turnPages();
      const count = (now.get(eventId) ?? 0) + commands;
      if (count > 0) now.set(eventId, count);
      return count + (before.get(eventId) ?? 0);
    },
  };
}
