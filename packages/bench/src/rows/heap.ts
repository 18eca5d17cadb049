// How much a service keeps: its heap after a collection, asked of Node's inspector.

import { until } from "@holdfast/testkit/fixtures";
import type { ServiceProcess } from "@holdfast/testkit/service";

/** With these settings a service can be asked. Only where no time is taken. */
export const INSPECTED = { NODE_OPTIONS: "--inspect=127.0.0.1:0" } as const;

const LISTENING = /Debugger listening on (ws:\S+)/;

export async function heapBytes({ logs }: Pick<ServiceProcess, "logs">): Promise<number> {
  const url = await until("the inspector listens", () =>
    logs.flatMap((line) => LISTENING.exec(line)?.[1] ?? []).at(0),
  );
  const socket = new WebSocket(url);
  await heard(socket, "open");
  try {
    await ask(socket, "HeapProfiler.collectGarbage");
    const { usedSize } = (await ask(socket, "Runtime.getHeapUsage")) as { usedSize: number };
    return usedSize;
  } finally {
    socket.close();
  }
}

let asked = 0;

async function ask(socket: WebSocket, method: string): Promise<unknown> {
  asked += 1;
  const id = asked;
  socket.send(JSON.stringify({ id, method }));
  for (;;) {
    const { data } = (await heard(socket, "message")) as MessageEvent;
    const answer = JSON.parse(String(data)) as { id?: number; result?: unknown };
    if (answer.id === id) return answer.result; // what else is told is news that nobody asked for
  }
}

const heard = (socket: WebSocket, what: "open" | "message"): Promise<Event> =>
  new Promise((resolve, reject) => {
    socket.addEventListener(what, resolve, { once: true });
    socket.addEventListener("error", () => reject(new Error("the inspector does not answer")), {
      once: true,
    });
  });
