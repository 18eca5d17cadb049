// The accounts that people are told of.
import type { UserRole } from "@holdfast/domain";

export interface SeedAccount {
  readonly email: string;
  readonly password: string;
  readonly role: UserRole;
  /** What to try with it. */
  readonly note: string;
}

/** The first one's role is `user`, despite its name. */
export const SEED_ACCOUNTS: readonly SeedAccount[] = [
  { email: "admin@example.com", password: "password123", role: "user", note: "a user without reservations" },
  {
    email: "busy@test.com",
    password: "password",
    role: "user",
    note: "everything, in every state",
  },
  { email: "admin@test.com", password: "password", role: "admin", note: "may do everything" },
  {
    email: "organizer@test.com",
    password: "password",
    role: "organizer",
    note: "made these scenarios, and some other events",
  },
];
