// How a command's sender gets to its outcome, whatever happens on the way: with a played server, on a clock of its own.
import { describe, expect, test } from "vitest";
import { type ClientOptions, openClient } from "../src/client.ts";
import type { Clock } from "../src/clock.ts";
import {
  type Command,
  CommandWithdrawn,
  HoldfastProblem,
  NoAnswer,
  StillQueued,
  UnexpectedAnswer,
} from "../src/index.ts";
import {
  event,
  hang,
  json,
  lost,
  playClock,
  playServer,
  problem,
  problemOf,
  type Reply,
  stream,
} from "./played.ts";
import { COMMAND_ID, done, EVENT_ID, queued, refused, reservation, withdrawn } from "./resources.ts";

const SENT = `POST /v1/events/${EVENT_ID}/reserve`;
const FOLLOWED = `GET /v1/commands/${COMMAND_ID}`;
const held = json(201, reservation);
const accepted = json(202, queued(9), { "retry-after": "1" });

/** A client, and what the server is asked. `replies` may need the clock: streams do. */
function play(
  replies: (clock: ReturnType<typeof playClock>) => Reply[],
  options: Partial<ClientOptions> = {},
) {
  const clock = playClock();
  const server = playServer(clock, ...replies(clock));
  const holdfast = openClient({ baseUrl: "http://holdfast.test", fetch: server.fetch, ...options }, clock);
  const lines = () => server.asked.map(({ line }) => line);
  return { clock, server, holdfast, lines };
}

/** What it rejects with; an error of the test when it does not. */
async function rejectionOf(result: Promise<unknown>): Promise<unknown> {
  try {
    await result;
  } catch (error) {
    return error;
  }
  throw new Error("it resolved");
}

