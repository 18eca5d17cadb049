// Accounts, for admins: who there is, what they may do, and whether they may come in.
import {
  Account,
  AccountList,
  Cursor,
  EditUserBody,
  EMAIL_LENGTH_MAX,
  Limit,
  presentAccount,
  text,
} from "@holdfast/contracts";
import { changeUser, listUsers } from "@holdfast/db";
import { USER_ROLES, UserId } from "@holdfast/domain";
import { z } from "zod";
import type { GatewayDeps } from "../deps.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { pageOf, readCursor } from "../pages.ts";
import { notFound } from "../refused.ts";

const PAGE = { present: presentAccount, cursorOf: ({ id }: { readonly id: UserId }) => id };

export function userEndpoints({ pool, standing }: GatewayDeps): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      url: "/v1/users",
      access: "admin",
      rate: "read",
      tag: "Accounts",
      summary: "Accounts, the newest first",
      query: z.strictObject({
        email: text(EMAIL_LENGTH_MAX).optional(),
        role: z.enum(USER_ROLES).optional(),
        limit: Limit,
        cursor: Cursor.optional(),
      }),
      answers: { 200: { description: "A page.", schema: AccountList } },
      async handle({ query, request }, reply) {
        const found = await listUsers(pool, {
          email: query.email ?? null,
          role: query.role ?? null,
          limit: query.limit + 1,
          after: readCursor(UserId, query.cursor),
        });
        return pageOf(found, query.limit, PAGE, request, reply);
      },
    }),
    endpoint({
      method: "PATCH",
      url: "/v1/users/:id",
      access: "admin",
      rate: "write",
      tag: "Accounts",
      summary: "Give an account another role, or close or open it",
      params: z.object({ id: UserId }),
      body: EditUserBody,
      answers: { 200: { description: "The account.", schema: Account } },
      async handle({ params, body }) {
        const { role = null, disabled = null } = body;
        const changed = await changeUser(pool, params.id, { role, disabled });
        if (changed === null) throw notFound();
        standing.userChanged(changed);
        return presentAccount(changed);
      },
    }),
  ];
}
