// Waits until what was promised (202) has ended: nobody hears of it, and until then rows and answers cannot be compared.
import { until } from "@holdfast/testkit/fixtures";
import type pg from "pg";

/** Milliseconds in which it must have ended once nobody asks any more. */
const AT_REST_MS = 120_000;

export async function untilAllEnded(pool: pg.Pool): Promise<void> {
  await until(
    "everything that was promised has ended",
    async () => {
      const { rows } = await pool.query("SELECT FROM accepted_commands LIMIT 1");
      return rows.length === 0;
    },
    AT_REST_MS,
  );
}
