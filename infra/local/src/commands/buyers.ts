// pnpm buyers --count N
import { signAccessToken } from "@holdfast/access-token";
import { createBuyers } from "@holdfast/db";
import { defineCommand } from "citty";
import { withDatabase } from "../attach.ts";
import { readSettings } from "../settings.ts";
import { signingSecret } from "../signing-secret.ts";
import { countArgument } from "./arguments.ts";

const MOST_BUYERS = 1_000_000;
/** Long enough for any load run; at least 15 minutes are promised. */
const TOKEN_SECONDS = 3_600;

export const buyers = defineCommand({
  meta: {
    name: "buyers",
    description: "Make new users for a load tool: JSON lines {userId,email,accessToken}",
  },
  args: { count: { type: "string", default: "100", description: "how many" } },
  run: async ({ args }) => {
    const count = countArgument("count", args.count, MOST_BUYERS);
    const settings = readSettings();
    const secret = signingSecret(settings);
    const made = await withDatabase(settings, "holdfast-buyers", (pool) => createBuyers(pool, count));
    for (const { userId, email } of made) {
      const accessToken = signAccessToken(secret, { userId, role: "user" }, TOKEN_SECONDS);
      process.stdout.write(`${JSON.stringify({ userId, email, accessToken })}\n`);
    }
  },
});
