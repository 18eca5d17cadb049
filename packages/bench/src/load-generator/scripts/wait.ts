// People join a waitlist, ask for a place in it, and leave it again, in turn: the line stays as long as it was.
import type { SlotId, UserId, WaitlistEntryId } from "@holdfast/domain";
import type { LoadRequest, LoadScript } from "../script.ts";
import { authorizedBy, authorizedByAll } from "./signed.ts";

const JOINED = [201];
const FOUND = [200];
const ENTRY_ID = /"id":"(wle_\w+)"/;

export interface Wait {
  readonly secret: string;
  readonly slotId: SlotId;
  /** As many as joins. */
  readonly joinerIds: readonly UserId[];
  /** Here and there in the line: they ask for their places again and again. */
  readonly waiters: readonly { readonly userId: UserId; readonly entryId: WaitlistEntryId }[];
}

export function createScript({ secret, slotId, joinerIds, waiters }: Wait): LoadScript {
  const authorizations = authorizedByAll(secret, joinerIds);
  const places = waiters.map(
    ({ userId, entryId }): LoadRequest => ({
      kind: "position",
      bytes: Buffer.from(
        `GET /v1/waitlist/${entryId} HTTP/1.1\r\nHost: localhost\r\n${authorizedBy(secret, userId)}\r\n`,
      ),
      expects: FOUND,
    }),
  );
  const leaves: LoadRequest[] = [];
  let asked = 0;
  let joined = 0;
  let placed = 0;
  let left = 0;

  function join(): LoadRequest | null {
    const authorization = authorizations[joined];
    if (authorization === undefined) return null;
    const head = `POST /v1/slots/${slotId}/waitlist HTTP/1.1\r\nHost: localhost\r\n${authorization}`;
    const bytes = Buffer.from(`${head}Content-Length: 0\r\n\r\n`);
    joined += 1;
    return { kind: "join", bytes, expects: JOINED, wantsBody: true, about: joined - 1 };
  }
  function position(): LoadRequest | null {
    const request = places[placed % places.length];
    placed += 1;
    return request ?? null;
  }
  function leave(): LoadRequest | null {
    const request = leaves[left];
    if (request === undefined) return position(); // nobody has joined yet
    left += 1;
    return request;
  }
  const deeds = [join, position, leave];

  return {
    next() {
      const deed = deeds[asked % deeds.length] ?? join;
      asked += 1;
      return deed();
    },
    answered({ kind, about = -1 }, _status, body) {
      if (kind !== "join") return;
      const entryId = ENTRY_ID.exec(body)?.[1];
      if (entryId === undefined) return; // its status was odd: that is told as a fault
      const head = `DELETE /v1/waitlist/${entryId} HTTP/1.1\r\nHost: localhost\r\n${authorizations[about]}`;
      leaves.push({ kind: "leave", bytes: Buffer.from(`${head}Content-Length: 0\r\n\r\n`), expects: FOUND });
    },
  };
}
