// People for load tools: many at once, with one password hash between them, that nobody knows the password of.
import { randomBytes } from "node:crypto";
import { encodeId, type UserId } from "@holdfast/domain";
import { hash } from "@node-rs/argon2";
import type { Queryable } from "./queryable.ts";

export interface Buyer {
  readonly userId: UserId;
  readonly email: string;
}

/** Users that one statement inserts. */
const BUYERS_PER_STATEMENT = 5_000;

/** Makes `count` new users of role `user`. For machines of one's own only. */
export async function createBuyers(db: Queryable, count: number): Promise<Buyer[]> {
  const passwordHash = await hash(randomBytes(32).toString("base64"));
  const run = randomBytes(4).toString("hex");
  const buyers = Array.from({ length: count }, (_, n) => ({
    userId: encodeId("user", randomBytes(16)),
    email: `buyer-${run}-${n + 1}@example.com`,
  }));
  for (let from = 0; from < count; from += BUYERS_PER_STATEMENT) {
    const some = buyers.slice(from, from + BUYERS_PER_STATEMENT);
    await db.query(
      `INSERT INTO users (id, email, name, password_hash)
      SELECT u.id, u.email, 'Buyer', $3 FROM unnest($1::text[], $2::text[]) AS u(id, email)`,
      [some.map((buyer) => buyer.userId), some.map((buyer) => buyer.email), passwordHash],
    );
  }
  return buyers;
}
