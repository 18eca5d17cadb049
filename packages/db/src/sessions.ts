// Statements about sessions: a login and the refresh tokens that descend from it. Tokens are known by hash only.
import type { SessionId, UserId, UserRole } from "@holdfast/domain";
import type { Queryable } from "./queryable.ts";

export async function insertSession(
  db: Queryable,
  session: { id: SessionId; userId: UserId; lifeSeconds: number; tokenHash: string },
): Promise<void> {
  await db.query(
    `WITH made AS (
       INSERT INTO sessions (id, user_id, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3))
     )
     INSERT INTO refresh_tokens (token_hash, session_id) VALUES ($4, $1)`,
    [session.id, session.userId, session.lifeSeconds, session.tokenHash],
  );
}

export interface RefreshTokenRecord {
  readonly sessionId: SessionId;
  readonly userId: UserId;
  /** The session was ended or is over. */
  readonly ended: boolean;
  readonly rotated: boolean;
  /** The sealed pair that the exchange gave; null when none was, or when it is too long ago for a lost reply. */
  readonly successor: string | null;
}

/** Locks the token and its session to the end of the transaction, so that exchanges of one family take turns. */
export async function lockRefreshToken(
  tx: Queryable,
  tokenHash: string,
  repeatSeconds: number,
): Promise<RefreshTokenRecord | null> {
  await tx.query(
    `SELECT FROM sessions WHERE id = (SELECT session_id FROM refresh_tokens WHERE token_hash = $1) FOR UPDATE`,
    [tokenHash],
  );
  const { rows } = await tx.query<{
    session_id: SessionId;
    user_id: UserId;
    ended: boolean;
    rotated: boolean;
    successor: string | null;
  }>(
    `SELECT t.session_id, s.user_id,
            s.revoked_at IS NOT NULL OR s.expires_at <= clock_timestamp() AS ended,
            t.rotated_at IS NOT NULL AS rotated,
            CASE WHEN t.rotated_at > clock_timestamp() - make_interval(secs => $2) THEN t.successor END AS successor
     FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id
     WHERE t.token_hash = $1`,
    [tokenHash, repeatSeconds],
  );
  const row = rows[0];
  if (row === undefined) return null;
  const { session_id: sessionId, user_id: userId, ended, rotated, successor } = row;
  return { sessionId, userId, ended, rotated, successor };
}

/** Exchanges a token for the next one, and forgets the sealed pairs for which no repeat can come any more. */
export async function rotateRefreshToken(
  tx: Queryable,
  rotation: { sessionId: SessionId; before: string; after: string; successor: string; repeatSeconds: number },
): Promise<void> {
  const { sessionId, before, after, successor, repeatSeconds } = rotation;
  await tx.query(
    "UPDATE refresh_tokens SET rotated_at = clock_timestamp(), successor = $2 WHERE token_hash = $1",
    [before, successor],
  );
  await tx.query(
    `UPDATE refresh_tokens SET successor = NULL
     WHERE session_id = $1 AND successor IS NOT NULL
       AND rotated_at <= clock_timestamp() - make_interval(secs => $2)`,
    [sessionId, repeatSeconds],
  );
  await tx.query("INSERT INTO refresh_tokens (token_hash, session_id) VALUES ($1, $2)", [after, sessionId]);
}

/** Ends the session; ending it again changes nothing. */
export async function revokeSession(db: Queryable, id: SessionId): Promise<void> {
  await db.query("UPDATE sessions SET revoked_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL", [
    id,
  ]);
}

/** Ends the session that a token belongs to. Null when there is no such token. */
export async function revokeSessionOfToken(db: Queryable, tokenHash: string): Promise<SessionId | null> {
  const { rows } = await db.query<{ id: SessionId }>(
    `UPDATE sessions SET revoked_at = coalesce(revoked_at, clock_timestamp())
     WHERE id = (SELECT session_id FROM refresh_tokens WHERE token_hash = $1)
     RETURNING id`,
    [tokenHash],
  );
  return rows[0]?.id ?? null;
}

/** Whose session a token belongs to, with the role as it is now. Null when it has ended or the user is disabled. */
export async function bearerOfToken(
  db: Queryable,
  tokenHash: string,
): Promise<{ userId: UserId; role: UserRole } | null> {
  const { rows } = await db.query<{ id: UserId; role: UserRole }>(
    `SELECT u.id, u.role
     FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
     WHERE t.token_hash = $1 AND t.rotated_at IS NULL
       AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp() AND u.disabled_at IS NULL`,
    [tokenHash],
  );
  return rows[0] === undefined ? null : { userId: rows[0].id, role: rows[0].role };
}

/** Sessions ended later than `since`, with the time (milliseconds since 1970, database time). */
export async function sessionsRevokedSince(
  db: Queryable,
  since: number,
): Promise<{ id: SessionId; revokedAt: number }[]> {
  const { rows } = await db.query<{ id: SessionId; revoked_at: Date }>(
    "SELECT id, revoked_at FROM sessions WHERE revoked_at > $1",
    [new Date(since)],
  );
  return rows.map(({ id, revoked_at }) => ({ id, revokedAt: revoked_at.getTime() }));
}
