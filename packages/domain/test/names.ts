// Ids out of names, so that tests can speak of ann and of slot A. Not how the product makes its ids.
import { createHash } from "node:crypto";
import { encodeId, type IdKind, type IdOf } from "../src/index.ts";

/** The same name is always the same id. */
export const idOf = <Kind extends IdKind>(kind: Kind, name: string): IdOf[Kind] =>
  encodeId(kind, createHash("sha256").update(`${kind} ${name}`).digest().subarray(0, 16));
