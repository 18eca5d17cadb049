// Reserves one ticket of one slot after another, each for another user.
import type { EventId, SlotId, UserId } from "@holdfast/domain";
import type { LoadRequest, LoadScript } from "../script.ts";
import { authorizedBy } from "./signed.ts";

const EXPECTS = [201];

export interface ReserveSlot {
  readonly secret: string;
  readonly eventId: EventId;
  readonly slotId: SlotId;
  /** As many as requests. */
  readonly userIds: readonly UserId[];
}

export function createScript({ secret, eventId, slotId, userIds }: ReserveSlot): LoadScript {
  const body = JSON.stringify({ slotId });
  const head = `POST /v1/events/${eventId}/reserve HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
  const requests = userIds.map(
    (userId): LoadRequest => ({
      kind: "reserve",
      bytes: Buffer.from(`${head}${authorizedBy(secret, userId)}\r\n${body}`),
      expects: EXPECTS,
    }),
  );
  let asked = 0;
  return {
    next() {
      const request = requests[asked];
      asked += 1;
      return request ?? null;
    },
  };
}
