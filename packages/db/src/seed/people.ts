// The people of the example data. The first ones have the accounts that are told of; nobody is real.
import type { Faker } from "@faker-js/faker";
import type { EpochMs, UserId, UserRole } from "@holdfast/domain";
import { SEED_ACCOUNTS } from "./accounts.ts";
import { DAY_MS, HOUR_MS, seedId } from "./ids.ts";

const USERS = 300;

export interface SeedUser {
  readonly id: UserId;
  readonly email: string;
  readonly name: string;
  readonly role: UserRole;
  readonly password: string;
  readonly createdAt: EpochMs;
}

export function imagineUsers(faker: Faker, now: EpochMs): SeedUser[] {
  return Array.from({ length: USERS }, (_, n) => {
    const createdAt = now - 200 * DAY_MS + n * HOUR_MS;
    const firstName = faker.person.firstName();
    const lastName = faker.person.lastName();
    const account = SEED_ACCOUNTS[n];
    return {
      id: seedId("user", n, createdAt),
      email:
        account?.email ??
        faker.internet.email({ firstName, lastName: `${lastName}${n}`, provider: "example.com" }),
      name: `${firstName} ${lastName}`,
      role: account?.role ?? (n % 60 === 0 ? "organizer" : "user"),
      password: account?.password ?? "password",
      createdAt,
    };
  });
}
