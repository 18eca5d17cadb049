// B2's other end: a plain BullMQ worker for each event, one job at a time, one transaction a job.
import type { ReserveCommand } from "@holdfast/domain";
import { Worker } from "bullmq";
import { Redis } from "ioredis";
import type { Ended } from "./baseline.ts";
import { eventsKeyOf, type PlainQueuePlace, plainQueueName } from "./plain-queue.ts";
import { openBaselinePool } from "./pool.ts";
import { reserveUnderRowLock } from "./row-lock.ts";

export interface PlainWorker {
  close(): Promise<void>;
}

export async function startPlainWorker(
  databaseUrl: string,
  connections: number,
  { redisUrl, prefix, onError }: PlainQueuePlace,
): Promise<PlainWorker> {
  const pool = openBaselinePool("plain-queue", databaseUrl, connections);
  pool.on("error", onError);
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null });
  const announced = new Redis(redisUrl, { maxRetriesPerRequest: null });
  for (const one of [connection, announced]) one.on("error", onError);
  const workers = new Map<string, Worker<ReserveCommand, Ended | null>>();

  const serve = (eventId: string): void => {
    if (workers.has(eventId)) return;
    const worker = new Worker<ReserveCommand, Ended | null>(
      plainQueueName(eventId),
      ({ data }) => reserveUnderRowLock(pool, data),
      { connection, prefix, concurrency: 1 },
    );
    worker.on("error", onError);
    workers.set(eventId, worker);
  };
  announced.on("message", (_channel, eventId) => serve(eventId));
  await announced.subscribe(eventsKeyOf(prefix));
  for (const eventId of await connection.smembers(eventsKeyOf(prefix))) serve(eventId);

  return {
    async close() {
      announced.disconnect();
      await Promise.all([...workers.values()].map((worker) => worker.close()));
      connection.disconnect();
      await pool.end();
    },
  };
}
