// Millions of rows for a row's template, in seconds: what the indexes of a table cost is paid once, not for each row.
import type pg from "pg";

interface Index {
  readonly name: string;
  readonly drop: string;
  readonly make: string;
}

/** What of a table's indexes does without its primary key, as statements that drop and make it again. */
const FIND_INDEXES = `
  SELECT i.relname AS name,
    CASE WHEN c.oid IS NULL THEN format('DROP INDEX %I', i.relname)
      ELSE format('ALTER TABLE %I DROP CONSTRAINT %I', t.relname, c.conname) END AS drop,
    CASE WHEN c.oid IS NULL THEN pg_get_indexdef(i.oid)
      ELSE format('ALTER TABLE %I ADD CONSTRAINT %I %s', t.relname, c.conname, pg_get_constraintdef(c.oid)) END AS make
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
  LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype IN ('u', 'x')
  WHERE t.relname = ANY ($1::text[]) AND NOT x.indisprimary ORDER BY i.oid`;

/** Memory for each index that is made. */
const MAINTENANCE_MEMORY = "256MB";

/** `fill` writes into these tables what their constraints allow: foreign keys are not looked at for each row. */
export async function inBulk(
  pool: pg.Pool,
  tables: readonly string[],
  fill: (tx: pg.ClientBase) => Promise<void>,
): Promise<void> {
  const tx = await pool.connect();
  try {
    const { rows: indexes } = await tx.query<Index>(FIND_INDEXES, [tables]);
    await tx.query("BEGIN");
    await tx.query(
      `SET LOCAL maintenance_work_mem = '${MAINTENANCE_MEMORY}'; SET LOCAL session_replication_role = replica`,
    );
    for (const { drop } of indexes) await tx.query(drop);
    await fill(tx);
    for (const { make } of indexes) await tx.query(make);
    await tx.query("COMMIT");
    for (const table of tables) await tx.query(`VACUUM ANALYZE ${table}`);
  } finally {
    tx.release(true);
  }
}
