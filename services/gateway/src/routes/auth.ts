// Registering, signing in and out, and who one is.

import { ACCESS_TOKEN_SECONDS } from "@holdfast/access-token";
import { LoginBody, presentUser, RefreshBody, RegisterBody, SignedIn, User } from "@holdfast/contracts";
import { findUser } from "@holdfast/db";
import type { GatewayDeps } from "../deps.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { unauthenticated } from "../refused.ts";
import type { SignedInUser } from "../sign-in.ts";

const present = ({ user, accessToken, refreshToken }: SignedInUser): SignedIn => ({
  user: presentUser(user),
  accessToken,
  refreshToken,
  tokenType: "Bearer",
  expiresIn: ACCESS_TOKEN_SECONDS,
});

const SIGNED_IN = { 200: { description: "Signed in.", schema: SignedIn } };

export function authEndpoints({ pool, signIn }: GatewayDeps): Endpoint[] {
  return [
    endpoint({
      method: "POST",
      url: "/v1/auth/register",
      access: "anyone",
      rate: "auth",
      tag: "Accounts",
      summary: "Make an account",
      body: RegisterBody,
      answers: { 201: { description: "Made, and signed in.", schema: SignedIn } },
      problems: ["email-taken"],
      async handle({ body }, reply) {
        const signedIn = await signIn.register(body);
        reply.code(201).header("location", "/v1/me");
        return present(signedIn);
      },
    }),
    endpoint({
      method: "POST",
      url: "/v1/auth/login",
      access: "anyone",
      rate: "auth",
      tag: "Accounts",
      summary: "Sign in",
      body: LoginBody,
      answers: SIGNED_IN,
      problems: ["unauthenticated"],
      handle: async ({ body, request }) => present(await signIn.login(body, request.ip)),
    }),
    endpoint({
      method: "POST",
      url: "/v1/auth/refresh",
      access: "anyone",
      rate: "auth",
      tag: "Accounts",
      summary: "Exchange a refresh token for a new pair",
      body: RefreshBody,
      answers: SIGNED_IN,
      problems: ["unauthenticated"],
      handle: async ({ body }) => present(await signIn.refresh(body.refreshToken)),
    }),
    endpoint({
      method: "POST",
      url: "/v1/auth/logout",
      access: "anyone",
      rate: "auth",
      tag: "Accounts",
      summary: "End the session of a refresh token",
      body: RefreshBody,
      answers: { 204: { description: "Ended." } },
      async handle({ body }, reply) {
        await signIn.logout(body.refreshToken);
        return reply.code(204).send();
      },
    }),
    endpoint({
      method: "GET",
      url: "/v1/me",
      access: "user",
      rate: "read",
      tag: "Accounts",
      summary: "Who you are",
      answers: { 200: { description: "You.", schema: User } },
      async handle({ identity }) {
        const user = await findUser(pool, identity.userId);
        if (user === null || user.disabled) throw unauthenticated("The access token is not valid any more.");
        return presentUser(user);
      },
    }),
  ];
}
