// Who works alone in a process works alone, and nobody waits for ever.
import { expect, test } from "vitest";
import { createSolitude } from "../src/solitude.ts";
import { gate, settle } from "./drain-under-test.ts";

/** Work that notes when it begins and ends, and ends when the test says so. */
function works(log: string[]) {
  return (name: string) => {
    const end = gate();
    const work = async (): Promise<string> => {
      log.push(`${name} begins`);
      await end.passed;
      log.push(`${name} ends`);
      return name;
    };
    return { work, end: end.open };
  };
}

test("work runs side by side, and gives its result or its error to who asked", async () => {
  const log: string[] = [];
  const make = works(log);
  const { together } = createSolitude();
  const [one, other] = [make("one"), make("other")];
  const results = [together(one.work), together(other.work)];
  await settle();
  expect(log).toEqual(["one begins", "other begins"]);
  one.end();
  other.end();
  expect(await Promise.all(results)).toEqual(["one", "other"]);
  await expect(together(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
});

test("who is alone waits for those before, and those after wait", async () => {
  const log: string[] = [];
  const make = works(log);
  const { together, alone } = createSolitude();
  const [before, single, after] = [make("before"), make("single"), make("after")];
  const all = [together(before.work)];
  await settle(); // the first has begun
  all.push(alone(single.work), together(after.work));
  await settle();
  expect(log).toEqual(["before begins"]);
  before.end();
  await settle();
  expect(log).toEqual(["before begins", "before ends", "single begins"]);
  single.end();
  await settle();
  expect(log.slice(3)).toEqual(["single ends", "after begins"]);
  after.end();
  expect(await Promise.all(all)).toEqual(["before", "single", "after"]);
});

test("two who want to be alone take turns, and an error of one stops nobody", async () => {
  const log: string[] = [];
  const make = works(log);
  const { together, alone } = createSolitude();
  const [second, last] = [make("second"), make("last")];
  const failed = alone(() => Promise.reject(new Error("broken")));
  const all = [alone(second.work), together(last.work)];
  await expect(failed).rejects.toThrow("broken");
  await settle();
  expect(log).toEqual(["second begins"]);
  second.end();
  last.end();
  await Promise.all(all);
  expect(log).toEqual(["second begins", "second ends", "last begins", "last ends"]);
});
