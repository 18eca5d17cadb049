// Whose a request is, in its head.
import { signAccessToken } from "@holdfast/access-token";
import type { UserId } from "@holdfast/domain";

/** Seconds for which a token is good: longer than any run. */
const TOKEN_SECONDS = 86_400;

/** The line of a request's head that says who asks. */
export const authorizedBy = (secret: string, userId: UserId): string =>
  `Authorization: Bearer ${signAccessToken(secret, { userId, role: "user" }, TOKEN_SECONDS)}\r\n`;

/** Lines by the list of users that they were made for: a script is made anew for every block, from the same list. */
const crowds = new WeakMap<readonly UserId[], { secret: string; lines: readonly string[] }>();

/** The line of each user. */
export function authorizedByAll(secret: string, userIds: readonly UserId[]): readonly string[] {
  const known = crowds.get(userIds);
  if (known?.secret === secret) return known.lines;
  const lines = userIds.map((userId) => authorizedBy(secret, userId));
  crowds.set(userIds, { secret, lines });
  return lines;
}
