// A worker of these tests' own, with no queue: applies commands to real tables by the batch's own statements, and
// sends what they ask for until nothing is left to be done now.
import {
  type AnyCommand,
  type Applied,
  applyBatch,
  type EventId,
  type FollowUp,
  logicalTime,
  promote,
  windDown,
} from "@holdfast/domain";
import type pg from "pg";
import { newId } from "../../runtime/src/index.ts";
import { loadBatch, lookAtFence, writeBatch } from "../src/inventory.ts";
import { openBatchPool } from "../src/pool.ts";

export interface TestWorker {
  /** Applies the commands, and all that follows from them now. Throws when one of them fails. */
  apply(eventId: EventId, commands: readonly AnyCommand[]): Promise<readonly Applied[]>;
  close(): Promise<void>;
}

interface Ran {
  readonly applied: readonly Applied[];
  readonly followUps: readonly FollowUp[];
}

export function openTestWorker(url: string): TestWorker {
  const batches = openBatchPool({ url, name: "test-worker", max: 1, onError: () => undefined });
  return {
    async apply(eventId, commands) {
      const { applied, followUps } = await runAll(batches, eventId, commands);
      const queue = [...followUps];
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        if (next.kind === "expire-elsewhere" || (next.kind === "promote" && next.at > Date.now())) continue;
        queue.push(...(await runAll(batches, next.eventId, [commandOf(next)])).followUps);
      }
      return applied;
    },
    close: () => batches.end(),
  };
}

const commandOf = (asked: Extract<FollowUp, { kind: "promote" | "wind-down" }>): AnyCommand =>
  asked.kind === "promote"
    ? promote(newId("command"), asked, asked.at)
    : windDown(newId("command"), asked.eventId, { at: Date.now(), after: asked.after });

/** In as many batches as it takes. */
async function runAll(pool: pg.Pool, eventId: EventId, commands: readonly AnyCommand[]): Promise<Ran> {
  const applied: Applied[] = [];
  const followUps: FollowUp[] = [];
  while (applied.length < commands.length) {
    const ran = await runBatch(pool, eventId, commands.slice(applied.length));
    applied.push(...ran.applied);
    followUps.push(...ran.followUps);
  }
  return { applied, followUps };
}

async function runBatch(pool: pg.Pool, eventId: EventId, commands: readonly AnyCommand[]): Promise<Ran> {
  const after = await lookAtFence(pool, eventId);
  const tx = await pool.connect();
  try {
    const judgedAt = Math.max(...commands.map((command) => logicalTime(command, Number.MAX_SAFE_INTEGER)));
    const claim = { owner: newId("command"), after };
    const { lane, now, promised, ...loaded } = await loadBatch(tx, eventId, claim, commands, judgedAt);
    const exclusive = loaded.state.terms.overlapPolicy === "refuse";
    const result = applyBatch(commands, {
      ...loaded,
      now,
      logicalAt: lane.logicalAt,
      onFault: (command, error) => {
        throw new Error(`${command.type} must not fail`, { cause: error });
      },
    });
    const asked = await writeBatch(tx, { eventId, lane, exclusive, ...result, messages: [], now, promised });
    return { applied: result.applied, followUps: [...result.followUps, ...asked] };
  } catch (error) {
    await tx.query("ROLLBACK");
    throw error;
  } finally {
    tx.release();
  }
}
