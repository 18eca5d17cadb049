// What a row needs beside its wishes: stores, a load generator, and the secret that tokens are signed with. Opened when
// the first block asks, closed behind the row.
import { randomBytes } from "node:crypto";
import type { Bench } from "./block.ts";
import { openGenerator } from "./generator.ts";
import type { RowRun } from "./row.ts";

/** Bytes of the secret: HS256 takes a key of its own length. */
const SECRET_BYTES = 32;

/** `act` may ask for the bench again and again: it is the same one. A row whose blocks are all known never asks. */
export async function withBench<Result>(
  run: RowRun,
  act: (bench: () => Promise<Bench>) => Promise<Result>,
): Promise<Result> {
  const open = async (): Promise<Bench> => {
    const stores = await run.stores();
    const generator = openGenerator();
    run.signal.addEventListener("abort", generator.close); // a block without load ends at once, and cleans up
    if (run.signal.aborted) generator.close();
    return { stores, generator, jwtSecret: randomBytes(SECRET_BYTES).toString("hex") };
  };
  let opened: Promise<Bench> | undefined;
  const bench = (): Promise<Bench> => {
    opened ??= open();
    return opened;
  };
  try {
    return await act(bench);
  } catch (error) {
    throw run.signal.aborted ? run.signal.reason : error;
  } finally {
    const left = await opened?.catch(() => undefined);
    if (left !== undefined) {
      run.signal.removeEventListener("abort", left.generator.close);
      left.generator.close();
    }
  }
}
