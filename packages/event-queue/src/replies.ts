// Outcomes on their way back: a worker publishes one message for each batch and gateway; a gateway listens on a
// channel of its own, from before its command is sent, and on one that all share, for what ended in no queue. A message
// may get lost: the outcome's row does not.
import type { CommandId } from "@holdfast/domain";
import { FreeListMap } from "@holdfast/runtime/free-list";
import type { Redis } from "ioredis";
import { EVERY_GATEWAY, replyChannel } from "./names.ts";
import { type Reply, readReplies, writeReplies } from "./wire.ts";

export const publishReplies = async (
  redis: Redis,
  prefix: string,
  gateway: string,
  replies: readonly Reply[],
): Promise<void> => {
  await redis.publish(replyChannel(prefix, gateway), writeReplies(replies));
};

export interface Replies {
  /** Calls back once, when the command's outcome arrives. The returned function gives up waiting. */
  expect(commandId: CommandId, onReply: (reply: Reply) => void): () => void;
  /** Calls back whenever the channel is there again after it was away: what was published meanwhile is lost. */
  onReturn(look: () => void): void;
  /** How many requests wait. */
  readonly waiting: number;
}

/** Listens on the channel of `gateway`, and on that of all, over a connection of its own (which must be a patient one). */
export async function openReplies(redis: Redis, prefix: string, gateway: string): Promise<Replies> {
  const waiters = new FreeListMap<CommandId, ((reply: Reply) => void)[]>();
  let waiting = 0;

  redis.on("message", (_channel: string, text: string) => {
    for (const reply of readReplies(text)) {
      const expecting = waiters.take(reply.commandId);
      if (expecting === undefined) continue;
      waiting -= expecting.length;
      for (const onReply of expecting) onReply(reply);
    }
  });
  const channels = [gateway, EVERY_GATEWAY].map((name) => replyChannel(prefix, name));
  const looks: (() => void)[] = [];
  await redis.subscribe(...channels);
  redis.on("ready", () => {
    // Asked once more, to know when it listens again. Fails only when it is closed meanwhile.
    redis.subscribe(...channels).then(
      () => {
        for (const look of looks) look();
      },
      () => undefined,
    );
  });

  return {
    onReturn: (look) => void looks.push(look),
    get waiting() {
      return waiting;
    },
    expect(commandId, onReply) {
      waiters.getOrMake(commandId, () => []).push(onReply);
      waiting += 1;
      return () => {
        const left = waiters.get(commandId);
        const at = left?.indexOf(onReply) ?? -1;
        if (left === undefined || at < 0) return;
        left.splice(at, 1);
        waiting -= 1;
        if (left.length === 0) waiters.delete(commandId);
      };
    },
  };
}
