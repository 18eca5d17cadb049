// pnpm role <email> <user|organizer|admin>
import { setUserRole } from "@holdfast/db";
import { defineCommand } from "citty";
import pg from "pg";
import { withDatabase } from "../attach.ts";
import { readSettings } from "../settings.ts";

const ROLES = ["user", "organizer", "admin"] as const;
type Role = (typeof ROLES)[number];

export const role = defineCommand({
  meta: { name: "role", description: "Give a registered user a role (in any database: DATABASE_URL)" },
  args: {
    email: { type: "positional", description: "whose role", required: true },
    role: { type: "positional", description: ROLES.join(" | "), required: true },
  },
  run: async ({ args }) => {
    const wanted = ROLES.find((one) => one === args.role);
    if (wanted === undefined) throw new Error(`"${args.role}" is no role; there are ${ROLES.join(", ")}`);
    await withDatabase(readSettings(), (databaseUrl) => giveRole(databaseUrl, args.email, wanted));
    process.stdout.write(`${args.email} now has the role ${wanted}\n`);
  },
});

async function giveRole(databaseUrl: string, email: string, wanted: Role): Promise<void> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  try {
    if ((await setUserRole(pool, email, wanted)) === null)
      throw new Error(`there is no user with the address ${email}`);
  } finally {
    await pool.end();
  }
}
