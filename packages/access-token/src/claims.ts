// What an access token must claim, and by whom and for whom it is made.
import { SessionId, USER_ROLES, UserId } from "@holdfast/domain";
import { z } from "zod";

export const TOKEN_ALGORITHM = "HS256";
export const TOKEN_ISSUER = "holdfast";
export const TOKEN_AUDIENCE = "holdfast-api";

/** Whose token it is. What else is in it only proves that it counts. */
export const TokenClaims = z.object({
  sub: UserId,
  role: z.enum(USER_ROLES),
  sid: SessionId.optional(),
});

export type TokenClaims = z.infer<typeof TokenClaims>;
