// Who asks: reads the access token of a request. The token says who it was; `Standing` says whether that still counts.
import type { IncomingMessage } from "node:http";
import { isCurrent, type TokenVerifier, type VerifiedToken } from "@holdfast/access-token";
import type { SessionId, UserId, UserRole } from "@holdfast/domain";
import { forgetOldest } from "./bounded.ts";
import { timesSent } from "./raw-headers.ts";
import type { Standing } from "./standing.ts";

/** Access tokens whose check is remembered. */
const TOKENS_REMEMBERED_MAX = 5_000;

export interface Identity {
  readonly userId: UserId;
  readonly role: UserRole;
  readonly sessionId: SessionId | undefined;
}

/** Null: no token at all. `"invalid"`: one that does not count, or more than one. */
export type Claim = Identity | "invalid" | null;

export class Identities {
  readonly #verify: TokenVerifier;
  readonly #standing: Standing;
  readonly #verified = new Map<string, VerifiedToken>();

  constructor(verify: TokenVerifier, standing: Standing) {
    this.#verify = verify;
    this.#standing = standing;
  }

  of(request: IncomingMessage): Claim {
    const given = request.headers.authorization;
    if (given === undefined) return null;
    const token = /^Bearer +([\w.~+/=-]+)$/i.exec(given)?.[1];
    if (token === undefined || timesSent(request.rawHeaders, "authorization") > 1) return "invalid";
    const claims = this.#claims(token);
    if (claims === null || !isCurrent(claims, Date.now())) return "invalid";
    const role = this.#standing.roleOf(claims.sub, claims.sid, claims.role);
    return role === null ? "invalid" : { userId: claims.sub, role, sessionId: claims.sid };
  }

  #claims(token: string): VerifiedToken | null {
    const before = this.#verified.get(token);
    if (before !== undefined) return before;
    const verified = this.#verify(token);
    if (verified === null) return null;
    this.#verified.set(token, verified);
    forgetOldest(this.#verified, TOKENS_REMEMBERED_MAX);
    return verified;
  }
}