describe("a command is sent", () => {
  test("under a key of its own, and answered at once", async () => {
    const { holdfast, server } = play(() => [held, held], { token: "t1" });
    expect(await holdfast.reserve(EVENT_ID, { quantity: 2 })).toEqual(reservation);
    expect(await holdfast.reserve(EVENT_ID)).toEqual(reservation);
    const [first, second] = server.asked;
    expect([first?.line, first?.body, second?.body]).toEqual([SENT, { quantity: 2 }, null]);
    expect(first?.headers).toMatchObject({
      authorization: "Bearer t1",
      "content-type": "application/json",
      prefer: "wait=10",
    });
    expect(second?.headers).not.toHaveProperty("content-type");
    const keys = server.asked.map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), expect.stringMatching(/^[0-9a-f]{32}$/)]);
    expect(keys[0]).not.toBe(keys[1]);
  });

  test("under the caller's key, for the version that the caller saw", async () => {
    const { holdfast, server } = play(() => [json(200, {})]);
    await holdfast.editEvent(EVENT_ID, { name: "x" }, { idempotencyKey: "mine", ifVersion: 7 });
    expect(server.asked[0]).toMatchObject({
      line: `PATCH /v1/events/${EVENT_ID}`,
      headers: { "idempotency-key": "mine", "if-match": '"7.0"' },
    });
  });

  test("again under the same key when the answer is lost, and when none comes at all", async () => {
    const { holdfast, server, clock } = play(() => [lost, hang, held]);
    expect(await holdfast.reserve(EVENT_ID)).toEqual(reservation);
    expect(new Set(server.asked.map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
    expect(clock.pauses).toEqual([125, 15_000, 250]);
  });

  test("again when Retry-After says so, not sooner", async () => {
    const { holdfast, server } = play(() => [
      problem(429, "rate-limited", { headers: { "retry-after": "2" } }),
      problem(503, "queue-full", { headers: { "retry-after": "3" } }),
      held,
    ]);
    expect(await holdfast.reserve(EVENT_ID)).toEqual(reservation);
    expect(server.asked.map(({ at }) => at)).toEqual([0, 2_000, 5_000]);
  });

  test("again when a proxy cannot reach the server; words that are no JSON do not hurt", async () => {
    const page = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
    const { holdfast, lines } = play(() => [json(504, undefined), page, held]);
    expect(await holdfast.reserve(EVENT_ID)).toEqual(reservation);
    expect(lines()).toEqual([SENT, SENT, SENT]);
  });

  test("once only when it is refused, and the refusal has its members", async () => {
    const { holdfast, lines } = play(() => [
      problem(409, "all-held", { nextStep: "retry-after", earliestReleaseAt: null }),
    ]);
    const error = await rejectionOf(holdfast.reserve(EVENT_ID));
    if (!(error instanceof HoldfastProblem)) throw error;
    expect(error).toMatchObject({ status: 409, nextStep: "retry-after", errors: [], retryAfterMs: null });
    expect([error.is("sold-out"), error.is("sold-out", "all-held")]).toEqual([false, true]);
    expect(error.members).toEqual({ earliestReleaseAt: null });
    expect(lines()).toEqual([SENT]);
  });

  test("once only when it failed, and when no problem is told", async () => {
    const failed = play(() => [problem(500, "internal")]);
    expect(await rejectionOf(failed.holdfast.reserve(EVENT_ID))).toMatchObject({ code: "internal" });
    const moved = play(() => [json(418, { tea: true })]);
    expect(await rejectionOf(moved.holdfast.reserve(EVENT_ID))).toBeInstanceOf(UnexpectedAnswer);
  });

  test("with the token that its source knows when the first one is refused", async () => {
    const asked: unknown[] = [];
    const token = (refused?: string) => {
      asked.push(refused);
      return refused === undefined ? "old" : "new";
    };
    const { holdfast, server } = play(() => [problem(401, "unauthenticated"), held], { token });
    expect(await holdfast.reserve(EVENT_ID, { quantity: 2 })).toEqual(reservation);
    expect(server.asked.map(({ headers }) => headers["authorization"])).toEqual(["Bearer old", "Bearer new"]);
    expect(server.asked[1]?.body).toEqual({ quantity: 2 });
    expect(asked).toEqual([undefined, "old"]);
  });

  test("not again when there is no better token", async () => {
    const { holdfast, lines } = play(() => [problem(401, "unauthenticated")], { token: () => "old" });
    expect(await rejectionOf(holdfast.reserve(EVENT_ID))).toMatchObject({ code: "unauthenticated" });
    expect(lines()).toHaveLength(1);
  });
});

