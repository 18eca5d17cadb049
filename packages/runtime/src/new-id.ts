// Makes ids at random: UUIDv7 bytes in the domain's writing, so that ids sort by the time of their making.
import { encodeId, type IdKind, type IdOf } from "@holdfast/domain";
import { V7Generator } from "uuidv7";

const generator = new V7Generator();

export const newId = <Kind extends IdKind>(kind: Kind): IdOf[Kind] =>
  encodeId(kind, generator.generate().bytes);
