// The parts of the gateway that stand alone: seals, turns for hashing, what is remembered, host names in configuration.
import { newId } from "@holdfast/runtime";
import { createSeal } from "@holdfast/runtime/sealed";
import { describe, expect, test } from "vitest";
import { GatewayConfig } from "../src/config.ts";
import { LONG_POLLS_MAX, LONG_POLLS_PER_USER_MAX, LongPolls } from "../src/long-polls.ts";
import { ORIGINS_PER_STATEMENT_MAX, Origins } from "../src/origins.ts";
import { HASHES_WAITING_MAX, isOutdated, Passwords } from "../src/passwords.ts";
import { anchorOf, pageOfMarkdown } from "../src/problems-page.ts";
import { RETRY_AFTER_SECONDS_MAX, retryAfterSeconds } from "../src/retry-after.ts";

describe("a seal", () => {
  const seal = createSeal("secret", "tests");
  test("opens what it closed, each time in another form", () => {
    expect(seal.open(seal.close("text"))).toBe("text");
    expect(seal.close("text")).not.toBe(seal.close("text"));
  });

  test("opens nothing else", () => {
    const sealed = Buffer.from(seal.close("text"), "base64url");
    sealed[sealed.length - 1] = (sealed.at(-1) ?? 0) ^ 1;
    expect(seal.open(sealed.toString("base64url"))).toBeNull();
    expect(seal.open("short")).toBeNull();
    expect(createSeal("secret", "another purpose").open(seal.close("text"))).toBeNull();
  });
});

describe("passwords", () => {
  test("are checked in turns, and a crowd beyond all turns is asked to come again", async () => {
    const passwords = new Passwords();
    const checks = Array.from({ length: 6 }, () => passwords.hash("password"));
    expect(new Set(await Promise.all(checks)).size).toBe(6);
    const crowd = Array.from({ length: HASHES_WAITING_MAX + 3 }, () => passwords.check("x", "not a hash"));
    const [last] = await Promise.allSettled([crowd.at(-1)]);
    expect(last).toMatchObject({ status: "rejected", reason: { facts: { code: "unavailable" } } });
    expect((await Promise.allSettled(crowd)).filter(({ status }) => status === "rejected")).toHaveLength(1);
  });

  test("nobody's match nothing, and hashes that are none match nothing", async () => {
    const passwords = new Passwords();
    expect(await passwords.check("password", null)).toBe(false);
    expect(await passwords.check("password", "nonsense")).toBe(false);
    expect(await passwords.check("password", await passwords.hash("password"))).toBe(true);
  });

  test.each([
    ["$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", false],
    ["$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", false],
    ["$argon2id$v=19$m=19455,t=2,p=1$c2FsdA$aGFzaA", true],
    ["$argon2id$v=19$m=19456,t=1,p=1$c2FsdA$aGFzaA", true],
    ["$argon2i$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", true],
    ["$2b$12$abcdefghijklmnopqrstuv", true],
  ])("%s is outdated: %s", (hash, outdated) => {
    expect(isOutdated(hash)).toBe(outdated);
  });
});

describe("what never changes", () => {
  const organizer = newId("user");
  /** A database in which everything is there, unless it is told how statements end. */
  const database = (endings: ("nothing" | Error)[] = []) => {
    const asked: string[][] = [];
    const query = async ({ values: [ids] }: { values: [string[]] }) => {
      asked.push(ids);
      const ending = endings.shift();
      if (ending instanceof Error) throw ending;
      const found = ending === "nothing" ? [] : ids.toReversed();
      return { rows: found.map((id) => ({ id, organizer_id: organizer, eventId: `of ${id}`, userId: "u" })) };
    };
    return { asked, db: { query } as unknown as ConstructorParameters<typeof Origins>[0] };
  };

  test("is asked for by many at once in two statements, and then never again", async () => {
    const { asked, db } = database();
    const origins = new Origins(db);
    const id = newId("event");
    const answers = await Promise.all(Array.from({ length: 100 }, async () => origins.organizerOf(id)));
    expect(new Set(answers)).toEqual(new Set([organizer]));
    expect(origins.organizerOf(id)).toBe(organizer);
    expect(asked).toEqual([[id], [id]]);
  });

  test("is asked for again when it was not there, or could not be asked for", async () => {
    const { asked, db } = database(["nothing", new Error("gone")]);
    const origins = new Origins(db);
    const id = newId("event");
    expect(await origins.organizerOf(id)).toBeNull();
    await expect(origins.organizerOf(id)).rejects.toThrow("gone");
    expect(await origins.organizerOf(id)).toBe(organizer);
    expect(asked).toHaveLength(3);
  });

  test("is remembered for so many only, and what was learned first is forgotten first", async () => {
    const { asked, db } = database();
    const origins = new Origins(db, 2);
    const [a, b, c] = [newId("event"), newId("event"), newId("event")];
    for (const id of [a, b, a, c, a, b]) await origins.organizerOf(id);
    expect(asked).toEqual([[a], [b], [c], [a], [b]]);
  });

  test("of thousands of reservations at once takes a few statements, and of events as well", async () => {
    const { asked, db } = database();
    const origins = new Origins(db);
    const ids = Array.from({ length: 5_000 }, () => newId("reservation"));
    const found = await Promise.all(ids.map((id) => origins.ofReservation(id)));
    expect(found).toEqual(ids.map((id) => ({ eventId: `of ${id}`, userId: "u" })));
    expect(asked.flat()).toEqual(ids);
    expect(asked).toHaveLength(1 + Math.ceil((ids.length - 1) / ORIGINS_PER_STATEMENT_MAX));
    const events = Array.from({ length: 100 }, () => newId("event"));
    await Promise.all(events.map(async (id) => origins.organizerOf(id)));
    expect(asked.slice(-2).flat()).toEqual(events);
  });
});

