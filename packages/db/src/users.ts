// Statements about users: accounts, and what gateways follow to judge tokens that were made before.
import type { UserId, UserRole } from "@holdfast/domain";
import type { Queryable } from "./queryable.ts";

export interface UserRecord {
  readonly id: UserId;
  readonly email: string;
  readonly name: string;
  readonly role: UserRole;
  readonly disabled: boolean;
  readonly createdAt: number;
}

export interface UserCredentials extends UserRecord {
  readonly passwordHash: string;
}

export interface NewUser {
  readonly id: UserId;
  readonly email: string;
  readonly name: string;
  readonly passwordHash: string;
}

interface UserRow {
  id: UserId;
  email: string;
  name: string;
  role: UserRole;
  created_at: Date;
  password_hash: string;
  disabled_at: Date | null;
}

const recordOf = (row: UserRow): UserRecord => ({
  id: row.id,
  email: row.email,
  name: row.name,
  role: row.role,
  disabled: row.disabled_at !== null,
  createdAt: row.created_at.getTime(),
});

const credentialsOf = (row: UserRow): UserCredentials => ({
  ...recordOf(row),
  passwordHash: row.password_hash,
});

/** Null when the e-mail address is taken, in whatever case it is written. */
export async function insertUser(db: Queryable, user: NewUser): Promise<UserRecord | null> {
  const { rows } = await db.query<UserRow>(
    `INSERT INTO users (id, email, name, password_hash) VALUES ($1, $2, $3, $4)
     ON CONFLICT (lower(email)) DO NOTHING
     RETURNING *`,
    [user.id, user.email, user.name, user.passwordHash],
  );
  return rows[0] === undefined ? null : recordOf(rows[0]);
}

export async function findUserByEmail(db: Queryable, email: string): Promise<UserCredentials | null> {
  const { rows } = await db.query<UserRow>("SELECT * FROM users WHERE lower(email) = lower($1)", [email]);
  return rows[0] === undefined ? null : credentialsOf(rows[0]);
}

export async function findUser(db: Queryable, id: UserId): Promise<UserCredentials | null> {
  const { rows } = await db.query<UserRow>("SELECT * FROM users WHERE id = $1", [id]);
  return rows[0] === undefined ? null : credentialsOf(rows[0]);
}

/** Writes a stronger hash of the same password; does nothing when the password was changed meanwhile. */
export async function replacePasswordHash(
  db: Queryable,
  id: UserId,
  before: string,
  after: string,
): Promise<void> {
  await db.query("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", [
    id,
    before,
    after,
  ]);
}

/** Gives a user another role; gateways follow within a second. Null when nobody has the address. */
export async function setUserRole(db: Queryable, email: string, role: UserRole): Promise<UserRecord | null> {
  const { rows } = await db.query<UserRow>(
    `UPDATE users SET role = $2, auth_changed_at = clock_timestamp() WHERE lower(email) = lower($1) RETURNING *`,
    [email, role],
  );
  return rows[0] === undefined ? null : recordOf(rows[0]);
}

export interface UserListing {
  /** The whole address, compared without case. */
  readonly email: string | null;
  readonly role: UserRole | null;
  readonly limit: number;
  /** The last one of the page before; null for the first page. */
  readonly after: UserId | null;
}

/** By id, the greatest first: ids sort by the time of their making. */
export async function listUsers(
  db: Queryable,
  { email, role, limit, after }: UserListing,
): Promise<UserRecord[]> {
  const values: unknown[] = [limit];
  const value = (given: unknown) => `$${values.push(given)}`;
  const conditions = ["true"];
  if (email !== null) conditions.push(`lower(email) = lower(${value(email)})`);
  if (role !== null) conditions.push(`role = ${value(role)}`);
  if (after !== null) conditions.push(`id < ${value(after)}`);
  const { rows } = await db.query<UserRow>(
    `SELECT * FROM users WHERE ${conditions.join(" AND ")} ORDER BY id DESC LIMIT $1`,
    values,
  );
  return rows.map(recordOf);
}

export interface UserChange {
  readonly role: UserRole | null;
  readonly disabled: boolean | null;
}

/**
 * Gives a user another role or standing; null leaves it as it is. Ends the sessions of a disabled one. Gateways follow
 * within a second. Null when there is no such user.
 */
export async function changeUser(
  db: Queryable,
  id: UserId,
  { role, disabled }: UserChange,
): Promise<(UserRecord & UserStanding) | null> {
  const { rows } = await db.query<UserRow & { auth_changed_at: Date }>(
    `WITH changed AS (
       UPDATE users SET role = coalesce($2, role), auth_changed_at = clock_timestamp(),
         disabled_at = CASE WHEN coalesce($3, disabled_at IS NOT NULL) THEN coalesce(disabled_at, clock_timestamp()) END
       WHERE id = $1 RETURNING *
     ), ended AS (
       UPDATE sessions s SET revoked_at = clock_timestamp()
       FROM changed WHERE s.user_id = changed.id AND changed.disabled_at IS NOT NULL AND s.revoked_at IS NULL
     )
     SELECT * FROM changed`,
    [id, role, disabled],
  );
  const [row] = rows;
  return row === undefined ? null : { ...recordOf(row), changedAt: row.auth_changed_at.getTime() };
}

export interface UserStanding {
  readonly id: UserId;
  readonly role: UserRole;
  readonly disabled: boolean;
  /** Milliseconds since 1970, database time. */
  readonly changedAt: number;
}

/** Users whose role or standing changed after they were made and later than `since`. */
export async function usersChangedSince(db: Queryable, since: number): Promise<UserStanding[]> {
  const { rows } = await db.query<UserRow & { auth_changed_at: Date }>(
    `SELECT id, role, disabled_at, auth_changed_at FROM users
     WHERE auth_changed_at > $1 AND auth_changed_at > created_at`,
    [new Date(since)],
  );
  return rows.map((row) => ({
    id: row.id,
    role: row.role,
    disabled: row.disabled_at !== null,
    changedAt: row.auth_changed_at.getTime(),
  }));
}
