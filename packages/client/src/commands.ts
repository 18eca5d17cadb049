// One command, from the request to its outcome: sent under one key however often the connection breaks, then followed.
// Knows no rules, and of routes only those of commands themselves.
import { backoffMs, type Clock, jitteredMs, retryAfterMs, within } from "./clock.ts";
import { CommandWithdrawn, ConnectionLost, HoldfastProblem, NoAnswer, StillQueued } from "./errors.ts";
import type { Schemas } from "./operations.ts";
import { type Method, readBody, refusalOf, type Sent, succeeded, type Transport } from "./transport.ts";
import { mayPass, type Subject, watch } from "./watch.ts";

type Command = Schemas["Command"];

export interface CommandOptions {
  /** Milliseconds to wait for the outcome, 30 s unless told otherwise. 0: only until it is known that it is accepted. */
  readonly wait?: number;
  /** Made when none is given: 1 to 255 visible ASCII characters. The same command under the same key is one command, for a day and more. */
  readonly idempotencyKey?: string;
  /** Ends the waiting, not the command. */
  readonly signal?: AbortSignal;
  /** Called whenever it is known where in the queue the command is. */
  readonly onProgress?: (command: Command) => void;
  /** For what organizers change: only if the event still has this version. */
  readonly ifVersion?: number;
}

const WAIT_MS = 30_000;
/** Seconds that the API lets the sender of a command wait for its answer, and that one waits who wants to see it progress. */
const SEND_WAIT_SECONDS_MAX = 10;
const SEND_WAIT_SEEING_SECONDS = 2;
/** Milliseconds that an answer may take beyond what it was asked to wait: by so much a wait may be too long. */
const ANSWER_MS = 5_000;
/** Seconds that a look at a command waits for its end: often enough to tell its place meanwhile. */
const LOOK_WAIT_SECONDS = 10;
const KEY_BYTES = 16;

const COMMAND_EVENTS = ["queued", "succeeded", "rejected", "failed", "withdrawn"];

/** What becomes of a command: where it is in the queue, whenever that changes, and how it ended. Then it ends, too. */
export function followCommand(
  transport: Transport,
  id: string,
  signal?: AbortSignal,
): AsyncGenerator<Command, void, undefined> {
  const subject: Subject<Command> = {
    path: "/v1/commands/{id}",
    id,
    eventTypes: COMMAND_EVENTS,
    pollWaitSeconds: LOOK_WAIT_SECONDS,
    ends: ({ status }) => status !== "queued",
  };
  return watch(transport, subject, signal);
}

/** Takes a command back. Resolves to it when it had not had its turn; else it is a problem, `already-finished`. */
export async function withdraw(transport: Transport, id: string, signal?: AbortSignal): Promise<Command> {
  const sent = { params: { path: { id } }, ...(signal === undefined ? {} : { signal }) };
  return (await succeeded(await transport.send("delete", "/v1/commands/{id}", sent))) as Command;
}

/** Resolves to what the command made or changed. Throws what it was refused with, and whatever else keeps one from knowing. */
export async function runCommand(
  transport: Transport,
  method: Method,
  path: string,
  sent: Sent,
  options: CommandOptions,
): Promise<unknown> {
  const { clock } = transport;
  const key = options.idempotencyKey ?? newKey();
  const deadline = clock.now() + (options.wait ?? WAIT_MS);
  const answer = await sendCommand(transport, method, path, sent, { ...options, key, deadline });
  if (answer.status !== 202) return answer.body;

  let known = answer.body as Command;
  options.onProgress?.(known);
  if (clock.now() >= deadline) throw new StillQueued(known, key);
  const waiting = untilDeadline(clock, deadline, options.signal);
  try {
    for await (const command of followCommand(transport, known.id, waiting.signal)) {
      known = command;
      if (command.status === "queued") options.onProgress?.(command);
    }
  } catch (error) {
    if (waiting.isOver()) throw new StillQueued(known, key);
    throw error;
  } finally {
    waiting.end();
  }
  return resultOf(known);
}