describe("what is in the queue is followed", () => {
  test("by its stream, from place to place, to its end", async () => {
    const seen: Command[] = [];
    const { holdfast, server, lines } = play((clock) => [
      accepted,
      stream(
        clock,
        [
          "retry: 500\n\n",
          event("queued", queued(5), "q5"),
          ": still here\n\n",
          event("queued", queued(1), "q1"),
          event("succeeded", done, "end"),
        ],
        "open",
      ),
    ]);
    const result = await holdfast.reserve(EVENT_ID, {}, { onProgress: (command) => seen.push(command) });
    expect(result).toEqual(reservation);
    expect(seen.map(({ position }) => position)).toEqual([9, 5, 1]);
    expect(lines()).toEqual([SENT, FOLLOWED]);
    expect(server.asked[0]?.headers).toMatchObject({ prefer: "wait=2" });
    expect(server.asked[1]?.headers).toMatchObject({ accept: "text/event-stream" });
    expect(server.asked[1]?.signal.aborted).toBe(true);
  });

  test.each(["ends", "breaks"] as const)(
    "by a stream that %s and is opened again where it was",
    async (end) => {
      const { holdfast, server } = play((clock) => [
        accepted,
        stream(clock, ["retry: 1500\n", event("queued", queued(5), "q5")], end),
        stream(clock, [event("succeeded", done, "end")]),
      ]);
      expect(await holdfast.reserve(EVENT_ID)).toEqual(reservation);
      expect(server.asked.map(({ at }) => at)).toEqual([0, 0, 1_500]);
      expect(server.asked[1]?.headers).not.toHaveProperty("last-event-id");
      expect(server.asked[2]?.headers).toMatchObject({ "last-event-id": "q5" });
    },
  );

  test("by a stream that heartbeats keep, and by another when one falls silent", async () => {
    const { holdfast, server } = play((clock) => [
      accepted,
      stream(clock, [": hello\n\n", 30_000, ": hello\n\n", 30_000, ": hello\n\n"], "open"),
      stream(clock, [event("succeeded", done, "end")]),
    ]);
    expect(await holdfast.reserve(EVENT_ID, {}, { wait: 300_000 })).toEqual(reservation);
    expect(server.asked[1]?.signal.aborted).toBe(true);
    expect(server.asked[2]?.at).toBe(30_000 + 30_000 + 45_000 + 1_000);
  });

  test("by looks when there are no streams, as far apart as the server likes", async () => {
    const seen: Command[] = [];
    const { holdfast, server } = play(() => [
      accepted,
      problem(406, "not-acceptable"),
      json(200, queued(7), { "retry-after": "4", etag: 'W/"a"' }),
      () => new Response(null, { status: 304, headers: { "retry-after": "2" } }),
      json(200, done),
    ]);
    const result = await holdfast.reserve(EVENT_ID, {}, { onProgress: (command) => seen.push(command) });
    expect(result).toEqual(reservation);
    expect(seen.map(({ position }) => position)).toEqual([9, 7]);
    expect(server.asked.map(({ at }) => at)).toEqual([0, 0, 0, 4_000, 6_000]);
    expect(server.asked[2]?.headers).toMatchObject({ accept: "application/json", prefer: "wait=10" });
    expect(server.asked[3]?.headers).toMatchObject({ "if-none-match": 'W/"a"' });
  });

  test("by looks when a server answers without streaming, or has nothing more to stream", async () => {
    const whole = play(() => [accepted, json(200, queued(7), { "retry-after": "1" }), json(200, done)]);
    expect(await whole.holdfast.reserve(EVENT_ID)).toEqual(reservation);
    const over = play(() => [accepted, () => new Response(null, { status: 204 }), json(200, done)]);
    expect(await over.holdfast.reserve(EVENT_ID)).toEqual(reservation);
    const atOnce = play(() => [accepted, json(200, done)]);
    expect(await atOnce.holdfast.reserve(EVENT_ID)).toEqual(reservation);
  });

  test("by looks while the server has too many streams, by short ones while too many wait", async () => {
    const busy = (seconds: string) => problem(429, "rate-limited", { headers: { "retry-after": seconds } });
    const { holdfast, server } = play((clock) => [
      accepted,
      busy("2"),
      busy("3"),
      json(200, queued(2), { "retry-after": "60" }),
      stream(clock, [event("succeeded", done, "end")]),
    ]);
    expect(await holdfast.reserve(EVENT_ID, {}, { wait: 300_000 })).toEqual(reservation);
    expect(server.asked.map(({ at }) => at)).toEqual([0, 0, 2_000, 5_000, 65_000]);
    expect(server.asked[2]?.headers).toMatchObject({ prefer: "wait=10" });
    expect(server.asked[3]?.headers).not.toHaveProperty("prefer");
    expect(server.asked[4]?.headers).toMatchObject({ accept: "text/event-stream" });
  });

  test("by looks when streams open and tell nothing: somebody on the way keeps them back", async () => {
    const { holdfast, server } = play((clock) => [
      accepted,
      stream(clock, [], "open"),
      lost,
      stream(clock, ["retry: 100\n", "id: 1\ndata: not json\nevent: queued\n\n"]),
      lost,
      json(200, queued(3), { "retry-after": "60" }),
      stream(clock, [event("succeeded", done, "end")]),
    ]);
    expect(await holdfast.reserve(EVENT_ID, {}, { wait: 120_000 })).toEqual(reservation);
    const accepts = server.asked.map(({ headers }) => headers["accept"]);
    const [streamed, looked] = ["text/event-stream", "application/json"];
    expect(accepts.slice(1)).toEqual([streamed, streamed, streamed, looked, looked, streamed]);
    expect(server.asked[2]?.at).toBe(6_000);
    expect(server.asked[6]?.headers).not.toHaveProperty("last-event-id");
  });

  test("by streams all the same while a server is away for a while", async () => {
    const { holdfast, server } = play((clock) => [
      accepted,
      ...Array(6).fill(lost),
      stream(clock, [event("succeeded", done, "end")]),
    ]);
    expect(await holdfast.reserve(EVENT_ID)).toEqual(reservation);
    expect(server.asked.slice(1).every(({ headers }) => headers["accept"] === "text/event-stream")).toBe(
      true,
    );
  });

  test("to a refusal, a failure of ours, or its withdrawal", async () => {
    const endedAs = (type: string, command: Command) =>
      rejectionOf(
        play((clock) => [accepted, stream(clock, [event(type, command, "end")])]).holdfast.reserve(EVENT_ID),
      );
    const rejected = refused(
      "rejected",
      problemOf(409, "already-reserved", { reservationId: reservation.id }),
    );
    const error = await endedAs("rejected", rejected);
    expect(error).toBeInstanceOf(HoldfastProblem);
    expect(error).toMatchObject({ code: "already-reserved", members: { reservationId: reservation.id } });
    const failed = await endedAs("failed", refused("failed", problemOf(500, "internal")));
    expect(failed).toMatchObject({ name: "HoldfastProblem", code: "internal" });
    const gone = await endedAs("withdrawn", withdrawn);
    expect(gone).toBeInstanceOf(CommandWithdrawn);
    expect(gone).toMatchObject({ command: withdrawn });
  });

  test("no longer when whoever asks may not see it", async () => {
    const { holdfast } = play(() => [accepted, problem(404, "not-found")]);
    expect(await rejectionOf(holdfast.reserve(EVENT_ID))).toMatchObject({ code: "not-found" });
  });

  test("on its own, by whoever knows its id", async () => {
    const { holdfast, lines } = play((clock) => [
      stream(clock, [event("queued", queued(2), "q2"), event("succeeded", done, "end")]),
    ]);
    const seen: Command[] = [];
    for await (const command of holdfast.followCommand(COMMAND_ID)) seen.push(command);
    expect(seen).toEqual([queued(2), done]);
    expect(lines()).toEqual([FOLLOWED]);
  });

  test("no longer than somebody listens", async () => {
    const { holdfast, server } = play((clock) => [stream(clock, [event("queued", queued(2), "q2")], "open")]);
    for await (const command of holdfast.followCommand(COMMAND_ID)) {
      expect(command).toEqual(queued(2));
      break;
    }
    expect(server.asked[0]?.signal.aborted).toBe(true);
  });
});

