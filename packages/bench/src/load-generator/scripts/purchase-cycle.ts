// Reserves, purchases and cancels, over and over: each client of a closed loop is one user, who never runs out of things
// to ask.
import type { EventId, UserId } from "@holdfast/domain";
import type { LoadRequest, LoadScript } from "../script.ts";
import { authorizedBy } from "./signed.ts";

const HELD = [201];
const CHANGED = [200];
const RESERVATION_ID = /"id":"(rsv_\w+)"/;

export interface PurchaseCycle {
  readonly secret: string;
  readonly eventId: EventId;
  /** One for each client. */
  readonly userIds: readonly UserId[];
}

interface Buyer {
  readonly authorization: string;
  readonly reserve: LoadRequest;
  next: LoadRequest;
  reservationId: string | undefined;
}

export function createScript({ secret, eventId, userIds }: PurchaseCycle): LoadScript {
  const post = (kind: string, path: string, authorization: string, about: number): LoadRequest => ({
    kind,
    bytes: Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${authorization}Content-Length: 0\r\n\r\n`,
    ),
    expects: kind === "reserve" ? HELD : CHANGED,
    wantsBody: kind === "reserve",
    about,
  });
  const buyers = userIds.map((userId, client): Buyer => {
    const authorization = authorizedBy(secret, userId);
    const reserve = post("reserve", `/v1/events/${eventId}/reserve`, authorization, client);
    return { authorization, reserve, next: reserve, reservationId: undefined };
  });
  let cycles = 0;

  function afterReserve(buyer: Buyer, client: number, body: string): void {
    const id = RESERVATION_ID.exec(body)?.[1];
    if (id === undefined) return; // its status was odd: that is told as a fault, and the client tries again
    buyer.reservationId = id;
    buyer.next = post("purchase", `/v1/reservations/${id}/purchase`, buyer.authorization, client);
  }

  return {
    next: (client) => buyers[client]?.next ?? null,
    answered({ kind, about = -1 }, _status, body) {
      const buyer = buyers[about];
      if (buyer === undefined) return;
      if (kind === "reserve") return afterReserve(buyer, about, body);
      if (kind === "purchase") {
        buyer.next = post(
          "cancel",
          `/v1/reservations/${buyer.reservationId}/cancel`,
          buyer.authorization,
          about,
        );
        return;
      }
      buyer.next = buyer.reserve;
      cycles += 1;
    },
    summary: () => ({ cycles }),
  };
}
