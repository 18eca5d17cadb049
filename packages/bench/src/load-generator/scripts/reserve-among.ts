// Reserves one ticket after another, each for another user, of one event after another. Who is sent away because too
// many wait asks again once everybody else has asked.
import type { EventId, UserId } from "@holdfast/domain";
import type { LoadRequest, LoadScript } from "../script.ts";
import { authorizedByAll } from "./signed.ts";

const HELD = 201;
const ACCEPTED = 202;
const REFUSED = 409;
const QUEUE_FULL = 503;

export interface ReserveAmong {
  readonly secret: string;
  /** How requests are counted: one kind for all. */
  readonly kind: string;
  /** Asked for in turn. */
  readonly eventIds: readonly EventId[];
  /** As many as requests that are taken. */
  readonly userIds: readonly UserId[];
  /** There is not enough for all: it is right that some are refused. */
  readonly oversold?: boolean;
  /** Nobody waits for outcomes, and it is right that the queue is full. */
  readonly overload?: boolean;
}

export function createScript({
  secret,
  kind,
  eventIds,
  userIds,
  oversold = false,
  overload = false,
}: ReserveAmong): LoadScript {
  // A promise is no mistake; that it is no outcome is seen where answers are counted.
  const expects = [HELD, ACCEPTED, ...(oversold ? [REFUSED] : []), ...(overload ? [QUEUE_FULL] : [])];
  const prefer = overload ? "Prefer: respond-async\r\n" : "";
  const requests = authorizedByAll(secret, userIds).map((authorization, user): LoadRequest => {
    const head = `POST /v1/events/${eventIds[user % eventIds.length]}/reserve HTTP/1.1\r\nHost: localhost\r\n`;
    const bytes = Buffer.from(`${head}${authorization}${prefer}Content-Length: 0\r\n\r\n`);
    return { kind, bytes, expects, about: user };
  });
  /** In the order in which they ask: those who were sent away stand behind all others. */
  const line = requests.slice();
  let asked = 0;

  return {
    next() {
      const request = line[asked];
      if (request === undefined) return null;
      asked += 1;
      return request;
    },
    answered(request, status) {
      if (status === QUEUE_FULL) line.push(request);
    },
  };
}
