// Access tokens: how they are made and what they must claim. Needs no server, so that tools can make some too.
import { randomUUID } from "node:crypto";
import { SessionId, USER_ROLES, UserId, type UserRole } from "@holdfast/domain";
import { createSigner } from "fast-jwt";
import { z } from "zod";

export const TOKEN_ALGORITHM = "HS256";
export const TOKEN_ISSUER = "holdfast";
export const TOKEN_AUDIENCE = "holdfast-api";
/** Seconds that a token from a login or refresh is valid. */
export const ACCESS_TOKEN_SECONDS = 900;
export const TOKEN_CLAIMS_REQUIRED = ["iss", "aud", "exp", "iat", "sub", "jti"];

/** What is left to check of a token whose signature, issuer, audience and times are right. */
export const TokenClaims = z.object({
  sub: UserId,
  role: z.enum(USER_ROLES),
  sid: SessionId.optional(),
});

export type TokenClaims = z.infer<typeof TokenClaims>;

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
