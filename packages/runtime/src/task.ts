// The life of a process with one thing to do: configure, do it, exit. Knows no task.
import type { z } from "zod";
import type { ServiceConfig } from "./config.ts";
import type { Logger } from "./logger.ts";
import { begin, type Host, thisProcess } from "./service.ts";

/** Exits 0 when the task is done, else 1. */
export async function runTask<Schema extends z.ZodType<ServiceConfig>>(
  name: string,
  schema: Schema,
  task: (told: { config: z.infer<Schema>; log: Logger }) => Promise<void>,
  host: Host = thisProcess,
): Promise<void> {
  const begun = begin(name, schema, host);
  if (begun === null) return;
  try {
    await task(begun);
    begun.log.info("done");
    host.exit(0);
  } catch (error) {
    begun.log.fatal({ err: error }, "not done");
    host.exit(1);
  }
}
