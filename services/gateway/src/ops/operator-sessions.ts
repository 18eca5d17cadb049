// Sessions of operators at a browser: an opaque token, kept as a hash, looked up anew for each request. No HTTP here.
import { createHmac, randomBytes } from "node:crypto";
import type { LoginBody } from "@holdfast/contracts";
import { bearerOfToken, insertSession, revokeSessionOfToken } from "@holdfast/db";
import { newId } from "@holdfast/runtime";
import type pg from "pg";
import { forbidden } from "../refused.ts";
import type { SignIn } from "../sign-in.ts";

/** Seconds that an operator's session lasts. */
export const OPERATOR_SESSION_SECONDS = 3_600;
const TOKEN_BYTES = 32;

export interface OperatorSessions {
  /** Signs an admin in; returns the token. Throws `Refused` for everybody else. */
  begin(body: LoginBody, address: string): Promise<string>;
  /** Is this the token of a session that has not ended, of somebody who is an admin now? */
  isOperator(token: string | undefined): Promise<boolean>;
  end(token: string): Promise<void>;
}

export function operatorSessions(pool: pg.Pool, signIn: SignIn): OperatorSessions {
  return {
    async begin(body, address) {
      const user = await signIn.prove(body, address);
      if (user.role !== "admin") throw forbidden();
      const token = randomBytes(TOKEN_BYTES).toString("base64url");
      await insertSession(pool, {
        id: newId("session"),
        userId: user.id,
        lifeSeconds: OPERATOR_SESSION_SECONDS,
        tokenHash: hashOf(token),
      });
      return token;
    },

    async isOperator(token) {
      if (token === undefined) return false;
      return (await bearerOfToken(pool, hashOf(token)))?.role === "admin";
    },

    end: async (token) => void (await revokeSessionOfToken(pool, hashOf(token))),
  };
}

/** Another hash than that of refresh tokens: this one cannot be exchanged for access to the API. */
const hashOf = (token: string): string =>
  createHmac("sha256", "holdfast operator session").update(token).digest("base64url");
