// How a command ended, as its sender learns it: from the answer itself, or by following a 202 to its end.

import { type Command, Problem, Reservation } from "@holdfast/contracts";
import type { CommandId } from "@holdfast/domain";
import { type Answer, type Client, commandOf, followCommand } from "@holdfast/load";

/** Milliseconds within which every command must have ended; else the system is stuck. */
const STUCK_MS = 30_000;

export interface Ending {
  readonly commandId: CommandId;
  readonly status: "succeeded" | "rejected";
  readonly reservation: Reservation | null;
  readonly problem: Problem | null;
  /** The answer to the request itself: 202 when the ending was learned later. */
  readonly answer: Answer;
}

/** "held", "purchased", "cancelled", or the code of the problem. */
export const wordOf = ({ reservation, problem }: Ending): string =>
  problem?.code ?? reservation?.status ?? "nothing";

/** Throws for every answer that is no command's: a 5xx, a 429, or what the gateway refused by itself. */
export async function endingOf(client: Pick<Client, "get">, token: string, answer: Answer): Promise<Ending> {
  const commandId = commandOf(answer);
  if (commandId === null) throw new Error(`no command: ${answer.status} ${JSON.stringify(answer.body)}`);
  if (answer.status === 202) {
    const { status, result, problem } = await followCommand(client, token, commandId, STUCK_MS);
    return { commandId, status, reservation: reservationIn(result), problem, answer };
  }
  if (answer.status === 200 || answer.status === 201) {
    return {
      commandId,
      status: "succeeded",
      reservation: Reservation.parse(answer.body),
      problem: null,
      answer,
    };
  }
  if (answer.status >= 500) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
  return { commandId, status: "rejected", reservation: null, problem: Problem.parse(answer.body), answer };
}

/** What a command made, when that is a reservation. */
export const reservationIn = (result: Command["result"]): Reservation | null =>
  result?.object === "reservation" ? result : null;
