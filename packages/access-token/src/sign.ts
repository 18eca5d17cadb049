// Makes access tokens. Needs no server, so that tools can make some too.
import { randomUUID } from "node:crypto";
import type { SessionId, UserId, UserRole } from "@holdfast/domain";
import { createSigner } from "fast-jwt";
import { TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER } from "./claims.ts";

/** Seconds that a token from a login or refresh is valid. */
export const ACCESS_TOKEN_SECONDS = 900;

export interface TokenBearer {
  readonly userId: UserId;
  readonly role: UserRole;
  /** Absent for tokens that no login made: no logout ends them. */
  readonly sessionId?: SessionId | undefined;
}

export function signAccessToken(
  secret: string,
  { userId, role, sessionId }: TokenBearer,
  ttlSeconds: number = ACCESS_TOKEN_SECONDS,
): string {
  const sign = createSigner({
    key: secret,
    algorithm: TOKEN_ALGORITHM,
    iss: TOKEN_ISSUER,
    aud: TOKEN_AUDIENCE,
    sub: userId,
    jti: randomUUID(),
    expiresIn: ttlSeconds * 1000,
  });
  return sign({ role, ...(sessionId === undefined ? {} : { sid: sessionId }) });
}