describe("a wait that is over", () => {
  test("tells where the command is, and under which key one may go on waiting", async () => {
    const { holdfast, clock, server } = play((clock) => [
      accepted,
      stream(clock, [event("queued", queued(4), "q4")], "open"),
    ]);
    const error = await rejectionOf(holdfast.reserve(EVENT_ID, {}, { wait: 7_500, idempotencyKey: "mine" }));
    expect(error).toBeInstanceOf(StillQueued);
    expect(error).toMatchObject({ command: queued(4), idempotencyKey: "mine" });
    expect(clock.now()).toBe(7_500);
    expect(server.asked[0]?.headers).toMatchObject({ prefer: "wait=7" });
    expect(server.asked[1]?.signal.aborted).toBe(true);
  });

  test("of nought is for who wants to know that the command is accepted", async () => {
    const { holdfast, server } = play(() => [lost, accepted]);
    const error = await rejectionOf(holdfast.reserve(EVENT_ID, {}, { wait: 0 }));
    expect(error).toMatchObject({ name: "StillQueued", command: queued(9) });
    expect(server.asked[1]?.headers).toMatchObject({ prefer: "respond-async" });
  });

  test("does not wait for a server that wants more time than there is", async () => {
    const { holdfast, clock } = play(() => [
      problem(429, "rate-limited", { headers: { "retry-after": "60" } }),
    ]);
    const error = await rejectionOf(holdfast.reserve(EVENT_ID));
    expect(error).toMatchObject({ code: "rate-limited", retryAfterMs: 60_000 });
    expect(clock.now()).toBe(0);
  });

  test("of something that was sent and never answered says that it may have been done", async () => {
    const full = problem(503, "queue-full", { headers: { "retry-after": "60" } });
    const unsure = problem(503, "unavailable", { headers: { "retry-after": "60" } });
    for (const replies of [[lost, full], [unsure]]) {
      const { holdfast } = play(() => replies);
      const error = await rejectionOf(holdfast.reserve(EVENT_ID, {}, { idempotencyKey: "mine" }));
      expect(error).toBeInstanceOf(NoAnswer);
      expect(error).toMatchObject({ idempotencyKey: "mine", cause: { name: "HoldfastProblem" } });
    }
    const silent = play(() => [hang]);
    expect(await rejectionOf(silent.holdfast.reserve(EVENT_ID, {}, { wait: 3_000 }))).toMatchObject({
      name: "NoAnswer",
      cause: { name: "ConnectionLost" },
    });
    expect(silent.clock.now()).toBe(8_000);
  });
});

