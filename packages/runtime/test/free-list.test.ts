// Lists for what comes and goes: they hold what they should, and nothing for longer than that.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { FreeList, FreeListMap } from "../src/free-list.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (how?: { type: "minor" }) => void;

test("a place is used again, and only who is there is removed from it", () => {
  const list = new FreeList<{ name: string }>();
  const [ann, bob, eve] = [{ name: "ann" }, { name: "bob" }, { name: "eve" }];
  const place = list.add(ann);
  list.add(bob);
  expect([...list]).toEqual([ann, bob]);
  list.remove(place, ann);
  expect(list.at(place)).toBeNull();
  expect(list.add(eve)).toBe(place);
  list.remove(place, ann); // long gone
  expect(new Set(list)).toEqual(new Set([bob, eve]));
  expect(list.at(place)).toBe(eve);
});

test("who is added or removed meanwhile does not disturb a walk through it", () => {
  const list = new FreeList<{ place: number }>();
  for (let i = 0; i < 5; i += 1) {
    const value = { place: -1 };
    value.place = list.add(value);
  }
  let seen = 0;
  for (const value of list) {
    seen += 1;
    list.remove(value.place, value);
    list.add({ place: -1 });
  }
  expect(seen).toBe(5);
  expect([...list]).toHaveLength(5);
});

test("a key has one value: what was set last", () => {
  const map = new FreeListMap<string, { n: number }>();
  expect(map.get("a")).toBeUndefined();
  map.set("a", { n: 1 });
  map.set("b", { n: 2 });
  map.set("a", { n: 3 });
  expect(map.get("a")).toEqual({ n: 3 });
  expect(map.size).toBe(2);
  map.delete("a");
  map.delete("a");
  expect(map.get("a")).toBeUndefined();
  expect(map.get("b")).toEqual({ n: 2 });
  expect(map.size).toBe(1);
});

test("what a key has is made once, and is there until it is taken", () => {
  const map = new FreeListMap<string, string[]>();
  map.getOrMake("a", () => []).push("first");
  map.getOrMake("a", () => []).push("second");
  expect(map.take("a")).toEqual(["first", "second"]);
  expect(map.take("a")).toBeUndefined();
  expect(map.size).toBe(0);
  expect(map.getOrMake("a", () => [])).toEqual([]);
});

/** Of what came and went while `live` were there, the bytes a value that collections of what is young leave behind. */
function leftBehind(map: Map<string, object> | FreeListMap<string, object>): number {
  const [live, all] = [100, 20_000];
  const turn = (i: number): void => {
    map.set(`c${i}`, { payload: new Array<number>(100).fill(i) });
    map.delete(`c${i - live}`);
  };
  for (let i = 0; i < live; i += 1) turn(i);
  collect(); // what the map is made of is old now
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = live; i < all; i += 1) {
    turn(i);
    if (i % 2_000 === 0) collect({ type: "minor" });
  }
  collect({ type: "minor" });
  collect({ type: "minor" });
  return (process.memoryUsage().heapUsed - before) / all + 0 * map.size;
}

test("what came and went is not kept until the next great collection, as it is by a Map", () => {
  expect(leftBehind(new Map())).toBeGreaterThan(500); // should this ever fail, V8 has mended it, and these lists may go
  expect(leftBehind(new FreeListMap())).toBeLessThan(200);
});
