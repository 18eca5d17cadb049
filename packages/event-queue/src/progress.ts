// What moves in an event's queue, for whoever watches: who ends commands publishes one message for all that ended
// together, gateways listen while somebody there watches. A message may get lost: the rows do not.
import type { CommandId, EventId } from "@holdfast/domain";
import { FreeListMap } from "@holdfast/runtime/free-list";
import type { Redis } from "ioredis";
import { progressChannel } from "./names.ts";

/** Without an id it says that something else about the event has changed. */
export const publishProgress = async (
  redis: Redis,
  prefix: string,
  eventId: EventId,
  ended: readonly CommandId[],
): Promise<void> => {
  await redis.publish(progressChannel(prefix, eventId), JSON.stringify(ended));
};

/** Told that it is time to look at the tables. */
type Look = () => void;

export interface Progress {
  /**
   * Calls back when the command has ended, and whenever news of it may have been missed, until the returned function is
   * called. Who reads the tables after this call misses nothing.
   */
  ofCommand(eventId: EventId, commandId: CommandId, look: Look): () => void;
  /** The same for whatever moves in the event. */
  ofEvent(eventId: EventId, look: Look): () => void;
  /** How many events are listened to. */
  readonly events: number;
}

/** One event that is listened to. */
interface Channel {
  readonly name: string;
  readonly commands: FreeListMap<CommandId, Look[]>;
  readonly watchers: Set<Look>;
  /** How many want to hear of it. */
  wanted: number;
}

/** Listens over a connection of its own (which must be a patient one). */
export function openProgress(redis: Redis, prefix: string): Progress {
  const channels = new Map<EventId, Channel>();
  const byName = new Map<string, Channel>();

  redis.on("message", (name: string, text: string) => {
    const channel = byName.get(name);
    if (channel === undefined) return;
    for (const id of readEnded(text)) for (const look of channel.commands.get(id) ?? []) look();
    for (const look of channel.watchers) look();
  });
  // Asked once more, to know when it listens again.
  redis.on("ready", () => listen([...channels.values()]));

  /** From its confirmation on nothing is missed. It fails only when the connection is closed. */
  function listen(those: readonly Channel[]): void {
    if (those.length === 0) return;
    redis.subscribe(...those.map(({ name }) => name)).then(
      () => those.forEach(lookAll),
      () => undefined,
    );
  }

  function lookAll({ commands, watchers }: Channel): void {
    for (const looks of commands) for (const look of looks) look();
    for (const look of watchers) look();
  }

  function follow(eventId: EventId): Channel {
    let channel = channels.get(eventId);
    if (channel === undefined) {
      const name = progressChannel(prefix, eventId);
      channel = { name, commands: new FreeListMap(), watchers: new Set(), wanted: 0 };
      channels.set(eventId, channel);
      byName.set(name, channel);
      listen([channel]);
    }
    channel.wanted += 1;
    return channel;
  }

  function leave(eventId: EventId, channel: Channel): void {
    channel.wanted -= 1;
    if (channel.wanted > 0) return;
    channels.delete(eventId);
    byName.delete(channel.name);
    redis.unsubscribe(channel.name).catch(() => undefined); // it is closed
  }

  return {
    get events() {
      return channels.size;
    },
    ofCommand(eventId, commandId, look) {
      const channel = follow(eventId);
      channel.commands.getOrMake(commandId, () => []).push(look);
      return once(() => {
        const left = (channel.commands.get(commandId) ?? []).filter((other) => other !== look);
        if (left.length === 0) channel.commands.delete(commandId);
        else channel.commands.set(commandId, left);
        leave(eventId, channel);
      });
    },
    ofEvent(eventId, look) {
      const channel = follow(eventId);
      const own = (): void => look(); // the same one may be given twice
      channel.watchers.add(own);
      return once(() => {
        channel.watchers.delete(own);
        leave(eventId, channel);
      });
    },
  };
}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    act();
  };
}

/** What is no message of ours names nobody. */
function readEnded(text: string): CommandId[] {
  try {
    const ids: unknown = JSON.parse(text);
    return Array.isArray(ids) ? (ids as CommandId[]) : [];
  } catch {
    return [];
  }
}
