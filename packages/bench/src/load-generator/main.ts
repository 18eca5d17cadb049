// The load generator, a process of its own so that its CPU time is not taken for anybody else's. It loads a script and
// presses a server with it, as the benchmark orders.
import process from "node:process";
import type { LoadNews, LoadOrder } from "./answers.ts";
import { press } from "./press.ts";
import type { CreateScript, LoadScript } from "./script.ts";

let make: (() => LoadScript) | undefined;
let script: LoadScript | undefined;

process.on("message", (order: LoadOrder) => {
  obey(order).catch((error: unknown) =>
    tell({ kind: "failed", reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on("disconnect", () => process.exit());

async function obey(order: LoadOrder): Promise<void> {
  switch (order.kind) {
    case "prepare": {
      script = undefined;
      make = undefined; // what the last one was made with may go
      const { createScript } = (await import(order.script)) as { createScript: CreateScript<unknown> };
      make = () => createScript(order.args);
      script = make();
      tell({ kind: "prepared" });
      break;
    }
    case "prepare-again":
      script = make?.();
      tell({ kind: "prepared" });
      break;
    case "press": {
      const pressed = script;
      script = undefined; // what it has asked is asked
      if (pressed === undefined) throw new Error("no script is prepared");
      const answers = await press(pressed, order, {
        begins: () => tell({ kind: "window-begins" }),
        ends: () => tell({ kind: "window-ends" }),
      });
      tell({ kind: "answered", answers });
    }
  }
}

function tell(news: LoadNews): void {
  process.send?.(news);
}
