// Configuration, log, ids, and the life of a service inside a host of the test's own.
import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
import { describe, expect, test, vi } from "vitest";
import type { z } from "zod";
import {
  ConfigError,
  createLogger,
  type Host,
  loadConfig,
  newId,
  type Opened,
  runService,
  runTask,
  ServiceConfig,
  StoresConfig,
} from "../src/index.ts";

describe("loadConfig", () => {
  test("fills in defaults and keeps what it does not know out", () => {
    expect(loadConfig(ServiceConfig, { HOME: "/root" })).toEqual({
      HOLDFAST_MODE: "production",
      LOG_LEVEL: "info",
      LOG_FORMAT: "json",
    });
  });

  test("takes an empty variable for an absent one", () => {
    expect(loadConfig(ServiceConfig, { LOG_LEVEL: "", LOG_FORMAT: undefined }).LOG_LEVEL).toBe("info");
  });

  test("tells every mistake at once, and no value", () => {
    const env = { DATABASE_URL: "mysql://secret@host/db", LOG_LEVEL: "loud" };
    const load = () => loadConfig(StoresConfig, env);
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(/DATABASE_URL: must be a URL such as/);
    expect(load).toThrow(/REDIS_URL: is missing/);
    expect(load).toThrow(/LOG_LEVEL: /);
    expect(load).not.toThrow(/secret/);
  });

  test("refuses what is no URL", () => {
    expect(() => loadConfig(StoresConfig, { DATABASE_URL: "nonsense", REDIS_URL: "redis://x" })).toThrow(
      /DATABASE_URL/,
    );
  });
});

function collector(): { out: Writable; text: () => string } {
  let text = "";
  const out = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  return { out, text: () => text };
}

describe("the log", () => {
  test("is JSON with the service's name, and shows no secrets", () => {
    const { out, text } = collector();
    const log = createLogger({ level: "info", format: "json", service: "test" }, out);
    log.info({ password: "canary", user: { email: "canary@example.test" } }, "hello");
    log.debug("not shown");
    const line = JSON.parse(text());
    expect(line).toMatchObject({ level: "info", service: "test", msg: "hello", password: "[redacted]" });
    expect(text()).not.toContain("canary");
  });

  test("names a database error by code and constraint, and leaves out the row", () => {
    const { out, text } = collector();
    const cause = Object.assign(new Error("duplicate key"), {
      code: "23505",
      constraint: "users_email_key",
      detail: "canary",
    });
    createLogger({ level: "info", format: "json", service: "test" }, out).error(
      { err: new Error("x", { cause }) },
      "failed",
    );
    expect(JSON.parse(text()).err).toMatchObject({
      message: "x",
      cause: { code: "23505", constraint: "users_email_key", message: "duplicate key" },
    });
    expect(text()).not.toContain("canary");
    createLogger({ level: "info", format: "json", service: "test" }, out).error(
      { err: "just text" },
      "failed",
    );
    expect(text()).toContain("just text");
  });

  test("is one readable line each as text", async () => {
    const { out, text } = collector();
    createLogger({ level: "info", format: "text", service: "test" }, out).info({ a: 1 }, "hello");
    await vi.waitFor(() => expect(text()).toMatch(/^\[?\d\d:\d\d:\d\d\.\d+\]? INFO: hello \{"a":1\}\n$/));
  });
});