describe("a caller who gives up", () => {
  const reason = new Error("the person has left");

  test("before it is sent sends nothing", async () => {
    const { holdfast, lines } = play(() => []);
    const signal = AbortSignal.abort(reason);
    expect(await rejectionOf(holdfast.reserve(EVENT_ID, {}, { signal }))).toBe(reason);
    expect(lines()).toEqual([]);
  });

  test.each<[string, (clock: Clock) => Reply[]]>([
    ["while it is sent", () => [hang]],
    ["between two tries", () => [problem(429, "rate-limited", { headers: { "retry-after": "9" } })]],
    [
      "while it is followed",
      (clock) => [accepted, stream(clock, [event("queued", queued(4), "q4")], "open")],
    ],
    ["between two looks", () => [accepted, problem(406, "not-acceptable"), json(200, queued(4))]],
  ])("%s waits no longer", async (_, replies) => {
    const { holdfast, clock, server } = play(replies);
    const giveUp = new AbortController();
    void clock.pause(1_000).then(() => giveUp.abort(reason));
    expect(await rejectionOf(holdfast.reserve(EVENT_ID, {}, { signal: giveUp.signal }))).toBe(reason);
    expect(clock.now()).toBe(1_000);
    expect(server.asked).toHaveLength(replies(clock).length);
  });
});

describe("withdrawing", () => {
  test("resolves to the command", async () => {
    const { holdfast, lines } = play(() => [json(200, withdrawn)]);
    expect(await holdfast.withdraw(COMMAND_ID)).toEqual(withdrawn);
    expect(lines()).toEqual([`DELETE /v1/commands/${COMMAND_ID}`]);
  });

  test("comes too late for what has ended, which it tells", async () => {
    const { holdfast } = play(() => [problem(409, "already-finished", { command: done })]);
    const error = await rejectionOf(holdfast.withdraw(COMMAND_ID));
    if (!(error instanceof HoldfastProblem) || !error.is("already-finished")) throw error;
    expect(error.members.command.result).toEqual(reservation);
  });

  test("is what a repeat under the same key is told", async () => {
    const { holdfast } = play(() => [problem(409, "already-finished", { command: withdrawn })]);
    const error = await rejectionOf(holdfast.reserve(EVENT_ID, {}, { idempotencyKey: "mine" }));
    expect(error).toBeInstanceOf(CommandWithdrawn);
  });
});
