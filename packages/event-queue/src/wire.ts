// What travels: the payload of an event queue's jobs, and of the messages that bring outcomes back.
// Written by one version, perhaps read by another: what a reader does not know must not stop it.
import {
  type AnyCommand,
  Command,
  type CommandId,
  type EpochMs,
  type Outcome,
  UnknownCommand,
} from "@holdfast/domain";
import { z } from "zod";

/** Commands that ride together in one job. */
export const JOB_COMMANDS_MAX = 128;

const Payload = z.object({
  /** The gateway whose requests wait for these outcomes; null when nobody waits. */
  replyTo: z.string().nullable(),
  commands: z.array(z.unknown()),
});

export interface CommandJob {
  readonly replyTo: string | null;
  readonly commands: readonly AnyCommand[];
  /** How many were no commands at all, by any version's reading. */
  readonly unreadable: number;
}

/** A job is named for how many commands it carries: claims count by it, and people see it on the dashboard. */
export const jobName = (commands: number): string => `${commands} commands`;

export const writeJob = (replyTo: string | null, commands: readonly Command[]): string =>
  JSON.stringify({ replyTo, commands });

export function readJob(data: string): CommandJob {
  const payload = Payload.safeParse(parseJson(data));
  if (!payload.success) return { replyTo: null, commands: [], unreadable: 1 };
  const commands: AnyCommand[] = [];
  let unreadable = 0;
  for (const written of payload.data.commands) {
    const command = readCommand(written);
    if (command === null) unreadable += 1;
    else commands.push(command);
  }
  return { replyTo: payload.data.replyTo, commands, unreadable };
}

/** Null when not even the parts that every version has can be read. */
export function readCommand(written: unknown): AnyCommand | null {
  const known = Command.safeParse(written);
  if (known.success) return known.data;
  const unknown = UnknownCommand.safeParse(written);
  return unknown.success ? unknown.data : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export interface Reply {
  readonly commandId: CommandId;
  readonly outcome: Outcome;
  /** True when the outcome had been given before: this is a repeat. */
  readonly replayed: boolean;
  /** The stamp of the command that this answers: who asked later repeats it. Null when an older worker wrote this. */
  readonly at: EpochMs | null;
}

export const writeReplies = (replies: readonly Reply[]): string =>
  JSON.stringify(
    replies.map(({ commandId, outcome, replayed, at }) => [commandId, outcome, replayed ? 1 : 0, at]),
  );

/** Trusts its text: only our services hold the password of the channel. */
export const readReplies = (text: string): Reply[] =>
  (JSON.parse(text) as [CommandId, Outcome, 0 | 1, EpochMs?][]).map(([commandId, outcome, replayed, at]) => ({
    commandId,
    outcome,
    replayed: replayed === 1,
    at: at ?? null,
  }));
