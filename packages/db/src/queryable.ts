// What a statement is sent through: the pool, when it stands alone, or the client of a transaction.
import type pg from "pg";

export type Queryable = Pick<pg.ClientBase, "query">;

/** Runs `work` in one READ COMMITTED transaction: commits when it resolves, rolls back when it throws. */
export function inTransaction<Result>(
  pool: pg.Pool,
  work: (tx: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  return between("BEGIN", pool, work);
}

/** Runs `work` in one transaction that can write nothing, and in which all statements see the same moment. */
export function inSnapshot<Result>(
  pool: pg.Pool,
  work: (tx: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  return between("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", pool, work);
}

async function between<Result>(
  begin: string,
  pool: pg.Pool,
  work: (tx: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const tx = await pool.connect();
  let broken: Error | undefined;
  try {
    await tx.query(begin);
    const result = await work(tx);
    await tx.query("COMMIT");
    return result;
  } catch (error) {
    await tx.query("ROLLBACK").catch((rollbackError: Error) => {
      broken = rollbackError; // a client that cannot roll back is not used again
    });
    throw error;
  } finally {
    tx.release(broken);
  }
}
