// How somebody stays signed in: with a played server, on a clock of its own.
import { expect, test } from "vitest";
import { openSession, type SessionOptions, type Tokens } from "../src/session.ts";
import { hang, json, lost, playClock, playServer, problem, type Reply } from "./played.ts";

const EXPIRES_SECONDS = 900;
const USER = {
  object: "user",
  id: "usr_x",
  email: "ann@example.com",
  name: "Ann",
  role: "user",
  createdAt: "",
};
const signedIn = (n: number): Reply =>
  json(200, {
    user: USER,
    accessToken: `access${n}`,
    refreshToken: `refresh${n}`,
    tokenType: "Bearer",
    expiresIn: EXPIRES_SECONDS,
  });

function play(replies: Reply[], options: Partial<SessionOptions> = {}) {
  const clock = playClock();
  const server = playServer(clock, ...replies);
  const kept: (Tokens | null)[] = [];
  const session = openSession(
    {
      baseUrl: "http://holdfast.test",
      fetch: server.fetch,
      onTokens: (tokens) => kept.push(tokens),
      ...options,
    },
    clock,
  );
  return { clock, server, session, kept };
}

const PAIR: Tokens = { accessToken: "access0", refreshToken: "refresh0" };
const login = { email: USER.email, password: "correct horse" };

test("who signs in has a token until shortly before its end, then another", async () => {
  const { session, clock, server, kept } = play([signedIn(1), signedIn(2)]);
  expect(await session.token()).toBeNull();
  expect(await session.login(login)).toEqual(USER);
  expect(await session.token()).toBe("access1");
  await clock.pause((EXPIRES_SECONDS - 31) * 1_000);
  expect(await session.token()).toBe("access1");
  await clock.pause(2_000);
  expect(await session.token()).toBe("access2");
  expect(server.asked.map(({ line, body }) => [line, body])).toEqual([
    ["POST /v1/auth/login", login],
    ["POST /v1/auth/refresh", { refreshToken: "refresh1" }],
  ]);
  expect(kept.map((tokens) => tokens?.refreshToken)).toEqual(["refresh1", "refresh2"]);
});

test("who registers is signed in", async () => {
  const { session } = play([signedIn(1)]);
  await session.register({ ...login, name: "Ann" });
  expect(await session.token()).toBe("access1");
});

test("a token that was refused is renewed once for all whose it was", async () => {
  const { session, server } = play([signedIn(1)], { tokens: PAIR });
  expect(await session.token()).toBe("access0");
  const all = await Promise.all([
    session.token("access0"),
    session.token("access0"),
    session.token("access0"),
  ]);
  expect(all).toEqual(["access1", "access1", "access1"]);
  expect(await session.token("access0")).toBe("access1");
  expect(server.asked).toHaveLength(1);
});

test("a renewal whose answer is lost is asked for again, with the same refresh token", async () => {
  const { session, server } = play([lost, hang, signedIn(1)], { tokens: PAIR });
  expect(await session.token("access0")).toBe("access1");
  expect(server.asked.map(({ body }) => body)).toEqual(Array(3).fill({ refreshToken: "refresh0" }));
  expect(server.asked[2]?.at).toBeLessThan(10_000);
});

test("a renewal that nobody answers fails, and the next one tries again", async () => {
  const { session } = play([hang, hang, signedIn(1)], { tokens: PAIR });
  await expect(session.token("access0")).rejects.toMatchObject({ name: "ConnectionLost" });
  expect(await session.token("access0")).toBe("access1");
});

test("a session that the server has ended is over", async () => {
  const { session, kept } = play([problem(401, "unauthenticated")], { tokens: PAIR });
  expect(await session.token("access0")).toBeNull();
  expect(await session.token()).toBeNull();
  expect(kept).toEqual([null]);
});

test("a server in trouble ends no session", async () => {
  const { session } = play([problem(503, "unavailable"), signedIn(1)], { tokens: PAIR });
  await expect(session.token("access0")).rejects.toMatchObject({ code: "unavailable" });
  expect(await session.token("access0")).toBe("access1");
});

test("a token is used to its end when it cannot be renewed before", async () => {
  const down = problem(503, "unavailable");
  const { session, clock } = play([signedIn(1), down, down, signedIn(2)]);
  await session.login(login);
  await clock.pause((EXPIRES_SECONDS - 20) * 1_000);
  expect(await session.token()).toBe("access1");
  await clock.pause(20_000);
  await expect(session.token()).rejects.toMatchObject({ code: "unavailable" });
  expect(await session.token()).toBe("access2");
});

test("who signs out has no token, also when a renewal was under way", async () => {
  const gone: Reply = () => new Response(null, { status: 204 });
  const { session, kept, server } = play([signedIn(1), gone], { tokens: PAIR });
  const renewed = session.token("access0");
  await session.logout();
  expect(await renewed).toBeNull();
  await session.logout();
  expect(kept).toEqual([null]);
  expect(server.asked.map(({ line }) => line)).toEqual(["POST /v1/auth/refresh", "POST /v1/auth/logout"]);
});
