// Makes ids at random: UUIDv7 bytes in the domain's writing, so that ids sort by the time of their making.
import { randomFillSync } from "node:crypto";
import { encodeId, type IdKind, type IdOf } from "@holdfast/domain";
import { V7Generator } from "uuidv7";

/** Random numbers that are drawn at once: drawing costs more than using. */
const DRAWN_AT_ONCE = 1_024;
const drawn = new Uint32Array(DRAWN_AT_ONCE);
let used = DRAWN_AT_ONCE;

function nextUint32(): number {
  if (used === DRAWN_AT_ONCE) {
    randomFillSync(drawn);
    used = 0;
  }
  const next = drawn[used] ?? 0;
  used += 1;
  return next;
}

const generator = new V7Generator({ nextUint32 });

export const newId = <Kind extends IdKind>(kind: Kind): IdOf[Kind] =>
  encodeId(kind, generator.generate().bytes);
