// The benchmark's end of its load generator: starts it, gives it orders, hears its news.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { UserId } from "@holdfast/domain";
import type { Answers, LoadNews, LoadOrder, Pressure } from "./load-messages.ts";

const PROGRAM = fileURLToPath(new URL("load.ts", import.meta.url));

export interface Generator {
  readonly pid: number;
  /** Resolves when a request of each user is ready to be sent. */
  prepare(requests: { userIds: readonly UserId[]; path: string; secret: string }): Promise<void>;
  /**
   * Resolves when everything that was sent is answered. Users ask in the order in which they were prepared.
   * `read` is called when the time that counts begins, and when it ends.
   */
  press<Reading>(pressure: Pressure, read: () => Promise<Reading>): Promise<Pressed<Reading>>;
  close(): void;
}

export interface Pressed<Reading> {
  readonly answers: Answers;
  readonly before: Reading;
  readonly after: Reading;
}

export function openGenerator(): Generator {
  const child = fork(PROGRAM, { serialization: "advanced" });
  const { pid } = child;
  if (pid === undefined) throw new Error("the load generator could not be started");

  /** Sends an order and takes the news until `take` has what was awaited. */
  function ask<Result>(order: LoadOrder, take: (news: LoadNews) => Result | undefined): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        child.off("message", hear);
        child.off("exit", exit);
        act();
      };
      const hear = (news: LoadNews): void => {
        const result = take(news);
        if (result !== undefined) settle(() => resolve(result));
      };
      const exit = (): void => settle(() => reject(new Error("the load generator ended before its time")));
      child.on("message", hear);
      child.once("exit", exit);
      child.send(order);
    });
  }

  return {
    pid,
    prepare: async (requests) => {
      await ask({ kind: "prepare", ...requests }, ({ kind }) => kind === "prepared" || undefined);
    },
    async press<Reading>(pressure: Pressure, read: () => Promise<Reading>) {
      const readings: Promise<Reading>[] = [];
      const answers = await ask({ kind: "press", ...pressure }, (news) => {
        if (news.kind === "window-begins" || news.kind === "window-ends") readings.push(read());
        return news.kind === "answered" ? news.answers : undefined;
      });
      const [before, after] = await Promise.all(readings);
      if (before === undefined || after === undefined) throw new Error("the clock never ran");
      return { answers, before, after };
    },
    close: () => void child.kill(),
  };
}
