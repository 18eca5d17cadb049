// What is left of an event, watched for as long as somebody listens: with a played server, on a clock of its own.
import { expect, test } from "vitest";
import { openClient } from "../src/client.ts";
import type { Clock } from "../src/clock.ts";
import { event, json, lost, playClock, playServer, problem, type Reply, stream } from "./played.ts";
import { EVENT_ID, left } from "./resources.ts";

/** The first numbers that are told, and what was asked for them. */
async function watched(count: number, replies: (clock: Clock) => Reply[]) {
  const clock = playClock();
  const server = playServer(clock, ...replies(clock));
  const holdfast = openClient({ baseUrl: "http://holdfast.test", fetch: server.fetch }, clock);
  const told: number[] = [];
  for await (const { availableTickets } of holdfast.availability(EVENT_ID)) {
    told.push(availableTickets);
    if (told.length === count) break;
  }
  return { told, asked: server.asked };
}

test("what is left comes by a stream, which is opened again where it broke", async () => {
  const { told, asked } = await watched(3, (clock) => [
    stream(clock, [event("availability", left(9), "1.1"), event("availability", left(8), "1.2")], "breaks"),
    lost,
    stream(clock, [event("availability", left(7), "1.3")], "open"),
  ]);
  expect(told).toEqual([9, 8, 7]);
  expect(asked.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "1.2", "1.2"]);
  expect(asked[2]?.signal.aborted).toBe(true);
});

test("what is left is looked at again and again where there are no streams, and told when it has changed", async () => {
  const unchanged: Reply = () => new Response(null, { status: 304 });
  const { told, asked } = await watched(2, () => [
    problem(406, "not-acceptable"),
    json(200, left(9), { etag: '"1.1"' }),
    unchanged,
    lost,
    json(200, left(8), { etag: '"1.2"' }),
  ]);
  expect(told).toEqual([9, 8]);
  expect(asked.map(({ at }) => at)).toEqual([0, 0, 2_000, 4_000, 4_125]);
  expect(asked[4]?.headers).toMatchObject({ "if-none-match": '"1.1"' });
});

test("of an event that is not there nothing is told", async () => {
  await expect(watched(1, () => [problem(404, "not-found")])).rejects.toMatchObject({ code: "not-found" });
});