test("long polls have a limit for all users together", () => {
  const polls = new LongPolls();
  const users = Array.from({ length: LONG_POLLS_MAX / LONG_POLLS_PER_USER_MAX }, () => newId("user"));
  for (const user of users)
    for (let i = 0; i < LONG_POLLS_PER_USER_MAX; i++) expect(polls.enter(user)).not.toBeNull();
  expect(polls.enter(newId("user"))).toBeNull();
});

describe("when to ask again", () => {
  test.each([
    ["nobody knows", null, 1, 2],
    ["at once", 0, 1, 2],
    ["in a moment", 1_001, 2, 3],
    ["in ten seconds", 10_000, 10, 15],
    ["in an hour", 3_600_000, 40, RETRY_AFTER_SECONDS_MAX],
  ])("%s: whole seconds, spread behind the likely end", (_, estimatedWaitMs, least, most) => {
    expect(retryAfterSeconds(estimatedWaitMs, () => 0)).toBe(least);
    expect(retryAfterSeconds(estimatedWaitMs, () => 0.999_999)).toBe(most);
  });

  test("thousands who are told at once come back evenly, second by second", () => {
    const asked = 12_000;
    const seconds = Array.from({ length: asked }, () => retryAfterSeconds(10_000));
    const bySecond = Map.groupBy(seconds, (second) => second);
    expect([...bySecond.keys()].sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15]);
    for (const those of bySecond.values()) {
      expect(those.length).toBeGreaterThan((asked / 6) * 0.8);
      expect(those.length).toBeLessThan((asked / 6) * 1.2);
    }
  });
});

describe("configuration", () => {
  const needed = {
    DATABASE_URL: "postgresql://holdfast@localhost/holdfast",
    REDIS_URL: "redis://localhost",
    JWT_SECRET: "x".repeat(32),
    WEBHOOK_ENCRYPTION_KEY: "y".repeat(32),
  };
  test("listens everywhere in production, and on this machine only in local mode, unless told otherwise", () => {
    expect(GatewayConfig.parse(needed)).toMatchObject({ HOST: "0.0.0.0", PORT: 3000, RATE_LIMITS: "on" });
    expect(GatewayConfig.parse({ ...needed, HOLDFAST_MODE: "local" }).HOST).toBe("127.0.0.1");
    expect(GatewayConfig.parse({ ...needed, HOST: "::1" }).HOST).toBe("::1");
  });

  test("believes the proxies that are named", () => {
    expect(GatewayConfig.parse({ ...needed, TRUST_PROXY: "10.0.0.0/8,::1" }).TRUST_PROXY).toEqual([
      "10.0.0.0/8",
      "::1",
    ]);
    expect(GatewayConfig.safeParse({ ...needed, TRUST_PROXY: "everybody" }).success).toBe(false);
  });
});

test("Markdown becomes a page in which nothing of the text is markup", () => {
  const page = pageOfMarkdown('# A <b> & `c"d`\n\nText\nover lines.\n\n- one\n- two `x`\n\n### Sub heading!');
  expect(page).toContain('<h1 id="a-b-cd">A &lt;b&gt; &amp; <code>c&quot;d</code></h1>');
  expect(page).toContain("<p>Text over lines.</p>");
  expect(page).toContain("<ul><li>one</li><li>two <code>x</code></li></ul>");
  expect(page).toContain(`<h3 id="${anchorOf("Sub heading!")}">Sub heading!</h3>`);
});
