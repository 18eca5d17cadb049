// Statements about users: accounts, and what gateways follow to judge tokens that were made before.
import type { UserId, UserRole } from "@holdfast/domain";
import type { Queryable } from "./queryable.ts";

export interface UserRecord {
  readonly id: UserId;
  readonly email: string;
  readonly name: string;
  readonly role: UserRole;
  readonly createdAt: number;
}

export interface UserCredentials extends UserRecord {
  readonly passwordHash: string;
  readonly disabled: boolean;
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
  createdAt: row.created_at.getTime(),
});

const credentialsOf = (row: UserRow): UserCredentials => ({
  ...recordOf(row),
  passwordHash: row.password_hash,
  disabled: row.disabled_at !== null,
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
