// Reserves of one event, each for another user, and between each two of them so many reads of events: detail and
// availability in turn. A part of the reads names the tag that was told last, as who looks again does.
import type { EventId, UserId } from "@holdfast/domain";
import type { LoadRequest, LoadScript } from "../script.ts";
import { authorizedBy } from "./signed.ts";

const HELD = [201];
const READ = [200];
const READ_AGAIN = [200, 304];
const CHANGED = 200;

export interface ReserveAndRead {
  readonly secret: string;
  /** What is sold; nothing is when there is nobody. */
  readonly saleId: EventId;
  readonly userIds: readonly UserId[];
  /** Looked at in turn. */
  readonly readIds: readonly EventId[];
  /** Between two reserves. */
  readonly reads: number;
  /** Of so many reads one bears no tag. 1: none does. */
  readonly untaggedOf: number;
}

export function createScript({
  secret,
  saleId,
  userIds,
  readIds,
  reads,
  untaggedOf,
}: ReserveAndRead): LoadScript {
  const reserves = userIds.map((userId): LoadRequest => {
    const head = `POST /v1/events/${saleId}/reserve HTTP/1.1\r\nHost: localhost\r\n`;
    const bytes = Buffer.from(`${head}${authorizedBy(secret, userId)}Content-Length: 0\r\n\r\n`);
    return { kind: "reserve", bytes, expects: HELD };
  });
  const read = (path: string, kind: string): LoadRequest => ({
    kind,
    bytes: Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    expects: READ,
  });
  const looks = readIds.flatMap((id) => [
    read(`/v1/events/${id}`, "event"),
    read(`/v1/events/${id}/availability`, "availability"),
  ]);
  /** The same with the newest tag; of one event only. */
  const again = looks.map(({ kind }): LoadRequest => ({ kind, bytes: Buffer.alloc(0), expects: READ_AGAIN }));
  let tag: string | null = null;
  let asked = 0;
  let reserved = 0;

  function retag(newest: string): void {
    tag = newest;
    looks.forEach(({ bytes, kind }, i) => {
      const head = bytes.subarray(0, -"\r\n".length);
      again[i] = {
        kind,
        bytes: Buffer.concat([head, Buffer.from(`If-None-Match: ${newest}\r\n\r\n`)]),
        expects: READ_AGAIN,
      };
    });
  }

  return {
    next() {
      const turn = asked;
      asked += 1;
      if (userIds.length > 0 && turn % (reads + 1) === 0) {
        reserved += 1;
        return reserves[reserved - 1] ?? null;
      }
      const look = (turn - reserved) % looks.length;
      const isTagged = tag !== null && untaggedOf > 1 && Math.floor(turn / looks.length) % untaggedOf !== 0;
      return (isTagged ? again[look] : looks[look]) ?? null;
    },
    answered({ kind }, status, _body, header) {
      if (untaggedOf === 1 || kind === "reserve" || status !== CHANGED) return;
      const newest = header("etag");
      if (newest !== null && newest !== tag) retag(newest);
    },
  };
}
