// "This endpoint has something to be delivered": one deduplicated job for each endpoint, in one of two queues; those in
// trouble have a queue and slots of their own, so that they delay nobody. Whoever delivers holds the endpoint's lease,
// whichever queue told of it.
import { randomUUID } from "node:crypto";
import type { WebhookEndpointId } from "@holdfast/domain";
import { type Job, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { DELIVERIES, DELIVERIES_TROUBLED, deliveryLeaseKey } from "./names.ts";
import { gatherSignals } from "./signals.ts";
import { LEASE_CHECK_MS, LEASE_MS, leaseOptions, openStaticQueue, signalOptions } from "./static-queues.ts";

/** Milliseconds for which it is remembered that somebody asked for an endpoint: longer than any turn. */
const ASKED_MS = 60_000;

interface DeliveryJob {
  readonly endpointId: WebhookEndpointId;
}

export interface Deliveries {
  /**
   * Asks for a turn of the endpoint, after its deliveries were committed. Many calls at once become few. `troubled`: its
   * last attempt failed, or it is slow.
   */
  signal(endpointId: WebhookEndpointId, how: { troubled: boolean }): Promise<void>;
  /** Of these, those that no job speaks of, that nobody holds, and that do not rest. */
  missing(endpointIds: readonly WebhookEndpointId[]): Promise<WebhookEndpointId[]>;
  close(): Promise<void>;
}

export function openDeliveries(redis: Redis, prefix: string): Deliveries {
  const calm = openDoor(redis, prefix, DELIVERIES);
  const troubled = openDoor(redis, prefix, DELIVERIES_TROUBLED);
  return {
    signal: (endpointId, how) => (how.troubled ? troubled : calm).signal(endpointId),
    async missing(endpointIds) {
      const spokenOf = await Promise.all(
        endpointIds.map(async (endpointId) => {
          const key = deliveryLeaseKey(prefix, endpointId);
          const left = await redis.exists(key, restKey(key));
          return left > 0 || (await calm.has(endpointId)) || (await troubled.has(endpointId));
        }),
      );
      return endpointIds.filter((_, i) => spokenOf[i] === false);
    },
    async close() {
      await Promise.all([calm.close(), troubled.close()]);
    },
  };
}

function openDoor(redis: Redis, prefix: string, name: string) {
  const queue = openStaticQueue<DeliveryJob>(redis, prefix, name);
  const signal = gatherSignals((endpointId: WebhookEndpointId) =>
    queue.add("deliver", { endpointId }, signalOptions(endpointId)),
  );

  return {
    signal,
    async has(endpointId: WebhookEndpointId): Promise<boolean> {
      const job = await redis.get(queue.toKey(`de:${endpointId}`));
      return job !== null && (await redis.exists(queue.toKey(job))) === 1;
    },
    close: () => queue.close(),
  };
}

export interface DeliverySlots {
  /** A patient one. */
  readonly redis: Redis;
  readonly prefix: string;
  /** Endpoints that have their turns side by side in this process, and those of them that are in trouble beside them. */
  readonly slots: number;
  readonly troubledSlots: number;
  /** `troubled`: the queue that told of it. */
  readonly serve: (endpointId: WebhookEndpointId, turn: { troubled: boolean }) => Promise<void>;
  readonly onError: (error: Error) => void;
}

/** Takes endpoints' turns until closed. */
export function startDeliverySlots({ redis, prefix, slots, troubledSlots, serve, onError }: DeliverySlots): {
  close(): Promise<void>;
} {
  const open = (name: string, concurrency: number, troubled: boolean): Worker => {
    const worker = new Worker<DeliveryJob>(
      name,
      (job: Job<DeliveryJob>) => serve(job.data.endpointId, { troubled }),
      leaseOptions(redis, prefix, concurrency),
    );
    worker.on("error", onError);
    worker.on("failed", (_job, error) => onError(error));
    return worker;
  };
  const workers = [open(DELIVERIES, slots, false), open(DELIVERIES_TROUBLED, troubledSlots, true)];
  return { close: async () => void (await Promise.all(workers.map((worker) => worker.close()))) };
}

/**
 * KEYS leases · ARGV the holder, milliseconds
 * → for each, 1 when it is still the holder's, and goes on
 */
const RENEW = `
local kept = {}
for i, lease in ipairs(KEYS) do
  if redis.call('GET', lease) == ARGV[1] then
    redis.call('PEXPIRE', lease, ARGV[2])
    kept[i] = 1
  else
    kept[i] = 0
  end
end
return kept
`;

/** Who was refused the endpoint leaves a note here. */
const askedKey = (leaseKey: string): string => `${leaseKey}:asked`;
/** There while the endpoint rests. */
const restKey = (leaseKey: string): string => `${leaseKey}:rest`;

/**
 * KEYS lease, asked, rest · ARGV the holder, milliseconds
 * → 1 when it is the holder's now, 2 when it is and the endpoint rests; otherwise it is noted that somebody asked
 */
const TAKE = `
if redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') then return 1 + redis.call('EXISTS', KEYS[3]) end
redis.call('SET', KEYS[2], 1, 'PX', ${ASKED_MS})
return 0
`;

/**
 * KEYS lease, asked, rest · ARGV the holder, milliseconds of rest: 0 ends it, less leaves it as it is
 * → 1 when somebody asked meanwhile
 */
const RELEASE_LEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  if ARGV[2] == '0' then
    redis.call('DEL', KEYS[3])
  elseif tonumber(ARGV[2]) > 0 then
    redis.call('SET', KEYS[3], 1, 'PX', ARGV[2])
  end
end
return redis.call('DEL', KEYS[2])
`;
const REST_AS_IT_IS = -1;

export interface DeliveryLease {
  /** True once somebody else may have the endpoint. */
  readonly lost: boolean;
  /** Whoever had the endpoint before let it go to rest, and that is not over. */
  readonly resting: boolean;
  /**
   * True when somebody was refused the endpoint meanwhile: there may be something due that the holder has not seen.
   * `restMs`: whole milliseconds for which the endpoint rests from now on; left out, a rest goes on as it was.
   */
  release(restMs?: number): Promise<boolean>;
}

export interface DeliveryLeases {
  /** Null while somebody else holds the endpoint, who is told so when letting it go. */
  take(endpointId: WebhookEndpointId): Promise<DeliveryLease | null>;
  close(): void;
}

/** Leases of this process, renewed until they are released. They end by themselves soon after the process does. */
export function openDeliveryLeases(
  redis: Redis,
  prefix: string,
  onError: (error: unknown) => void,
): DeliveryLeases {
  const holder = randomUUID();
  const held = new Map<string, { lost: boolean; asked: boolean }>();

  async function renew(): Promise<void> {
    const keys = [...held.keys()];
    if (keys.length === 0) return;
    const kept = (await redis.eval(RENEW, keys.length, ...keys, holder, LEASE_MS)) as (0 | 1)[];
    for (const [i, key] of keys.entries()) {
      const lease = held.get(key);
      if (kept[i] === 0 && lease !== undefined) lease.lost = true;
    }
  }
  const timer = setInterval(() => void renew().catch(onError), LEASE_CHECK_MS);
  timer.unref();

  return {
    async take(endpointId) {
      const key = deliveryLeaseKey(prefix, endpointId);
      const ours = held.get(key);
      if (ours !== undefined) {
        ours.asked = true;
        return null;
      }
      const lease = { lost: false, asked: false };
      held.set(key, lease);
      const taken = await redis
        .eval(TAKE, 3, key, askedKey(key), restKey(key), holder, LEASE_MS)
        .catch((error: unknown) => {
          held.delete(key);
          throw error;
        });
      if (taken === 0) {
        held.delete(key);
        return null;
      }
      return {
        get lost() {
          return lease.lost;
        },
        resting: taken === 2,
        async release(restMs = REST_AS_IT_IS) {
          held.delete(key);
          const asked = await redis.eval(RELEASE_LEASE, 3, key, askedKey(key), restKey(key), holder, restMs);
          return asked === 1 || lease.asked;
        },
      };
    },
    close: () => clearInterval(timer),
  };
}
