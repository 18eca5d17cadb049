// What the clients of a drill sent and were told, held against the tables and against what is told now.

import type { Command } from "@holdfast/contracts";
import type { CommandId, EventId, Outcome, UserId } from "@holdfast/domain";
import { type Client, readCommand } from "@holdfast/load";
import type pg from "pg";
import { inParallel, tally } from "./crowd.ts";
import { type Ending, reservationIn, wordOf } from "./endings.ts";

const READS_AT_ONCE = 64;

export interface Entry {
  /** Entries of one chain were accepted one after another, in the order in which they were recorded. */
  readonly chain: number;
  readonly eventId: EventId;
  readonly token: string;
  readonly ending: Ending;
}

/** A command that was sent and never answered: it may have an outcome, or none. */
export interface Unknown {
  readonly userId: UserId;
  readonly eventId: EventId;
}

interface EndedRow {
  command_id: CommandId;
  user_id: UserId;
  event_id: EventId;
  /** Null for what was withdrawn: it had no turn. */
  seq: string | null;
  outcome: Outcome;
}

/** What in the tables contradicts the history, in words. Empty when every answer stands, once and in order. */
export async function contradictionsOf(
  history: readonly Entry[],
  pool: pg.Pool,
  client: Client,
  unknowns: readonly Unknown[] = [],
): Promise<string[]> {
  const found: string[] = [];
  const { rows } = await pool.query<EndedRow>(
    "SELECT command_id, user_id, event_id, seq, outcome FROM outcomes WHERE user_id IS NOT NULL",
  );
  const ended = new Map(rows.map((row) => [row.command_id, row]));
  const sent = new Map(history.map((entry) => [entry.ending.commandId, entry]));
  const unheard = tally(unknowns.map(({ userId, eventId }) => `${userId} ${eventId}`));
  for (const { command_id, user_id, event_id } of rows.filter((row) => !sent.has(row.command_id))) {
    const sender = `${user_id} ${event_id}`;
    unheard[sender] = (unheard[sender] ?? 0) - 1;
    if (unheard[sender] < 0) found.push(`${command_id} ended and nobody was told`);
  }

  const lastOfChain = new Map<number, number>();
  for (const { chain, eventId, ending } of history) {
    const row = ended.get(ending.commandId);
    if (row === undefined) {
      found.push(`${ending.commandId} was answered ${wordOf(ending)} and has no outcome`);
      continue;
    }
    if (row.event_id !== eventId) found.push(`${ending.commandId} ended in another event`);
    if (!saysTheSame(ending, row.outcome)) {
      found.push(
        `${ending.commandId} was answered ${wordOf(ending)}, its outcome is ${JSON.stringify(row.outcome)}`,
      );
    }
    if (row.seq === null) continue;
    const before = lastOfChain.get(chain) ?? 0;
    const seq = Number(row.seq);
    if (seq < before)
      found.push(`${ending.commandId} is number ${seq}, what was accepted before it is ${before}`);
    lastOfChain.set(chain, Math.max(before, seq));
  }

  await inParallel([...sent.values()], READS_AT_ONCE, async ({ token, ending }) => {
    const told = await readCommand(client, token, ending.commandId);
    if (!isTold(ending, told))
      found.push(`${ending.commandId} was answered ${wordOf(ending)}, is told ${told.status}`);
  });
  return found;
}

function saysTheSame({ status, reservation, problem }: Ending, outcome: Outcome): boolean {
  switch (outcome.status) {
    case "succeeded":
      return (
        status === "succeeded" &&
        reservation?.id === outcome.reservation?.id &&
        reservation?.status === outcome.reservation?.status
      );
    case "rejected":
      return status === "rejected" && problem?.code === outcome.refusal.code;
    case "failed":
    case "withdrawn": // nobody withdraws anything here
      return false;
  }
}

function isTold(ending: Ending, told: Command): boolean {
  const reservation = reservationIn(told.result);
  return (
    told.status === ending.status &&
    reservation?.id === ending.reservation?.id &&
    reservation?.status === ending.reservation?.status &&
    told.problem?.code === ending.problem?.code
  );
}