interface Sending extends CommandOptions {
  readonly key: string;
  readonly deadline: number;
}

/** Sends until there is an answer that is no "later", or no time is left; some there always is. Throws refusals. */
async function sendCommand(
  transport: Transport,
  method: Method,
  path: string,
  sent: Sent,
  { key, deadline, signal, ifVersion, onProgress }: Sending,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const { clock } = transport;
  const sendUntil = Math.max(deadline, clock.now() + ANSWER_MS);
  const waitSecondsMax = onProgress === undefined ? SEND_WAIT_SECONDS_MAX : SEND_WAIT_SEEING_SECONDS;
  let lost = false;
  for (let failures = 1; ; failures++) {
    const seconds = Math.floor(Math.max(0, deadline - clock.now()) / 1_000);
    const waitSeconds = Math.min(seconds, waitSecondsMax);
    const headers = {
      ...sent.headers,
      "idempotency-key": key,
      prefer: waitSeconds === 0 ? "respond-async" : `wait=${waitSeconds}`,
      // Of a tag only the version counts.
      ...(ifVersion === undefined ? {} : { "if-match": `"${ifVersion}.0"` }),
    };
    let pauseMs = backoffMs(clock, failures);
    let cause: Error;
    try {
      const { response, body } = await within(
        clock,
        waitSeconds * 1_000 + ANSWER_MS,
        signal,
        () => new ConnectionLost("no answer came in time"),
        async (limit) => {
          const answer = await transport.send(method, path, { ...sent, headers, signal: limit });
          return { response: answer, body: await readBody(answer) };
        },
      );
      if (response.ok) return { status: response.status, body };
      cause = refusalOf(response, body);
      if (!mayPass(response.status)) throw withdrawnIn(cause) ?? cause;
      // These two are refused at the door. With anything else, the command may be in the queue.
      lost ||= !(cause instanceof HoldfastProblem && cause.is("rate-limited", "queue-full"));
      const afterMs = retryAfterMs(response.headers);
      if (afterMs !== null) pauseMs = jitteredMs(clock, afterMs);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      cause = error;
      lost = true;
    }
    if (clock.now() + pauseMs >= sendUntil) throw lost ? new NoAnswer(key, cause) : cause;
    await clock.pause(pauseMs, signal);
  }
}

/** What a command made or changed; throws when it did not. */
function resultOf(command: Command): unknown {
  switch (command.status) {
    case "succeeded":
      return command.result;
    case "withdrawn":
      throw new CommandWithdrawn(command);
    case "rejected":
    case "failed":
    case "queued":
      if (command.problem === null) throw new Error(`${command.id} is ${command.status}, and says no more`);
      throw new HoldfastProblem(command.problem);
  }
}

/** Sent again under its key, a withdrawn command is refused: to its sender that is the same. */
function withdrawnIn(refusal: Error): CommandWithdrawn | null {
  if (!(refusal instanceof HoldfastProblem) || !refusal.is("already-finished")) return null;
  const { command } = refusal.members;
  return command?.status === "withdrawn" ? new CommandWithdrawn(command) : null;
}

interface Waiting {
  /** Aborts at the deadline, and with the caller's. */
  readonly signal: AbortSignal;
  /** True when it was the deadline. */
  isOver(): boolean;
  end(): void;
}

function untilDeadline(clock: Clock, deadline: number, signal: AbortSignal | undefined): Waiting {
  const over = new AbortController();
  const ended = new AbortController();
  clock.pause(deadline - clock.now(), ended.signal).then(
    () => over.abort(),
    () => {}, // it ended before
  );
  return {
    signal: signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]),
    isOver: () => over.signal.aborted && signal?.aborted !== true,
    end: () => ended.abort(),
  };
}

/** Browsers have `randomUUID` on secure pages only. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
