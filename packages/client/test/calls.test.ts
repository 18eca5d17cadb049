// Single requests and lists: what is sent, what is resolved to, what is thrown.
import { expect, test } from "vitest";
import { presentProblem, problemOf } from "../../contracts/src/problem.ts";
import type { Refusal } from "../../domain/src/index.ts";
import { openClient } from "../src/client.ts";
import { ConnectionLost, HoldfastProblem, type Problem, UnexpectedAnswer } from "../src/index.ts";
import { json, lost, playClock, playServer, problem, type Reply } from "./played.ts";
import { COMMAND_ID, EVENT_ID, left, reservation } from "./resources.ts";

function play(...replies: Reply[]) {
  const clock = playClock();
  const server = playServer(clock, ...replies);
  const holdfast = openClient({ baseUrl: "http://holdfast.test/", fetch: server.fetch }, clock);
  return { holdfast, lines: () => server.asked.map(({ line }) => line) };
}

const page = (ids: string[], nextCursor: string | null) =>
  json(200, { object: "list", data: ids.map((id) => ({ id })), hasMore: nextCursor !== null, nextCursor });

test("a call resolves to the body of its success", async () => {
  const path = "/v1/events/{id}/availability";
  const { holdfast, lines } = play(json(200, left(3)), () => new Response(null, { status: 204 }));
  expect(await holdfast.get(path, { params: { path: { id: EVENT_ID } } })).toEqual(left(3));
  expect(await holdfast.post("/v1/auth/logout", { body: { refreshToken: "x" } })).toBeUndefined();
  expect(lines()).toEqual([`GET /v1/events/${EVENT_ID}/availability`, "POST /v1/auth/logout"]);
});

test("a call throws everything else, and repeats nothing", async () => {
  const { holdfast, lines } = play(
    problem(400, "validation-failed", { errors: [{ pointer: "/limit", detail: "too much" }] }),
    () => new Response("<h1>Hello</h1>"),
    lost,
    () => new Response(new ReadableStream({ start: (body) => body.error(new TypeError("terminated")) })),
  );
  const ask = () => holdfast.get("/v1/events", { params: { query: { limit: 1_000 } } });
  await expect(ask()).rejects.toMatchObject({ code: "validation-failed", errors: [{ pointer: "/limit" }] });
  await expect(ask()).rejects.toBeInstanceOf(UnexpectedAnswer);
  await expect(ask()).rejects.toBeInstanceOf(ConnectionLost);
  await expect(ask()).rejects.toBeInstanceOf(ConnectionLost);
  expect(lines()).toEqual(Array(4).fill("GET /v1/events?limit=1000"));
});

test("a problem keeps what is its own apart from what all have", async () => {
  const { holdfast } = play(problem(409, "overlap", { reservationId: reservation.id, retryable: true }));
  const error = await holdfast.reserve(EVENT_ID).catch((thrown: unknown) => thrown);
  if (!(error instanceof HoldfastProblem) || !error.is("overlap")) throw error;
  expect(error.members).toEqual({ reservationId: reservation.id, retryable: true });
  expect(error.message).toBe("overlap: overlap, in words");
});

test("the members that the compiler knows are those that problems have", () => {
  const membersOf = (refusal: Refusal) =>
    new HoldfastProblem(presentProblem(problemOf(refusal), { instance: "/", requestId: "r" }) as Problem)
      .members;
  const reservationId = reservation.id as Extract<Refusal, { code: "overlap" }>["reservationId"];
  const waitlistEntryId = "wle_x" as Extract<Refusal, { code: "already-waiting" }>["waitlistEntryId"];
  const at = 0 as Extract<Refusal, { code: "sales-not-open" }>["salesOpenAt"];
  const iso = "1970-01-01T00:00:00.000Z";
  expect(membersOf({ code: "all-held", earliestReleaseAt: at })).toEqual({ earliestReleaseAt: iso });
  expect(membersOf({ code: "already-reserved", reservationId })).toEqual({ reservationId });
  expect(membersOf({ code: "already-waiting", waitlistEntryId })).toEqual({ waitlistEntryId });
  const taken = { held: 1, purchased: 2 };
  expect(membersOf({ code: "capacity-below-committed", ...taken })).toEqual(taken);
  expect(membersOf({ code: "limit-exceeded", limit: "user" })).toEqual({ limit: "user" });
  const cooldown = { code: "limit-exceeded", limit: "cooldown", retryAt: at } as const;
  expect(membersOf(cooldown)).toEqual({ limit: "cooldown", retryAt: iso });
  const overlap = { reservationId, retryable: false };
  expect(membersOf({ code: "overlap", ...overlap })).toEqual(overlap);
  expect(membersOf({ code: "sales-not-open", salesOpenAt: at })).toEqual({ salesOpenAt: iso });
  expect(membersOf({ code: "sold-out" })).toEqual({});
});

