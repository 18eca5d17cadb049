// Somebody signed in: the access token that is good now, renewed in time, once for all who need it. Keeps no password.
import { backoffMs, type Clock, realClock, within } from "./clock.ts";
import { ConnectionLost, HoldfastProblem } from "./errors.ts";
import type { Schemas } from "./operations.ts";
import { type Fetch, openTransport, succeeded, type Transport } from "./transport.ts";

type User = Schemas["User"];
type SignedIn = Schemas["SignedIn"];

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

export interface SessionOptions {
  readonly baseUrl: string;
  readonly fetch?: Fetch;
  /** Of an earlier session, as `onTokens` told them. */
  readonly tokens?: Tokens;
  /** Called with each new pair, of which the one before is of no use any more; with null when the session has ended. */
  readonly onTokens?: (tokens: Tokens | null) => void;
}

export interface Session {
  register(account: Schemas["RegisterBody"]): Promise<User>;
  login(account: Schemas["LoginBody"]): Promise<User>;
  /** Forgets the tokens, whatever the server says. */
  logout(): Promise<void>;
  /** For `createClient`: the access token, renewed when it is about to end or was refused; null when nobody is signed in. */
  readonly token: (refused?: string) => Promise<string | null>;
}

/** Milliseconds before its end at which an access token is renewed. */
const RENEW_EARLY_MS = 30_000;
/** Milliseconds for one answer, and within which a lost one is asked for again: the server repeats itself for 10 s. */
const ANSWER_MS = 4_000;
const REPEAT_WITHIN_MS = 5_000;

export function createSession(options: SessionOptions): Session {
  return openSession(options, realClock);
}

/** As `createSession`, with a clock of the caller's. */
export function openSession(options: SessionOptions, clock: Clock): Session {
  const transport = openTransport({ ...options, clock });
  let tokens: Tokens | null = options.tokens ?? null;
  /** When the access token is renewed; never when nobody said how long it lasts: it may be refused first. */
  let renewAt = Number.POSITIVE_INFINITY;
  let renewing: Promise<string | null> | null = null;

  function keep(kept: Tokens | null, expiresIn: number): void {
    tokens = kept;
    renewAt = clock.now() + expiresIn * 1_000 - RENEW_EARLY_MS;
    options.onTokens?.(kept);
  }

  async function signIn(path: "/v1/auth/register" | "/v1/auth/login", body: object): Promise<User> {
    const signedIn = (await succeeded(await transport.send("post", path, { body }))) as SignedIn;
    keep(pairOf(signedIn), signedIn.expiresIn);
    return signedIn.user;
  }

  async function renew({ refreshToken }: Tokens): Promise<string | null> {
    try {
      const signedIn = await refresh(transport, refreshToken);
      // Whoever signed in or out meanwhile has the last word.
      if (tokens?.refreshToken === refreshToken) keep(pairOf(signedIn), signedIn.expiresIn);
    } catch (error) {
      const ended = error instanceof HoldfastProblem && error.is("unauthenticated");
      if (!ended) throw error;
      if (tokens?.refreshToken === refreshToken) keep(null, 0);
    }
    return tokens?.accessToken ?? null;
  }

  return {
    register: (account) => signIn("/v1/auth/register", account),
    login: (account) => signIn("/v1/auth/login", account),
    async logout() {
      const ended = tokens;
      if (ended === null) return;
      keep(null, 0);
      const { refreshToken } = ended;
      await succeeded(await transport.send("post", "/v1/auth/logout", { body: { refreshToken } }));
    },
    async token(refused) {
      if (tokens === null) return null;
      const good = refused === undefined ? clock.now() < renewAt : tokens.accessToken !== refused;
      if (good) return tokens.accessToken;
      renewing ??= renew(tokens).finally(() => {
        renewing = null;
      });
      try {
        return await renewing;
      } catch (error) {
        const stillGood = refused === undefined && tokens !== null && clock.now() < renewAt + RENEW_EARLY_MS;
        if (!stillGood) throw error;
        return tokens.accessToken;
      }
    },
  };
}

const pairOf = ({ accessToken, refreshToken }: SignedIn): Tokens => ({ accessToken, refreshToken });

/** A lost answer may have carried the only good pair: it is asked for again, as long as the server repeats it. */
async function refresh(transport: Transport, refreshToken: string): Promise<SignedIn> {
  const { clock } = transport;
  const repeatUntil = clock.now() + REPEAT_WITHIN_MS;
  for (let failures = 1; ; failures++) {
    try {
      const late = () => new ConnectionLost("no answer came in time");
      return await within(clock, ANSWER_MS, undefined, late, async (signal) => {
        const answer = await transport.send("post", "/v1/auth/refresh", { body: { refreshToken }, signal });
        return (await succeeded(answer)) as SignedIn;
      });
    } catch (error) {
      const pauseMs = backoffMs(clock, failures);
      if (!(error instanceof ConnectionLost) || clock.now() + pauseMs >= repeatUntil) throw error;
      await clock.pause(pauseMs);
    }
  }
}
