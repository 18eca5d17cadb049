// Presses a server with a script: opens all connections, lets the clock run, and waits for everything that was sent, so
// that rows can be compared with answers.
import { setTimeout as pause } from "node:timers/promises";
import type { Answers, Pressure } from "./answers.ts";
import { HttpConnection } from "./http-connection.ts";
import type { ResponseHeard } from "./http-response.ts";
import { pace } from "./pacing.ts";
import type { LoadRequest, LoadScript } from "./script.ts";
import { createTally } from "./tally.ts";

/** Connections that are opened at once: a server's backlog has an end. */
const OPENING_MAX = 100;
/** Milliseconds after which a request without an answer counts as broken, and between two looks for such ones. */
const ANSWER_TIMEOUT_MS = 30_000;
const TIMEOUT_LOOK_EVERY_MS = 1_000;
const MS_PER_SECOND = 1_000;

export interface Clock {
  begins(): void;
  ends(): void;
}

interface Client {
  /** Null while it is replaced: then the request waits for the next one. */
  connection: HttpConnection | null;
  request: LoadRequest | null;
  /** When the request was to leave, and when it did. */
  due: number;
  sentAt: number;
}

/** Rejects when nobody listens (any more), when the script fails, and when it has nothing left to ask. */
export async function press(script: LoadScript, pressure: Pressure, clock: Clock): Promise<Answers> {
  const { url, loop, warmUpSeconds, seconds } = pressure;
  const { hostname, port } = new URL(url);
  const isOpen = loop.kind === "open";
  const clients = Array.from(
    { length: isOpen ? loop.connections : loop.clients },
    (): Client => ({ connection: null, request: null, due: 0, sentAt: 0 }),
  );
  const over = Promise.withResolvers<void>();
  over.promise.catch(() => {}); // awaited where the clock runs
  let underWay = 0;
  let stopped = false;

  const connect = async (client: Client, number: number): Promise<void> => {
    client.connection = await HttpConnection.open(hostname, Number(port), {
      answered: (response) => orFail(() => hear(client, number, response)),
      gone: () => orFail(() => lose(client, number)),
    });
  };
  await inWaves(clients, connect);

  const begun = Math.floor(performance.now()); // whole, so that what is due at an end of the window is on one side of it
  const begins = begun + warmUpSeconds * MS_PER_SECOND;
  const ends = begins + seconds * MS_PER_SECOND;
  const tally = createTally({ begins, ends });

  function orFail(act: () => void): void {
    try {
      act();
    } catch (error) {
      over.reject(error);
    }
  }
  const pacing = pace(loop, (number, due, now) => {
    const request = script.next(isOpen ? -1 : number);
    const client = clients[number];
    if (client === undefined) throw new Error(`there is no client ${number}`);
    if (request === null) throw new Error("nothing is left to be asked: give the script more");
    client.request = request;
    client.due = due;
    client.sentAt = now;
    underWay += 1;
    tally.sent(request, now - due);
    client.connection?.send(request.bytes);
  });
  function hear(client: Client, number: number, response: ResponseHeard): void {
    const { request, due } = client;
    if (request === null) throw new Error("an answer came that nobody has asked for");
    const { status, closes } = response;
    const now = performance.now();
    const moments = { since: due, now, countsAs: isOpen ? due : now };
    tally.answered(request, status, () => response.body(), moments);
    script.answered?.(request, status, request.wantsBody === true ? response.body() : "", response.header);
    if (closes) {
      client.connection?.close();
      replace(client, number);
    }
    free(client, number, now);
  }
  /** A connection that waits for a request may go: servers close what is idle. */
  function lose(client: Client, number: number): void {
    replace(client, number);
    if (client.request === null) return;
    tally.broken();
    free(client, number, performance.now());
  }
  function replace(client: Client, number: number): void {
    client.connection = null;
    connect(client, number).then(
      () => client.request !== null && client.connection?.send(client.request.bytes),
      over.reject, // nobody listens any more
    );
  }
  function free(client: Client, number: number, now: number): void {
    client.request = null;
    underWay -= 1;
    pacing.free(number, now);
    endWhenDone();
  }
  function endWhenDone(): void {
    if (stopped && underWay === 0 && pacing.caughtUp) over.resolve();
  }

  const cutLate = setInterval(() => {
    const late = performance.now() - ANSWER_TIMEOUT_MS;
    for (const { connection, request, sentAt } of clients) {
      if (request !== null && sentAt < late) connection?.cut();
    }
  }, TIMEOUT_LOOK_EVERY_MS);
  const until = (moment: number): Promise<void> =>
    Promise.race([over.promise, pause(Math.max(0, moment - performance.now()), undefined, { ref: false })]);
  try {
    orFail(() => pacing.begin(begun));
    await until(begins);
    clock.begins();
    await until(ends);
    clock.ends();
    stopped = true;
    orFail(() => pacing.stop(performance.now()));
    endWhenDone();
    await over.promise;
  } finally {
    clearInterval(cutLate);
    stopped = true;
    pacing.stop(begun);
    for (const { connection } of clients) connection?.close();
  }
  return tally.answers(script.summary?.() ?? null);
}

async function inWaves(
  clients: readonly Client[],
  connect: (client: Client, number: number) => Promise<void>,
) {
  for (let first = 0; first < clients.length; first += OPENING_MAX) {
    const wave = clients.slice(first, first + OPENING_MAX);
    await Promise.all(wave.map((client, n) => connect(client, first + n)));
  }
}
