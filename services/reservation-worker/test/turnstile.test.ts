// As many as there is room for work side by side, the others in their order, whatever becomes of the first.
import { expect, test } from "vitest";
import { createTurnstile } from "../src/turnstile.ts";
import { gate, settle } from "./drain-under-test.ts";

test("two work side by side; the third begins when one of them has ended, the fourth after the third", async () => {
  const turnstile = createTurnstile(2);
  const begun: number[] = [];
  const ends = Array.from({ length: 4 }, gate);
  const all = ends.map((end, i) =>
    turnstile.pass(async () => {
      begun.push(i);
      await end.passed;
      return i;
    }),
  );
  await settle();
  expect([begun, turnstile.waiting]).toEqual([[0, 1], 2]);
  ends[1]?.open();
  await settle();
  expect([begun, turnstile.waiting]).toEqual([[0, 1, 2], 1]);
  for (const end of ends) end.open();
  expect(await Promise.all(all)).toEqual([0, 1, 2, 3]);
  expect([begun, turnstile.waiting]).toEqual([[0, 1, 2, 3], 0]);
});

test("work that fails tells who asked for it, and leaves its room to the next", async () => {
  const turnstile = createTurnstile(1);
  const [broken, next] = [
    turnstile.pass(() => Promise.reject(new Error("broken"))),
    turnstile.pass(async () => "done"),
  ];
  await expect(broken).rejects.toThrow("broken");
  expect(await next).toBe("done");
  expect(await turnstile.pass(async () => "again")).toBe("again");
});
