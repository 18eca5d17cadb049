// Who asks: reads the access token of a request. The token says who it was; `Standing` says whether that still counts.
import type { IncomingMessage } from "node:http";
import { TokenClaims } from "@holdfast/access-token";
import type { SessionId, UserId, UserRole } from "@holdfast/domain";
import { timesSent } from "./raw-headers.ts";
import type { Standing } from "./standing.ts";

export interface Identity {
  readonly userId: UserId;
  readonly role: UserRole;
  readonly sessionId: SessionId | undefined;
}

/** Null: no token at all. `"invalid"`: one that does not count, or more than one. */
export type Claim = Identity | "invalid" | null;

export interface TokenVerifier {
  /** Returns the claims, the same object for the same token; throws for a token that is not ours or not valid now. */
  verify(token: string): object;
}

export class Identities {
  readonly #verifier: TokenVerifier;
  readonly #standing: Standing;
  readonly #read = new WeakMap<object, TokenClaims | null>();

  constructor(verifier: TokenVerifier, standing: Standing) {
    this.#verifier = verifier;
    this.#standing = standing;
  }

  of(request: IncomingMessage): Claim {
    const given = request.headers.authorization;
    if (given === undefined) return null;
    const token = /^Bearer +([\w.~+/=-]+)$/i.exec(given)?.[1];
    if (token === undefined || timesSent(request.rawHeaders, "authorization") > 1) return "invalid";
    const claims = this.#claims(token);
    if (claims === null) return "invalid";
    const role = this.#standing.roleOf(claims.sub, claims.sid, claims.role);
    return role === null ? "invalid" : { userId: claims.sub, role, sessionId: claims.sid };
  }

  #claims(token: string): TokenClaims | null {
    let payload: object;
    try {
      payload = this.#verifier.verify(token);
    } catch {
      return null;
    }
    let claims = this.#read.get(payload);
    if (claims === undefined) {
      claims = TokenClaims.safeParse(payload).data ?? null;
      this.#read.set(payload, claims);
    }
    return claims;
  }
}
