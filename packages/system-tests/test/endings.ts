// How a command ended, as its sender learns it: from the answer itself, or by following a 202 to its end.
import { Command, Problem, Reservation } from "@holdfast/contracts";
import type { CommandId } from "@holdfast/domain";
import type { Answer, Client } from "./client.ts";

/** Milliseconds within which every command must have ended; else the system is stuck. */
const STUCK_MS = 30_000;
const POLL_WAIT_SECONDS = 25;

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
  if (answer.status === 202) return { ...(await follow(client, token, commandId)), answer };
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

/** Which command an answer is about; null when it is about none. */
export function commandOf({ headers }: Answer): CommandId | null {
  const found = /<\/v1\/commands\/(cmd_\w+)>; rel="monitor"/.exec(headers["link"] ?? "")?.[1];
  return found === undefined ? null : (found as CommandId);
}

export async function readCommand(
  client: Pick<Client, "get">,
  token: string,
  id: CommandId,
  waitSeconds?: number,
): Promise<Command> {
  const headers = waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}` };
  const answer = await client.get(`/v1/commands/${id}`, { token, headers });
  if (answer.status !== 200) throw new Error(`${id}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return Command.parse(answer.body);
}

async function follow(
  client: Pick<Client, "get">,
  token: string,
  id: CommandId,
): Promise<Omit<Ending, "answer">> {
  const stuckAt = performance.now() + STUCK_MS;
  while (performance.now() < stuckAt) {
    const command = await readCommand(client, token, id, POLL_WAIT_SECONDS);
    if (command.status === "queued") continue;
    if (command.status === "failed") throw new Error(`${id} failed`);
    return { commandId: id, status: command.status, reservation: command.result, problem: command.problem };
  }
  throw new Error(`${id} did not end within ${STUCK_MS / 1_000} s`);
}
