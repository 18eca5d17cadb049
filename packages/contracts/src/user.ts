// Users and how they sign in, as outsiders see them.
import { USER_ROLES, UserId, type UserRole } from "@holdfast/domain";
import { z } from "zod";
import { isoTime, TimeOut, text } from "./fields.ts";
import { listOf } from "./list.ts";

export const EMAIL_LENGTH_MAX = 254;
export const USER_NAME_LENGTH_MAX = 100;
export const PASSWORD_LENGTH_MIN = 8;
export const PASSWORD_LENGTH_MAX = 128;
/** At login any password may be tried, but none longer than the body could be worth hashing. */
export const PASSWORD_TRIED_LENGTH_MAX = 1_024;
export const REFRESH_TOKEN_LENGTH_MAX = 200;

const Email = z.email({ error: "must be an e-mail address" }).max(EMAIL_LENGTH_MAX);

export const RegisterBody = z
  .strictObject({
    email: Email,
    password: z.string().min(PASSWORD_LENGTH_MIN).max(PASSWORD_LENGTH_MAX),
    name: text(USER_NAME_LENGTH_MAX),
  })
  .meta({ id: "RegisterBody" });
export type RegisterBody = z.infer<typeof RegisterBody>;

export const LoginBody = z
  .strictObject({ email: text(EMAIL_LENGTH_MAX), password: z.string().max(PASSWORD_TRIED_LENGTH_MAX) })
  .meta({ id: "LoginBody" });
export type LoginBody = z.infer<typeof LoginBody>;

export const RefreshBody = z
  .strictObject({ refreshToken: text(REFRESH_TOKEN_LENGTH_MAX) })
  .meta({ id: "RefreshBody" });
export type RefreshBody = z.infer<typeof RefreshBody>;

export const User = z
  .object({
    object: z.literal("user"),
    id: UserId,
    email: z.string(),
    name: z.string(),
    role: z.enum(USER_ROLES),
    createdAt: TimeOut,
  })
  .meta({ id: "User" });
export type User = z.infer<typeof User>;

/** A user as admins see one. */
export const Account = User.extend({ disabled: z.boolean() }).meta({ id: "Account" });
export type Account = z.infer<typeof Account>;

export const AccountList = listOf(Account, "AccountList");

export const EditUserBody = z
  .strictObject({ role: z.enum(USER_ROLES).optional(), disabled: z.boolean().optional() })
  .meta({ id: "EditUserBody" });
export type EditUserBody = z.infer<typeof EditUserBody>;

export const SignedIn = z
  .object({
    user: User,
    accessToken: z.string(),
    refreshToken: z.string(),
    tokenType: z.literal("Bearer"),
    /** Seconds until the access token ends. */
    expiresIn: z.int().positive(),
  })
  .meta({ id: "SignedIn" });
export type SignedIn = z.infer<typeof SignedIn>;

export interface UserFacts {
  readonly id: UserId;
  readonly email: string;
  readonly name: string;
  readonly role: UserRole;
  readonly createdAt: number;
}

export const presentUser = ({ id, email, name, role, createdAt }: UserFacts): User => ({
  object: "user",
  id,
  email,
  name,
  role,
  createdAt: isoTime(createdAt),
});

export const presentAccount = (user: UserFacts & { readonly disabled: boolean }): Account => ({
  ...presentUser(user),
  disabled: user.disabled,
});
