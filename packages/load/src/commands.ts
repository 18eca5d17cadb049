// Commands, as their sender follows them: which one an answer is about, and how it ended.
import { Command } from "@holdfast/contracts";
import type { CommandId } from "@holdfast/domain";
import type { Answer, Client } from "./client.ts";

/** Seconds that one look at a command waits for its end. */
const POLL_WAIT_SECONDS = 25;

/** Which command an answer is about; null when it is about none. */
export function commandOf({ headers }: Pick<Answer, "headers">): CommandId | null {
  const found = /<\/v1\/commands\/(cmd_\w+)>; rel="monitor"/.exec(headers["link"] ?? "")?.[1];
  return found === undefined ? null : (found as CommandId);
}

/** An answer that tells nothing of a command. `code` is the same for all of its kind. */
export class NoCommand extends Error {
  override name = "NoCommand";
  readonly code: string;

  constructor(id: CommandId, { status, body }: Pick<Answer, "status" | "body">) {
    super(`${id}: ${status} ${JSON.stringify(body)}`);
    this.code = `HTTP ${status}`;
  }
}

/** Throws `NoCommand` for every answer but 200. */
export async function readCommand(
  client: Pick<Client, "get">,
  token: string,
  id: CommandId,
  waitSeconds?: number,
): Promise<Command> {
  const headers = waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}` };
  const answer = await client.get(`/v1/commands/${id}`, { token, headers });
  if (answer.status !== 200) throw new NoCommand(id, answer);
  return Command.parse(answer.body);
}

export type EndedCommand = Command & { readonly status: "succeeded" | "rejected" };

/** Throws when it failed or was withdrawn, cannot be read, or has not ended after `withinMs`. */
export async function followCommand(
  client: Pick<Client, "get">,
  token: string,
  id: CommandId,
  withinMs: number,
): Promise<EndedCommand> {
  const stuckAt = performance.now() + withinMs;
  while (performance.now() < stuckAt) {
    const command = await readCommand(client, token, id, POLL_WAIT_SECONDS);
    if (command.status === "queued") continue;
    if (command.status === "failed") throw new Error(`${id} failed`);
    if (command.status === "withdrawn") throw new Error(`${id} was withdrawn`);
    return { ...command, status: command.status };
  }
  throw new Error(`${id} did not end within ${withinMs / 1_000} s`);
}