test("new ids sort by the time of their making", () => {
  const ids = Array.from({ length: 1_000 }, () => newId("event"));
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(1_000);
  expect(ids[0]).toMatch(/^evt_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
});

class FakeHost extends EventEmitter implements Host {
  readonly env: Record<string, string>;
  readonly said: string[] = [];
  readonly messages: unknown[] = [];
  readonly log = collector().out;
  readonly exited: Promise<number>;
  exit: (code: number) => void;

  constructor(env: Record<string, string> = {}) {
    super();
    this.env = { LOG_LEVEL: "fatal", METRICS_PORT: "off", ...env };
    const { promise, resolve } = Promise.withResolvers<number>();
    this.exited = promise;
    this.exit = resolve;
  }

  send(message: unknown): void {
    this.messages.push(message);
  }

  complain(text: string): void {
    this.said.push(text);
  }
}

describe("a service", () => {
  const idle = async (): Promise<Opened> => ({ stop: async () => {} });

  test.each(["SIGTERM", "SIGINT", "disconnect"])(
    "says that it is ready, and on %s stops and exits with 0",
    async (signal) => {
      const host = new FakeHost();
      const stop = vi.fn(async () => {});
      const opening = Promise.withResolvers<AbortSignal>();
      await runService(
        "test",
        ServiceConfig,
        async ({ service }) => {
          opening.resolve(service.stopping);
          return { url: "http://localhost:1", stop };
        },
        host,
      );
      expect(host.messages).toEqual([{ type: "ready", url: "http://localhost:1" }]);
      expect((await opening.promise).aborted).toBe(false);
      host.emit(signal);
      host.emit(signal);
      expect(await host.exited).toBe(0);
      expect(stop).toHaveBeenCalledTimes(1);
      expect((await opening.promise).aborted).toBe(true);
    },
  );

  test("without an address says only that it is ready", async () => {
    const host = new FakeHost();
    await runService("test", ServiceConfig, idle, host);
    expect(host.messages).toEqual([{ type: "ready" }]);
  });

  test("with a mistake in its environment says so and exits with 1", async () => {
    const host = new FakeHost({ LOG_FORMAT: "xml" });
    const open = vi.fn(idle);
    await runService("test", ServiceConfig, open, host);
    expect(await host.exited).toBe(1);
    expect(host.said.join()).toContain("LOG_FORMAT");
    expect(open).not.toHaveBeenCalled();
  });

  test("with failpoints in production says so and exits with 1", async () => {
    const host = new FakeHost({ HOLDFAST_MODE: "production", FAILPOINTS: "before-commit=kill" });
    const open = vi.fn(idle);
    await runService("test", ServiceConfig, open, host);
    expect(await host.exited).toBe(1);
    expect(host.said.join()).toContain("FAILPOINTS: not in production");
    expect(open).not.toHaveBeenCalled();
  });

  test("that throws while it reads its environment is a bug, not a mistake of the environment", async () => {
    const broken = ServiceConfig.refine(() => {
      throw new TypeError("bug");
    }) as unknown as z.ZodType<ServiceConfig>;
    await expect(runService("test", broken, idle, new FakeHost())).rejects.toThrow("bug");
  });

  test("that cannot open exits with 1 and is never ready", async () => {
    const host = new FakeHost();
    await runService("test", ServiceConfig, async () => Promise.reject(new Error("no store")), host);
    expect(await host.exited).toBe(1);
    expect(host.messages).toEqual([]);
  });

  test("that is asked to stop while it opens stops when it is open, and is never ready", async () => {
    const host = new FakeHost();
    const opened = Promise.withResolvers<Opened>();
    const running = runService("test", ServiceConfig, () => opened.promise, host);
    host.emit("SIGTERM");
    const stop = vi.fn(async () => {});
    opened.resolve({ stop });
    await running;
    expect(await host.exited).toBe(0);
    expect(stop).toHaveBeenCalledTimes(1);
    expect(host.messages).toEqual([]);
  });

  test.each(["uncaughtException", "unhandledRejection"])(
    "stops after an %s and exits with 1",
    async (fault) => {
      const host = new FakeHost();
      const stop = vi.fn(async () => {});
      await runService("test", ServiceConfig, async () => ({ stop }), host);
      host.emit(fault, new Error("bug"));
      expect(await host.exited).toBe(1);
      expect(stop).toHaveBeenCalledTimes(1);
    },
  );

  test("that says it cannot go on, and one whose stop fails, exit with 1", async () => {
    const failing = new FakeHost();
    await runService(
      "test",
      ServiceConfig,
      async ({ service }) => {
        setImmediate(() => service.fail(new Error("lost its store")));
        return { stop: async () => {} };
      },
      failing,
    );
    expect(await failing.exited).toBe(1);

    const stuck = new FakeHost();
    await runService(
      "test",
      ServiceConfig,
      async () => ({ stop: () => Promise.reject(new Error("x")) }),
      stuck,
    );
    stuck.emit("SIGTERM");
    expect(await stuck.exited).toBe(1);
  });

  test("that does not stop in time exits with 1 all the same", async () => {
    vi.useFakeTimers();
    try {
      const host = new FakeHost();
      await runService(
        "test",
        ServiceConfig,
        async () => ({ stop: () => new Promise<void>(() => {}) }),
        host,
      );
      host.emit("SIGTERM");
      await vi.runAllTimersAsync();
      expect(await host.exited).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("a task", () => {
  test("exits with 0 when it is done", async () => {
    const host = new FakeHost();
    const task = vi.fn(async () => {});
    await runTask("test", ServiceConfig, task, host);
    expect(await host.exited).toBe(0);
    expect(task).toHaveBeenCalledTimes(1);
  });

  test("exits with 1 when it fails", async () => {
    const host = new FakeHost();
    await runTask("test", ServiceConfig, () => Promise.reject(new Error("no store")), host);
    expect(await host.exited).toBe(1);
  });

  test("with a mistake in its environment says so, exits with 1 and does nothing", async () => {
    const host = new FakeHost({ LOG_FORMAT: "xml" });
    const task = vi.fn(async () => {});
    await runTask("test", ServiceConfig, task, host);
    expect(await host.exited).toBe(1);
    expect(host.said.join()).toContain("LOG_FORMAT");
    expect(task).not.toHaveBeenCalled();
  });
});
