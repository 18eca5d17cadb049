// What the notices of a whole history come to, held against the rows: the last word about each is how it stands.
import { isDeepStrictEqual } from "node:util";
import type { WaitlistEntry } from "../src/index.ts";
import type { World } from "./world.ts";

/** Whom a notice is of, of the three kinds that ids tell apart. */
const standing = (entry: WaitlistEntry) => {
  const { status, quantity, seq, offeredAt, endedAt, endReason } = entry;
  return { status, quantity, seq, offeredAt, endedAt, endReason };
};

/** What was told otherwise than it is, or not, or twice; for worlds that began without rows. */
export function untold(world: World): string[] {
  const found: string[] = [];
  const last = new Map<string, unknown>();
  const ended = new Map<string, unknown>();
  for (const notice of world.told) {
    if ("reservation" in notice) {
      const { reservation, type } = notice;
      if (type !== `reservation.${reservation.status}`) found.push(`${type} of a ${reservation.status} one`);
      last.set(reservation.id, reservation);
    } else if ("entry" in notice) {
      const { entry, offer, position, type } = notice;
      if (type !== `waitlist.${entry.status === "waiting" ? "joined" : entry.status}`)
        found.push(`${type} of a ${entry.status} one`);
      if ((offer !== null) !== (entry.status === "offered")) found.push(`${entry.id} tells of a wrong offer`);
      if ((position !== null) !== (entry.status === "waiting")) found.push(`${entry.id} has a wrong place`);
      last.set(entry.id, standing(entry));
    } else if ("command" in notice) {
      const { command, type } = notice;
      if (type !== `command.${command.outcome.status}`) found.push(`${type}: ${command.outcome.status}`);
      if (ended.has(command.id)) found.push(`${command.id} is told twice`);
      ended.set(command.id, command.outcome);
    }
  }
  for (const row of world.reservations.values()) {
    if (!isDeepStrictEqual(last.get(row.id), row)) found.push(`${row.id} is not as it was told`);
  }
  for (const entry of world.entries.values()) {
    if (!isDeepStrictEqual(last.get(entry.id), standing(entry)))
      found.push(`${entry.id} is not as it was told`);
  }
  for (const [id, outcome] of ended) {
    if (!isDeepStrictEqual(world.outcomes.get(id as never), outcome))
      found.push(`${id} did not end as it was told`);
  }
  return found;
}
