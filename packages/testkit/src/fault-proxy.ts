// A TCP listener in front of a store that breaks the way in between: refuses, falls silent, cuts, delays, or passes a
// request on and keeps its reply. Knows no protocol; what it looks for are bytes.
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";

/** Bytes kept of what went before, so that a text is found across two chunks. */
const TAIL_BYTES = 256;

export interface FaultProxy {
  /** The store's address, through this proxy. */
  readonly url: string;
  /** New connections are refused, and those that are there are cut. */
  refuse(): Promise<void>;
  /** Everything is swallowed, in both directions; connections stay. */
  silence(): void;
  /** Back to passing everything on. What was swallowed stays lost: connections that swallowed are cut. */
  pass(): Promise<void>;
  /** From now on requests take so many milliseconds longer. */
  delay(ms: number): void;
  /** Cuts the connections that are there. */
  cut(): void;
  /**
   * Once: from a request that contains `request` on, replies are swallowed until they contain `reply`; then the
   * connection is cut. So the store has done what was asked, and nobody hears of it. Resolves at the cut.
   */
  loseReply(request: string, reply: string): Promise<void>;
  close(): Promise<void>;
}

interface Trap {
  readonly request: string;
  readonly reply: string;
  readonly sprung: () => void;
}

export async function openFaultProxy(storeUrl: string): Promise<FaultProxy> {
  const store = new URL(storeUrl);
  const sockets = new Set<Socket>();
  let silent = false;
  let delayMs = 0;
  let trap: Trap | null = null;

  const server = createServer((client) => {
    const upstream = createConnection({ host: store.hostname, port: Number(store.port) });
    let caught: Trap | null = null;
    let watched: Trap | null = null;
    let [asked, answered] = ["", ""];
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket.setNoDelay(true));
      socket.on("error", end); // the other side hears of it by its own socket's end
      socket.on("close", () => {
        sockets.delete(socket);
        end();
      });
    }
    client.on("data", (bytes) => {
      if (silent) return;
      if (watched !== trap) [watched, asked] = [trap, ""]; // what was asked before a trap was set is not meant
      asked = asked.slice(-TAIL_BYTES) + bytes.toString("latin1");
      if (caught === null && trap !== null && asked.includes(trap.request)) {
        caught = trap;
        trap = null;
      }
      if (delayMs === 0) upstream.write(bytes);
      else setTimeout(() => upstream.write(bytes), delayMs); // timers of one length keep their order
    });
    upstream.on("data", (bytes) => {
      if (silent) return;
      if (caught === null) {
        client.write(bytes);
        return;
      }
      answered = answered.slice(-TAIL_BYTES) + bytes.toString("latin1");
      if (!answered.includes(caught.reply)) return;
      caught.sprung();
      end();
    });
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => {
        server.off("error", reject);
        resolve();
      });
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const stopListening = (): Promise<void> =>
    new Promise((resolve) => {
      if (server.listening) server.close(() => resolve());
      else resolve();
      cut();
    });

  const url = new URL(storeUrl);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.toString(),
    refuse: stopListening,
    silence: () => {
      silent = true;
    },
    pass: async () => {
      if (silent) cut();
      silent = false;
      if (!server.listening) await listen(port);
    },
    delay: (ms) => {
      delayMs = ms;
    },
    cut,
    loseReply: (request, reply) =>
      new Promise((resolve) => {
        trap = { request, reply, sprung: resolve };
      }),
    close: stopListening,
  };
}
