// The operators' pages under /ops, with hooks, body parser and policy of their own: the API's routes notice nothing.
import cookie from "@fastify/cookie";
import type { DashboardQueues } from "@holdfast/event-queue";
import type { FastifyInstance } from "fastify";
import type { Doorkeeper } from "../endpoint.ts";
import { addLogin } from "./login.ts";
import type { OperatorSessions } from "./operator-sessions.ts";
import { addQueues } from "./queues.ts";

export interface OpsOptions {
  readonly doorkeeper: Pick<Doorkeeper, "count">;
  readonly sessions: OperatorSessions;
  readonly queues: DashboardQueues;
  /** Are cookies for https only, even when a request seems to have come without? */
  readonly secureCookies: boolean;
}

export async function addOps(app: FastifyInstance, options: OpsOptions): Promise<void> {
  await app.register(
    async (ops) => {
      await ops.register(cookie);
      // With "no-referrer" browsers say that forms come from "null", and one could not tell whose they are.
      ops.addHook(
        "onRequest",
        async (_request, reply) => void reply.header("referrer-policy", "same-origin"),
      );
      addLogin(ops, options);
      await addQueues(ops, options);
    },
    { prefix: "/ops" },
  );
}
