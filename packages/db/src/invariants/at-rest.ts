// What is true when nothing is under way, and nothing went wrong on the way here.
import { ofEvents } from "./examined.ts";

export const AT_REST = {
  "every accepted command has ended, and is gone": `
    SELECT event_id, NULL AS slot_id, format('%s, accepted %s', command_id, accepted_at) AS difference
    FROM accepted_commands WHERE ${ofEvents("event_id")}`,
  "every cancelled event has wound down": `
    SELECT id AS event_id, NULL AS slot_id, format('cancelled %s', cancelled_at) AS difference
    FROM events WHERE winding_down AND ${ofEvents("id")}`,
  "no command failed": `
    SELECT event_id, NULL AS slot_id, format('%s: %s', command_id, outcome) AS difference
    FROM outcomes WHERE status = 'failed' AND ${ofEvents("event_id")}`,
  "the database saw no deadlock": `
    SELECT NULL AS event_id, NULL AS slot_id, format('%s deadlocks', deadlocks) AS difference FROM pg_stat_database
    WHERE datname = current_database() AND deadlocks > 0 AND ($1::text[] IS NULL OR true)`,
} as const satisfies Record<string, string>;
