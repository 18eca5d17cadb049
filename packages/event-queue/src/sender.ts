// What a process needs to send commands: a producer, and the activations behind it. One way to open both, for all.
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { type Activations, openActivations } from "./activations.ts";
import { openProducer, type Producer } from "./producer.ts";

export interface SenderOptions {
  readonly redis: Redis;
  readonly prefix: string;
  /** Where outcomes are to be sent; null when nobody waits for them. */
  readonly replyTo: string | null;
  readonly onError: (error: unknown) => void;
  /** Told how many commands ride in each job. */
  readonly onJob?: ((commands: number) => void) | undefined;
}

export interface Sender {
  readonly activations: Activations;
  readonly producer: Producer;
  close(): Promise<void>;
}

/** Opens a producer with this process's clock and randomness. The connection stays the caller's. */
export function openSender({ redis, prefix, replyTo, onError, onJob }: SenderOptions): Sender {
  const activations = openActivations(redis, prefix);
  const producer = openProducer({
    redis,
    prefix,
    replyTo,
    newJobId: () => `job-${randomUUID()}`,
    activations,
    monotonicMs: () => performance.now(),
    onError,
    onJob,
  });
  return {
    activations,
    producer,
    close: () => activations.close(),
  };
}
