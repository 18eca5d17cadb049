// What services that know of webhooks are told by their environment. The same for all of them.
import { z } from "zod";
import { readAllowedHosts } from "./allowed-hosts.ts";

/** Characters of the key that endpoints' secrets are sealed with. */
const ENCRYPTION_KEY_LENGTH_MIN = 32;

/** For the `extend` of a service's own. */
export const WEBHOOK_SETTINGS = {
  WEBHOOK_ENCRYPTION_KEY: z
    .string({ error: `is missing: at least ${ENCRYPTION_KEY_LENGTH_MIN} characters, random` })
    .min(ENCRYPTION_KEY_LENGTH_MIN, `must have at least ${ENCRYPTION_KEY_LENGTH_MIN} characters`),
  /** Hosts that webhooks may go to by http, on any port and at any address. None by default. */
  WEBHOOK_ALLOWED_HOSTS: z
    .string()
    .default("")
    .transform((text, context) => {
      const allowed = readAllowedHosts(text);
      if (allowed !== null) return allowed;
      context.addIssue({
        code: "custom",
        message: "must be hosts such as receiver.example, 10.1.2.3:8080 or [::1]:8080, separated by commas",
      });
      return z.NEVER;
    }),
};
