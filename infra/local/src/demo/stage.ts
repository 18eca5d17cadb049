// What a rush needs before it begins: gateways that count no requests, an event of its own, buyers with tokens.
import { signAccessToken } from "@holdfast/access-token";
import { type CreateEventBody, Event, SignedIn } from "@holdfast/contracts";
import { createBuyers } from "@holdfast/db";
import { SEED_ACCOUNTS } from "@holdfast/db/seed";
import type { EventId } from "@holdfast/domain";
import type { Client } from "@holdfast/load";
import type pg from "pg";
import type { z } from "zod";
import type { RushBuyer } from "./rush.ts";
import { HOW_TO_START } from "./target.ts";

/** Seconds that a hold lasts: longer than any rush, so that no hold ends on its own before the verdict. */
const HOLD_SECONDS = 3_600;
const TOKEN_SECONDS = 3_600;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Days from now to the event's start. */
const STARTS_IN_DAYS = 30;

/** Throws when a gateway limits requests: a rush would meet the limits and not the engine. */
export async function refuseRateLimits(clients: readonly Client[]): Promise<void> {
  for (const client of clients) {
    const { headers } = await client.get("/v1/events?limit=1");
    if (headers["ratelimit"] !== undefined)
      throw new Error(`Rate limits are on, and a rush would meet nothing else; ${HOW_TO_START}`);
  }
}

/** An event of one slot, on sale, made through the API by the example data's organizer. */
export async function stageEvent([client]: readonly Client[], tickets: number): Promise<EventId> {
  if (client === undefined) throw new RangeError("a rush needs a gateway");
  const account = SEED_ACCOUNTS.find(({ role }) => role === "organizer");
  const signedIn = await client.post("/v1/auth/login", {
    body: { email: account?.email, password: account?.password },
  });
  if (signedIn.status !== 200) {
    throw new Error(
      `${account?.email} of the example data cannot sign in (${signedIn.status}); run: pnpm reset`,
    );
  }
  const startsAt = Date.now() + STARTS_IN_DAYS * DAY_MS;
  const body: z.input<typeof CreateEventBody> = {
    name: `A rush for ${tickets} tickets`,
    holdSeconds: HOLD_SECONDS,
    slots: [
      {
        startsAt: new Date(startsAt).toISOString(),
        endsAt: new Date(startsAt + 2 * HOUR_MS).toISOString(),
        capacity: tickets,
      },
    ],
  };
  const made = await client.post("/v1/events", { token: SignedIn.parse(signedIn.body).accessToken, body });
  if (made.status !== 201) throw new Error(`no event: ${made.status} ${JSON.stringify(made.body)}`);
  return Event.parse(made.body).id;
}

export async function stageBuyers(pool: pg.Pool, count: number, secret: string): Promise<RushBuyer[]> {
  const made = await createBuyers(pool, count);
  return made.map(({ userId }) => ({
    userId,
    token: signAccessToken(secret, { userId, role: "user" }, TOKEN_SECONDS),
  }));
}
