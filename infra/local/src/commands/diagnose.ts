// pnpm diagnose
import { defineCommand } from "citty";
import { diagnosis } from "../diagnosis.ts";
import { readSettings } from "../settings.ts";

export const diagnose = defineCommand({
  meta: { name: "diagnose", description: "Everything worth sending along with a question; no secrets" },
  run: async () => {
    process.stdout.write(`${await diagnosis(readSettings())}\n`);
  },
});
