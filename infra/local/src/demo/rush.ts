// A rush: buyers who reserve at once, then buy, cancel or let their hold stand. Every answer is kept as it was told.
// Knows HTTP and nothing of the database: what the answers are worth is the verdict's business.
import { setTimeout as pause } from "node:timers/promises";
import { Problem, Reservation } from "@holdfast/contracts";
import type { CommandId, EventId, UserId } from "@holdfast/domain";
import { type Answer, at, type Client, commandOf, followCommand, inParallel } from "@holdfast/load";

/** Requests are tried so often, under one key, when no answer or none that counts comes. */
const TRIES_MAX = 8;
/** Milliseconds before the second try; each further one waits twice as long. */
const FIRST_PAUSE_MS = 100;
/** Milliseconds within which a promised command must have ended. */
const PROMISE_MS = 60_000;
/** Of so many holders in turn, one cancels and one lets the hold stand; the others buy. */
const TURNS = 10;

export interface RushBuyer {
  readonly userId: UserId;
  readonly token: string;
}

export const DEEDS = ["reserve", "purchase", "cancel"] as const;
export type DeedKind = (typeof DEEDS)[number];

export type Told =
  | { readonly status: "succeeded"; readonly commandId: CommandId; readonly reservation: Reservation }
  | { readonly status: "rejected"; readonly commandId: CommandId; readonly problem: Problem }
  /** No try came to an answer that says how it ended. */
  | { readonly status: "unanswered"; readonly why: string };

/** Something that a buyer asked for, and what the buyer was told in the end. */
export interface Deed {
  readonly userId: UserId;
  readonly kind: DeedKind;
  readonly told: Told;
  /** Milliseconds from the first try to the outcome. */
  readonly tookMs: number;
  /** Why earlier tries came to nothing, a word each. */
  readonly troubles: readonly string[];
}

/** "held", "purchased", "cancelled", the code of the problem, or "unanswered". */
export function wordOf(told: Told): string {
  if (told.status === "succeeded") return told.reservation.status;
  return told.status === "rejected" ? told.problem.code : told.status;
}

export interface RushOptions {
  /** The gateways; buyers are spread over them. */
  readonly clients: readonly Client[];
  readonly eventId: EventId;
  readonly buyers: readonly RushBuyer[];
  /** Buyers at work at once. */
  readonly width: number;
  readonly signal: AbortSignal;
  /** Hears of every deed as soon as it is known. */
  readonly onDeed: (deed: Deed) => void;
}

/** Resolves with everything that was done, in no order. Rejects when it is aborted. */
export async function rush({
  clients,
  eventId,
  buyers,
  width,
  signal,
  onDeed,
}: RushOptions): Promise<Deed[]> {
  const deeds: Deed[] = [];

  async function act(n: number, buyer: RushBuyer, kind: DeedKind, path: string): Promise<Told> {
    const key = `demo-${eventId}-${kind}`;
    const begun = performance.now();
    const troubles: string[] = [];
    let told = await attempt(at(clients, n), buyer.token, path, key);
    while (told.status === "unanswered" && troubles.length < TRIES_MAX - 1) {
      await pause(FIRST_PAUSE_MS * 2 ** troubles.length, undefined, { signal });
      troubles.push(told.why);
      told = await attempt(at(clients, n + troubles.length), buyer.token, path, key);
    }
    signal.throwIfAborted();
    const deed = { userId: buyer.userId, kind, told, tookMs: performance.now() - begun, troubles };
    deeds.push(deed);
    onDeed(deed);
    return told;
  }

  await inParallel(buyers, width, async (buyer, n) => {
    signal.throwIfAborted();
    const told = await act(n, buyer, "reserve", `/v1/events/${eventId}/reserve`);
    if (told.status !== "succeeded") return;
    const next = nextDeed(n);
    if (next !== null) await act(n, buyer, next, `/v1/reservations/${told.reservation.id}/${next}`);
  });
  return deeds;
}

function nextDeed(n: number): "purchase" | "cancel" | null {
  const turn = n % TURNS;
  if (turn === TURNS - 1) return null;
  return turn === TURNS - 2 ? "cancel" : "purchase";
}

async function attempt(client: Client, token: string, path: string, key: string): Promise<Told> {
  try {
    const answer = await client.post(path, { token, headers: { "idempotency-key": key } });
    return await endOf(client, token, answer);
  } catch (error) {
    return { status: "unanswered", why: troubleOf(error) };
  }
}

async function endOf(client: Client, token: string, answer: Answer): Promise<Told> {
  const commandId = commandOf(answer);
  if (commandId === null || answer.status >= 500)
    return { status: "unanswered", why: `HTTP ${answer.status}` };
  if (answer.status === 202) {
    const { result, problem } = await followCommand(client, token, commandId, PROMISE_MS);
    if (problem !== null) return { status: "rejected", commandId, problem };
    return { status: "succeeded", commandId, reservation: Reservation.parse(result) };
  }
  return answer.status < 300
    ? { status: "succeeded", commandId, reservation: Reservation.parse(answer.body) }
    : { status: "rejected", commandId, problem: Problem.parse(answer.body) };
}

/** The word that a connection's error goes by, else what it says. */
function troubleOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
