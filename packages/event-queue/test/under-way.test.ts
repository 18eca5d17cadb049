// Notes of what goes on a piece at a time: seen by everybody, and gone by themselves.
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { openUnderWay, PIECE_MS, underWayKey } from "../src/index.ts";
import { type Connected, connect } from "./connected.ts";

let redis: Connected;
beforeAll(async () => {
  redis = await connect();
});
afterAll(() => redis.close());

test("what is under way is known to all, by itself alone, and not for longer than a piece is awaited", async () => {
  const [mine, theirs] = [1, 2].map(() => openUnderWay(redis.redis, redis.prefix));
  const [going, idle] = [newId("slot"), newId("slot")];
  await mine?.note(going);
  expect(await theirs?.idle([going, idle])).toEqual(new Set([idle]));
  const left = await redis.redis.pttl(underWayKey(redis.prefix, going));
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(PIECE_MS);
  await redis.redis.del(underWayKey(redis.prefix, going));
  expect(await theirs?.idle([going, idle])).toEqual(new Set([going, idle]));
  expect(await theirs?.idle([])).toEqual(new Set());
});
