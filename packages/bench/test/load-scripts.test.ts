// What the scripts ask, and in which order. That requests are right is seen by whoever answers them, in every block.
import { newId } from "@holdfast/runtime";
import { expect, test } from "vitest";
import type { LoadScript } from "../src/load-generator/script.ts";
import { createScript as createCycle } from "../src/load-generator/scripts/purchase-cycle.ts";
import { createScript as createReserves } from "../src/load-generator/scripts/reserve-among.ts";

const secret = "s".repeat(64);
const NO_HEADER = (): null => null;
const users = (count: number) => Array.from({ length: count }, () => newId("user"));

const asked = (script: LoadScript, client = -1) => {
  const request = script.next(client);
  if (request === null) throw new Error("there is nothing left to ask");
  const [line = ""] = request.bytes.toString().split("\r\n");
  return { request, path: line.split(" ")[1] };
};

test("reserves go to one event after another, each for another user, until all have asked", () => {
  const eventIds = [newId("event"), newId("event")];
  const script = createReserves({ secret, kind: "calm", eventIds, userIds: users(3) });
  const requests = [asked(script), asked(script), asked(script)];
  expect(requests.map(({ path }) => path)).toEqual(
    [eventIds[0], eventIds[1], eventIds[0]].map((id) => `/v1/events/${id}/reserve`),
  );
  expect(new Set(requests.map(({ request }) => request.bytes.toString())).size).toBe(3);
  expect(script.next(-1)).toBeNull();
});

test("who is sent away from a full queue asks again behind all others", () => {
  const script = createReserves({
    secret,
    kind: "reserve",
    eventIds: [newId("event")],
    userIds: users(2),
    overload: true,
  });
  const { request: first } = asked(script);
  script.answered?.(first, 503, "", NO_HEADER);
  const { request: second } = asked(script);
  script.answered?.(second, 202, "", NO_HEADER);
  expect(second).not.toBe(first);
  expect(asked(script).request).toBe(first);
  expect(script.next(-1)).toBeNull();
});

test("each client reserves, purchases and cancels what it got, and begins anew", () => {
  const eventId = newId("event");
  const script = createCycle({ secret, eventId, userIds: users(2) });
  const [mine, others] = [newId("reservation"), newId("reservation")];
  const answer = (client: number, status: number, id: string) => {
    const { request, path } = asked(script, client);
    script.answered?.(request, status, `{"object":"reservation","id":"${id}"}`, NO_HEADER);
    return path;
  };
  expect(answer(0, 201, mine)).toBe(`/v1/events/${eventId}/reserve`);
  expect(answer(1, 201, others)).toBe(`/v1/events/${eventId}/reserve`);
  expect(answer(0, 200, mine)).toBe(`/v1/reservations/${mine}/purchase`);
  expect(answer(0, 200, mine)).toBe(`/v1/reservations/${mine}/cancel`);
  expect(answer(1, 200, others)).toBe(`/v1/reservations/${others}/purchase`);
  expect(answer(0, 201, mine)).toBe(`/v1/events/${eventId}/reserve`);
  expect(script.summary?.()).toEqual({ cycles: 1 });
});
