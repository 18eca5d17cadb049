// Whatever a server and the way to it do for a while, in whatever order: who waits long enough learns the outcome, of one
// command. `TROUBLES=20000` for the long form, `SEED=…` to choose the same troubles again.
import { expect, test } from "vitest";
import { openClient } from "../src/client.ts";
import { event, hang, json, lost, playClock, problem, type Reply, stream } from "./played.ts";
import { done, EVENT_ID, queued, reservation } from "./resources.ts";

const TROUBLES = Number(process.env["TROUBLES"] ?? 300);
const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** Milliseconds for which there may be trouble, and within which the command ends. */
const TROUBLED_MS = 120_000;
/** Milliseconds after both by which its sender knows: the longest silence, the longest pauses. */
const LEARNED_WITHIN_MS = 90_000;
const REQUESTS_MAX = 400;

type Chance = (below: number) => number;

/** Numbers below another, the same ones for the same seed (mulberry32). */
function chanceOf(seed: number): Chance {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A system that accepts one command, ends it at some time, and is in trouble until then and longer. */
function playSystem(chance: Chance) {
  const clock = playClock();
  const endsAt = chance(TROUBLED_MS);
  const keys = new Set<string | null>();
  let accepted = false;
  let requests = 0;
  const ended = () => accepted && clock.now() >= endsAt;
  const pick = (replies: Reply[]): Reply => replies[chance(replies.length)] ?? lost;
  const soon = () => ({ headers: { "retry-after": String(chance(4)) } });
  const now = () => (ended() ? done : queued(1 + chance(9)));
  const told = () => event(ended() ? "succeeded" : "queued", now(), String(chance(100)));

  const passing = (): Reply[] => [
    lost,
    hang,
    problem(429, "rate-limited", soon()),
    problem(503, "unavailable", soon()),
    () => new Response("<h1>Bad gateway</h1>", { status: 502 }),
    () => new Response(new ReadableStream({ start: (body) => body.error(new TypeError("terminated")) })),
  ];
  const goodAnswer = (): Reply => (ended() ? json(201, reservation) : json(202, now()));
  const goodStream = (): Reply => (request) =>
    stream(clock, [told(), ended() ? 0 : Math.max(0, endsAt - clock.now()), event("succeeded", done, "end")])(
      request,
    );
  const badStreams = (): Reply[] => [
    stream(clock, [], "open"),
    stream(clock, [], "ends"),
    stream(clock, ["retry: 200\n\n", told(), chance(50_000)], "breaks"),
    stream(clock, [told(), "data: half of"], "ends"),
    stream(clock, ["event: queued\ndata: not json\n\n"], "open"),
    stream(clock, [told(), ":\n\n", chance(50_000), ":\n\n"], "open"),
    problem(406, "not-acceptable"),
    json(200, now()),
  ];
  const goodLook = (request: Request): Reply =>
    request.headers.has("if-none-match") && !ended() && chance(2) === 0
      ? () => new Response(null, { status: 304 })
      : json(200, now(), { etag: `"${chance(5)}"`, "retry-after": String(chance(4)) });

  async function fetch(request: Request): Promise<Response> {
    requests += 1;
    if (requests > REQUESTS_MAX) throw new Error(`${REQUESTS_MAX} requests, and no end`);
    const trouble = clock.now() < TROUBLED_MS && chance(3) > 0;
    if (request.method === "POST") {
      keys.add(request.headers.get("idempotency-key"));
      const reply = trouble ? pick(passing()) : goodAnswer();
      accepted ||= !trouble || chance(2) === 0; // what got lost may have arrived
      return reply(request);
    }
    if (request.headers.get("accept") === "text/event-stream") {
      return (trouble ? pick([...passing().slice(0, 5), ...badStreams()]) : goodStream())(request);
    }
    return (trouble ? pick(passing()) : goodLook(request))(request);
  }
  return { clock, fetch, keys, requests: () => requests };
}

test(`whatever happens for a while, who waits learns the outcome of one command (SEED=${SEED})`, {
  timeout: 10_000 + TROUBLES * 20,
}, async () => {
  for (let trouble = 0; trouble < TROUBLES; trouble++) {
    const system = playSystem(chanceOf(SEED + trouble));
    const holdfast = openClient({ baseUrl: "http://holdfast.test", fetch: system.fetch }, system.clock);
    const result = await holdfast
      .reserve(EVENT_ID, {}, { wait: Number.POSITIVE_INFINITY })
      .catch((error) => error);
    expect([SEED + trouble, result]).toEqual([SEED + trouble, reservation]);
    expect(system.keys.size).toBe(1);
    expect([SEED + trouble, system.clock.now()]).toEqual([
      SEED + trouble,
      expect.toSatisfy((ms: number) => ms <= TROUBLED_MS + LEARNED_WITHIN_MS),
    ]);
  }
});
