// Accounts and sessions: registering, signing in, exchanging refresh tokens, signing out. No HTTP here.
import { createHash, randomBytes } from "node:crypto";
import { ACCESS_TOKEN_SECONDS, signAccessToken } from "@holdfast/access-token";
import type { LoginBody, RegisterBody } from "@holdfast/contracts";
import {
  findUser,
  findUserByEmail,
  insertSession,
  insertUser,
  inTransaction,
  lockRefreshToken,
  replacePasswordHash,
  revokeSession,
  revokeSessionOfToken,
  rotateRefreshToken,
  type UserRecord,
} from "@holdfast/db";
import type { SessionId } from "@holdfast/domain";
import { newId } from "@holdfast/runtime";
import { createSeal } from "@holdfast/runtime/sealed";
import type pg from "pg";
import type { LoginThrottle } from "./login-throttle.ts";
import { isOutdated, type Passwords } from "./passwords.ts";
import { Refused, unauthenticated } from "./refused.ts";
import type { Standing } from "./standing.ts";

/** Seconds that a session lasts without a new sign-in. */
export const SESSION_SECONDS = 30 * 86_400;
/** Seconds for which a repeated exchange is a lost reply, and later theft. */
export const REFRESH_REPEAT_SECONDS = 10;
const REFRESH_TOKEN_BYTES = 32;

export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
}

export interface SignedInUser extends TokenPair {
  readonly user: UserRecord;
}

/** Null when the token opens nothing (any more). */
type Exchange = { user: UserRecord; pair: TokenPair } | { reusedIn: SessionId } | null;

export interface SignInDeps {
  readonly pool: pg.Pool;
  readonly secret: string;
  readonly passwords: Passwords;
  readonly throttle: LoginThrottle;
  readonly standing: Standing;
}

export class SignIn {
  readonly #deps: SignInDeps;
  readonly #seal;

  constructor(deps: SignInDeps) {
    this.#deps = deps;
    this.#seal = createSeal(deps.secret, "holdfast refresh token successor");
  }

  async register({ email, password, name }: RegisterBody): Promise<SignedInUser> {
    const { pool, passwords } = this.#deps;
    const passwordHash = await passwords.hash(password);
    const user = await insertUser(pool, { id: newId("user"), email, name, passwordHash });
    if (user === null) throw new Refused({ code: "email-taken" });
    return this.#begin(user);
  }

  async login(body: LoginBody, address: string): Promise<SignedInUser> {
    return this.#begin(await this.prove(body, address));
  }

  /** Whose address and password these are. Throws `Refused`, for an unknown user as for a wrong password. */
  async prove({ email, password }: LoginBody, address: string): Promise<UserRecord> {
    const { pool, passwords, throttle } = this.#deps;
    await throttle.enter(email, address);
    const user = await findUserByEmail(pool, email);
    const right = await passwords.check(password, user?.passwordHash ?? null);
    if (user === null || !right || user.disabled)
      throw unauthenticated("The e-mail address or the password is wrong.");
    await throttle.succeeded(email, address);
    if (isOutdated(user.passwordHash)) {
      await replacePasswordHash(pool, user.id, user.passwordHash, await passwords.hash(password));
    }
    return user;
  }

  /** Exchanges a refresh token. A token that was exchanged before ends its whole session, unless it was just now. */
  async refresh(refreshToken: string): Promise<SignedInUser> {
    const { pool, standing } = this.#deps;
    const tokenHash = hashOf(refreshToken);
    const result = await inTransaction(pool, async (tx): Promise<Exchange> => {
      const token = await lockRefreshToken(tx, tokenHash, REFRESH_REPEAT_SECONDS);
      if (token === null || token.ended) return null;
      const user = await findUser(tx, token.userId);
      if (user === null || user.disabled) return null;
      if (token.rotated) {
        const before = token.successor === null ? null : this.#seal.open(token.successor);
        if (before !== null) return { user, pair: JSON.parse(before) as TokenPair };
        await revokeSession(tx, token.sessionId);
        return { reusedIn: token.sessionId };
      }
      const pair = this.#newPair(user, token.sessionId);
      await rotateRefreshToken(tx, {
        sessionId: token.sessionId,
        before: tokenHash,
        after: hashOf(pair.refreshToken),
        successor: this.#seal.close(JSON.stringify(pair)),
        repeatSeconds: REFRESH_REPEAT_SECONDS,
      });
      return { user, pair };
    });
    if (result !== null && "pair" in result) return { user: result.user, ...result.pair };
    if (result !== null) standing.sessionEnded(result.reusedIn);
    throw unauthenticated("The refresh token is not valid.");
  }

  /** Ends the token's session. An unknown token has none: nothing to do. */
  async logout(refreshToken: string): Promise<void> {
    const ended = await revokeSessionOfToken(this.#deps.pool, hashOf(refreshToken));
    if (ended !== null) this.#deps.standing.sessionEnded(ended);
  }

  async #begin(user: UserRecord): Promise<SignedInUser> {
    const sessionId = newId("session");
    const pair = this.#newPair(user, sessionId);
    await insertSession(this.#deps.pool, {
      id: sessionId,
      userId: user.id,
      lifeSeconds: SESSION_SECONDS,
      tokenHash: hashOf(pair.refreshToken),
    });
    return { user, ...pair };
  }

  #newPair(user: UserRecord, sessionId: SessionId): TokenPair {
    const bearer = { userId: user.id, role: user.role, sessionId };
    return {
      accessToken: signAccessToken(this.#deps.secret, bearer, ACCESS_TOKEN_SECONDS),
      refreshToken: randomBytes(REFRESH_TOKEN_BYTES).toString("base64url"),
    };
  }
}

const hashOf = (refreshToken: string): string =>
  createHash("sha256").update(refreshToken).digest("base64url");
