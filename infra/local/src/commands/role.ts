// pnpm role <email> <user|organizer|admin>
import { setUserRole } from "@holdfast/db";
import { USER_ROLES } from "@holdfast/domain";
import { defineCommand } from "citty";
import { withDatabase } from "../attach.ts";
import { readSettings } from "../settings.ts";

export const role = defineCommand({
  meta: { name: "role", description: "Give a registered user a role (in any database: DATABASE_URL)" },
  args: {
    email: { type: "positional", description: "whose role", required: true },
    role: { type: "positional", description: USER_ROLES.join(" | "), required: true },
  },
  run: async ({ args: { email, role: given } }) => {
    const wanted = USER_ROLES.find((one) => one === given);
    if (wanted === undefined) throw new Error(`"${given}" is no role; there are ${USER_ROLES.join(", ")}`);
    const user = await withDatabase(readSettings(), "holdfast-role", (pool) =>
      setUserRole(pool, email, wanted),
    );
    if (user === null) throw new Error(`there is no user with the address ${email}`);
    process.stdout.write(`${email} now has the role ${wanted}\n`);
  },
});
