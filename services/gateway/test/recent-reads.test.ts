// What is kept of reads: for how long, how much of it, one read at a time, and never an older one behind a newer one.
import { beforeEach, describe, expect, test } from "vitest";
import { OwnChanges } from "../src/own-changes.ts";
import { RECENT_MS, type Read, type ReadWish, RecentReads } from "../src/recent-reads.ts";

interface Figure extends Read {
  readonly figure: number;
}

let clock: number;
let spared: string[];
/** Reads that were begun, in order; each ends when the test says so. */
let begun: {
  readonly key: string;
  readonly wish: ReadWish;
  end(figure: number | null): void;
  fail(): void;
}[];
let reads: RecentReads<string, Figure>;
let changes: OwnChanges;

beforeEach(() => {
  clock = 1_000_000;
  spared = [];
  begun = [];
  changes = new OwnChanges();
  reads = readsOf({});
});

const readsOf = (bounds: { readsMax?: number; bytesMax?: number }): RecentReads<string, Figure> =>
  new RecentReads({
    monotonicMs: () => clock,
    readsMax: bounds.readsMax ?? 100,
    bytesMax: bounds.bytesMax ?? 100_000,
    onSpared: (by) => spared.push(by),
  });

const ask = async (key = "a"): Promise<number | null> => {
  const found = await reads.ask(
    key,
    changes,
    (wish) =>
      new Promise((resolve, reject) => {
        begun.push({
          key,
          wish,
          end: (figure) =>
            resolve(
              figure === null
                ? null
                : { figure, asOf: wish.beganAt, until: wish.beganAt + RECENT_MS, bytes: 100 },
            ),
          fail: () => reject(new Error("the tables cannot be read")),
        });
      }),
  );
  return found?.figure ?? null;
};

/** Asks, and ends the read that this must begin. */
async function read(figure: number, key = "a"): Promise<void> {
  const asked = ask(key);
  begun.at(-1)?.end(figure);
  expect(await asked).toBe(figure);
}

const change = (): void => {
  changes.at = clock;
};

describe("what was read a moment ago", () => {
  test("is told for half a second from the beginning of the read, then read again", async () => {
    await read(1);
    clock += RECENT_MS - 1;
    expect(await ask()).toBe(1);
    clock += 1;
    await read(2);
    expect(begun).toHaveLength(2);
    expect(spared).toEqual(["memory"]);
  });

  test("is read once for all who ask while the read is under way, but for those who come half a second later", async () => {
    const asked = [ask(), ask(), ask()];
    expect(begun).toHaveLength(1);
    clock += RECENT_MS; // by now it may tell what is no longer true
    const late = ask();
    expect(begun).toHaveLength(2);
    begun[0]?.end(1);
    begun[1]?.end(2);
    expect(await Promise.all(asked)).toEqual([1, 1, 1]);
    expect(await late).toBe(2);
    expect(spared).toEqual(["joined", "joined"]);
  });

  test("is never put behind one that began later", async () => {
    const slow = ask();
    clock += RECENT_MS;
    await read(2);
    begun[0]?.end(1);
    expect(await slow).toBe(1);
    expect(await ask()).toBe(2);
  });

  test("is nothing when it failed, or when there was nothing: the next one reads", async () => {
    const failing = ask();
    begun[0]?.fail();
    await expect(failing).rejects.toThrow("cannot be read");
    const nothing = ask();
    begun[1]?.end(null);
    expect(await nothing).toBeNull();
    expect(reads.size).toBe(0);
    await read(3);
    expect(begun).toHaveLength(3);
  });
});

describe("bounds", () => {
  test("a thousand different things leave no more than may be kept, and no bytes behind", async () => {
    reads = readsOf({ readsMax: 10 });
    for (let i = 0; i < 1_000; i += 1) await read(i, `event ${i}`);
    expect([reads.size, reads.bytes]).toEqual([10, 1_000]);
    expect(await ask("event 999")).toBe(999);
  });

  test("bytes are bounded, too, and what is too big alone is told and not kept", async () => {
    reads = readsOf({ bytesMax: 450 });
    for (let i = 0; i < 10; i += 1) await read(i, `event ${i}`);
    expect([reads.size, reads.bytes]).toEqual([4, 400]);
    reads = readsOf({ bytesMax: 99 });
    await read(1);
    expect([reads.size, reads.bytes]).toEqual([0, 0]);
  });

  test("what nobody reads any more goes with the next read of anything", async () => {
    for (let i = 0; i < 50; i += 1) await read(i, `event ${i}`);
    clock += 3_000;
    await read(1, "another");
    expect([reads.size, reads.bytes]).toEqual([1, 100]);
  });

  test("what is read again and again stays when others come and go", async () => {
    reads = readsOf({ readsMax: 3 });
    for (let i = 0; i < 20; i += 1) {
      await read(i, `event ${i}`);
      if (i % 2 === 0) {
        clock += RECENT_MS;
        await read(i, "hot");
      }
    }
    expect(await ask("hot")).toBe(18);
  });
});

describe("a change that somebody here was told of", () => {
  test("is in what the next one is told, who does not join a read from before it", async () => {
    await read(1);
    clock += RECENT_MS;
    const before = ask();
    clock += 1;
    change();
    clock += 1;
    const after = ask();
    expect(begun.map(({ wish }) => wish.fromTables)).toEqual([false, false, true]);
    begun[1]?.end(1);
    expect(await before).toBe(1);
    // What the older one found is kept, and must not be taken for the newer one's.
    const another = ask();
    begun[2]?.end(2);
    expect(await Promise.all([after, another])).toEqual([2, 2]);
    expect(await ask()).toBe(2);
    expect(begun).toHaveLength(3);
  });

  test("while it is read, a newer one begins another read", async () => {
    await read(1);
    clock += 1;
    change();
    clock += 1;
    const first = ask();
    clock += 1;
    change();
    clock += 1;
    const second = ask();
    expect(begun).toHaveLength(3);
    begun[2]?.end(3);
    begun[1]?.end(2);
    expect(await Promise.all([first, second])).toEqual([2, 3]);
    expect(await ask()).toBe(3);
  });

  test("costs no more reads than the budget has, and nobody is told what is older than half a second", async () => {
    await read(0);
    const began = begun.length;
    let readAt = clock;
    for (let i = 0; i < 10_000; i += 1) {
      clock += 1; // a change each millisecond, for ten seconds
      change();
      const asked = ask();
      const last = begun.at(-1);
      if (last?.wish.beganAt === clock) {
        readAt = clock;
        last.end(i);
      }
      await asked;
      expect(clock - readAt).toBeLessThan(RECENT_MS);
    }
    // 100 saved up, 25 a second.
    expect(begun.length - began).toBeGreaterThan(300);
    expect(begun.length - began).toBeLessThanOrEqual(350);
  });

  test("that is half a second old is known to whatever may be told: it costs nothing", async () => {
    change();
    clock += RECENT_MS;
    await read(1);
    expect(begun[0]?.wish.fromTables).toBe(false);
  });

  test("only what was read lately counts as read again", async () => {
    await read(1);
    clock += RECENT_MS;
    await read(2);
    clock += 60_000;
    await read(3);
    expect(begun.map(({ wish }) => wish.again)).toEqual([false, true, false]);
  });
});
