// What has changed about users and sessions since their tokens were made: roles, disabled users, ended sessions.
// Kept in memory and followed from the database, so that the hot path asks nobody.
import { type Queryable, sessionsRevokedSince, type UserStanding, usersChangedSince } from "@holdfast/db";
import type { SessionId, UserId, UserRole } from "@holdfast/domain";
import { type Logger, tellTrouble } from "@holdfast/runtime";

export const STANDING_REFRESH_MS = 500;
/** How far back changes matter: longer than any access token is valid. */
export const STANDING_KEPT_MS = 3_600_000;
/** A change is stamped before it is committed: each look goes back this far behind the newest one seen. */
const COMMIT_LAG_MS = 5_000;

interface ChangedUser {
  readonly role: UserRole;
  readonly disabled: boolean;
  readonly changedAt: number;
}

export class Standing {
  readonly #users = new Map<UserId, ChangedUser>();
  readonly #endedSessions = new Map<SessionId, number>();
  readonly #db: Queryable;
  readonly #now: () => number;
  readonly #onError: (error: unknown) => void;
  #lookedAt: number;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

  constructor(db: Queryable, now: () => number, log: Logger) {
    this.#db = db;
    this.#now = now;
    this.#onError = tellTrouble(log, "changes of users and sessions could not be read");
    this.#lookedAt = now() - STANDING_KEPT_MS;
  }

  /** Resolves after the first look; throws when it fails. */
  async start(): Promise<void> {
    await this.refresh();
    this.#timer = setInterval(() => void this.#refreshQuietly(), STANDING_REFRESH_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Looks once at what has changed since the last look. */
  async refresh(): Promise<void> {
    const now = this.#now();
    const since = Math.min(this.#lookedAt, now) - COMMIT_LAG_MS;
    for (const changed of await usersChangedSince(this.#db, since)) this.userChanged(changed);
    for (const { id, revokedAt } of await sessionsRevokedSince(this.#db, since))
      this.#endedSessions.set(id, revokedAt);
    this.#lookedAt = now;
    this.#forget(now - STANDING_KEPT_MS);
  }

  /** The role that counts now, or null when the token's bearer is not let in any more. */
  roleOf(userId: UserId, sessionId: SessionId | undefined, tokenRole: UserRole): UserRole | null {
    if (sessionId !== undefined && this.#endedSessions.has(sessionId)) return null;
    const changed = this.#users.get(userId);
    if (changed === undefined) return tokenRole;
    return changed.disabled ? null : changed.role;
  }

  /** A session ended here: counts at once, not at the next look. */
  sessionEnded(id: SessionId): void {
    this.#endedSessions.set(id, this.#now());
  }

  /** A user was changed here: counts at once, not at the next look. */
  userChanged({ id, role, disabled, changedAt }: UserStanding): void {
    if ((this.#users.get(id)?.changedAt ?? 0) > changedAt) return; // a look that began before a later change
    this.#users.set(id, { role, disabled, changedAt });
  }

  async #refreshQuietly(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.refresh();
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#looking = false;
    }
  }

  #forget(before: number): void {
    for (const [id, { changedAt }] of this.#users) if (changedAt < before) this.#users.delete(id);
    for (const [id, endedAt] of this.#endedSessions) if (endedAt < before) this.#endedSessions.delete(id);
  }
}
