// Who asks: reads the access token of a request. The token says who it was; `Standing` says whether that still counts.
import type { IncomingMessage } from "node:http";
import { isCurrent, type TokenVerifier } from "@holdfast/access-token";
import { hasRole, type SessionId, type UserId, type UserRole } from "@holdfast/domain";
import { timesSent } from "./raw-headers.ts";
import type { Standing } from "./standing.ts";

const BEARER = "bearer ";

export interface Identity {
  readonly userId: UserId;
  readonly role: UserRole;
  readonly sessionId: SessionId | undefined;
}

/** Null: no token at all. `"invalid"`: one that does not count, or more than one. */
export type Claim = Identity | "invalid" | null;

const isIdentity = (claim: Claim): claim is Identity => claim !== null && claim !== "invalid";

export class Identities {
  readonly #verify: TokenVerifier;
  readonly #standing: Standing;

  constructor(verify: TokenVerifier, standing: Standing) {
    this.#verify = verify;
    this.#standing = standing;
  }

  /** Does what was let in once still count, for the role that it took? Null: for any. */
  mayStay(request: IncomingMessage, needed: UserRole | null): boolean {
    const claim = this.of(request);
    return isIdentity(claim) && (needed === null || hasRole(claim.role, needed));
  }

  of(request: IncomingMessage): Claim {
    const given = request.headers.authorization;
    if (given === undefined) return null;
    const token = bearerToken(given);
    if (token === null || timesSent(request.rawHeaders, "authorization") > 1) return "invalid";
    const claims = this.#verify(token); // a check costs less than to remember it
    if (claims === null || !isCurrent(claims, Date.now())) return "invalid";
    const role = this.#standing.roleOf(claims.sub, claims.sid, claims.role);
    return role === null ? "invalid" : { userId: claims.sub, role, sessionId: claims.sid };
  }
}

/** What stands behind "Bearer"; null for another scheme. What it is worth, its signature tells. */
const bearerToken = (given: string): string | null =>
  given.slice(0, BEARER.length).toLowerCase() === BEARER ? given.slice(BEARER.length).trimStart() : null;
