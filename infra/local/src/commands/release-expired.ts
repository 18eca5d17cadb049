// pnpm release-expired
import { setTimeout as pause } from "node:timers/promises";
import {
  countExpiredSince,
  eventsWithDueHolds,
  findCommands,
  openDatabaseClock,
  openPool,
} from "@holdfast/db";
import { type Command, expireDue } from "@holdfast/domain";
import { openRedis, openSender, untilReady } from "@holdfast/event-queue";
import { newId } from "@holdfast/runtime";
import { defineCommand } from "citty";
import type pg from "pg";
import { type AttachedStores, runningStores } from "../attach.ts";
import { readSettings } from "../settings.ts";

const EVENTS_MAX = 100_000;
/** How long the workers get to apply the commands. */
const OUTCOMES_MS = 30_000;
const POLL_MS = 100;

export const releaseExpired = defineCommand({
  meta: {
    name: "release-expired",
    description: "Ask each event with a due hold to end what is due, and wait for it",
  },
  run: async () => {
    const settings = readSettings();
    const stores = runningStores(settings);
    const released = await release(stores, settings.redisPrefix);
    process.stdout.write(`${released.ended} holds ended in ${released.events} events\n`);
  },
});

async function release(
  { databaseUrl, redisUrl }: AttachedStores,
  prefix: string,
): Promise<{ events: number; ended: number }> {
  const name = "holdfast-release-expired";
  const onError = () => {}; // shows in what is asked of the connection
  const pool = openPool({ url: databaseUrl, name, max: 2, onError });
  const redis = openRedis({ url: redisUrl, name, onError });
  const clock = await openDatabaseClock(pool, onError);
  await untilReady(redis);
  const sender = openSender({ redis, prefix, replyTo: null, onError });
  try {
    const begun = clock.now();
    const due = await eventsWithDueHolds(pool, { lateMs: 0, limit: EVENTS_MAX });
    const commands = due.map(({ eventId, dueAt }) =>
      expireDue(newId("command"), eventId, { at: clock.now(), dueAt }),
    );
    const sent = await Promise.all(commands.map((command) => sender.producer.enqueue(command)));
    const refused = sent.filter(({ kind }) => kind !== "enqueued").length;
    if (refused > 0) throw new Error(`${refused} of ${sent.length} events could not be asked; try again`);
    await untilEnded(pool, commands);
    const events = due.map(({ eventId }) => eventId);
    return { events: events.length, ended: await countExpiredSince(pool, events, begun) };
  } finally {
    clock.stop();
    await sender.close();
    redis.disconnect();
    await pool.end();
  }
}

async function untilEnded(pool: pg.Pool, commands: Command[]): Promise<void> {
  const deadline = performance.now() + OUTCOMES_MS;
  const ids = commands.map(({ id }) => id);
  while (ids.length > 0) {
    const ended = (await findCommands(pool, ids)).filter(({ outcome }) => outcome !== null);
    if (ended.length === ids.length) return;
    if (performance.now() > deadline) {
      throw new Error(
        `${ids.length - ended.length} of ${ids.length} events have not answered; does a worker run?`,
      );
    }
    await pause(POLL_MS);
  }
}
