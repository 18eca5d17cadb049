// What each statement of the invariants takes: $1, the events to look at, null for all.

export const ofEvents = (column: string): string => `($1::text[] IS NULL OR ${column} = ANY ($1::text[]))`;

/** For tables whose indexes know slots and no events. */
export const ofTheirSlots = (column: string): string =>
  `($1::text[] IS NULL OR ${column} = ANY (ARRAY(SELECT id FROM slots WHERE event_id = ANY ($1::text[]))))`;