test("a list is read page after page, and no page before it is wanted", async () => {
  const { holdfast, lines } = play(page(["a", "b"], "c1"), page(["c"], null));
  const ids: string[] = [];
  for await (const { id } of holdfast.all("/v1/events", { params: { query: { q: "jazz", limit: 2 } } })) {
    ids.push(id);
    if (ids.length === 2) expect(lines()).toHaveLength(1);
  }
  expect(ids).toEqual(["a", "b", "c"]);
  expect(lines()).toEqual(["GET /v1/events?q=jazz&limit=2", "GET /v1/events?q=jazz&limit=2&cursor=c1"]);
});

test("pages come whole, below a path with an id, too", async () => {
  const { holdfast, lines } = play(page(["a"], "c1"), page([], null));
  const sizes: number[] = [];
  const asked = { params: { path: { id: EVENT_ID } } };
  for await (const { data } of holdfast.pages("/v1/events/{id}/reservations", asked)) sizes.push(data.length);
  expect(sizes).toEqual([1, 0]);
  expect(lines()[1]).toBe(`GET /v1/events/${EVENT_ID}/reservations?cursor=c1`);
});

test("answers are to be had whole, too", async () => {
  const { holdfast } = play(problem(404, "not-found"));
  const { error, response } = await holdfast.raw.GET("/v1/commands/{id}", {
    params: { path: { id: COMMAND_ID } },
  });
  expect([error?.code, response.status]).toEqual(["not-found", 404]);
});

const COMMANDS: [string, (holdfast: ReturnType<typeof play>["holdfast"]) => Promise<unknown>][] = [
  ["POST /v1/reservations/x/purchase", (holdfast) => holdfast.purchase("x", { paymentReference: "p" })],
  ["POST /v1/reservations/x/cancel", (holdfast) => holdfast.cancel("x")],
  ["POST /v1/slots/x/waitlist", (holdfast) => holdfast.joinWaitlist("x", { quantity: 2 })],
  ["DELETE /v1/waitlist/x", (holdfast) => holdfast.leaveWaitlist("x")],
  ["PATCH /v1/events/x", (holdfast) => holdfast.editEvent("x", { name: "n" })],
  ["POST /v1/events/x/cancel", (holdfast) => holdfast.cancelEvent("x")],
  ["POST /v1/events/x/open-sales", (holdfast) => holdfast.openSales("x")],
  ["POST /v1/events/x/close-sales", (holdfast) => holdfast.closeSales("x")],
  ["POST /v1/events/x/slots", (holdfast) => holdfast.addSlot("x", { startsAt: "", endsAt: "", capacity: 1 })],
  ["PATCH /v1/slots/x", (holdfast) => holdfast.editSlot("x", { name: "n" })],
  ["DELETE /v1/slots/x", (holdfast) => holdfast.removeSlot("x")],
  ["POST /v1/slots/x/capacity", (holdfast) => holdfast.setCapacity("x", 5)],
  [
    "POST /v1/events/x/reserve",
    (holdfast) => holdfast.command("post", "/v1/events/{id}/reserve", { params: { path: { id: "x" } } }),
  ],
];

test.each(COMMANDS)("%s is a command with a name", async (line, send) => {
  const { holdfast, lines } = play(json(200, { object: "made" }));
  expect(await send(holdfast)).toEqual({ object: "made" });
  expect(lines()).toEqual([line]);
});
