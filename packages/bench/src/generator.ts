// The benchmark's end of its load generator: starts it, gives it orders, hears its news.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Answers, LoadNews, LoadOrder, Pressure } from "./load-generator/answers.ts";

const PROGRAM = fileURLToPath(new URL("load-generator/main.ts", import.meta.url));

/** What is asked, in which order: a module that exports `createScript`, as a file URL, and what it is called with. */
export interface ScriptWish {
  readonly module: string;
  /** Sent to the generator once as long as it is the same object: whoever has many blocks makes it once. */
  readonly args: unknown;
}

export interface Generator {
  readonly pid: number;
  /** Resolves when the script is made, at its beginning, and everything is ready to be sent. */
  prepare(script: ScriptWish): Promise<void>;
  /**
   * Resolves when everything that was sent is answered. Takes the script that was prepared: one for each press.
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
  let prepared: ScriptWish | undefined;

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
        if (news.kind === "failed") settle(() => reject(new Error(`load generator: ${news.reason}`)));
        else if (result !== undefined) settle(() => resolve(result));
      };
      const exit = (): void => settle(() => reject(new Error("the load generator ended before its time")));
      child.on("message", hear);
      child.once("exit", exit);
      if (child.connected) child.send(order);
      else exit();
    });
  }

  return {
    pid,
    async prepare({ module, args }) {
      const same = prepared?.module === module && prepared.args === args;
      prepared = undefined;
      const order: LoadOrder = same ? { kind: "prepare-again" } : { kind: "prepare", script: module, args };
      await ask(order, ({ kind }) => kind === "prepared" || undefined);
      prepared = { module, args };
    },
    async press<Reading>(pressure: Pressure, read: () => Promise<Reading>) {
      const readings: Promise<Reading>[] = [];
      const answers = await ask({ kind: "press", ...pressure }, (news) => {
        if (news.kind === "window-begins" || news.kind === "window-ends") {
          const reading = read();
          reading.catch(() => {}); // awaited when the answers are there
          readings.push(reading);
        }
        return news.kind === "answered" ? news.answers : undefined;
      });
      const [before, after] = await Promise.all(readings);
      if (before === undefined || after === undefined) throw new Error("the clock never ran");
      return { answers, before, after };
    },
    close: () => void child.kill(),
  };
}
