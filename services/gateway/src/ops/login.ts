// Signing in and out of the operators' pages: a form, a cookie, and no more said of a failed try than the API says.
import { LoginBody, PROBLEMS, type ProblemCode } from "@holdfast/contracts";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { refusedFor } from "../problem-replies.ts";
import { readQuery } from "../query-string.ts";
import { forbidden, malformed, Refused } from "../refused.ts";
import { OPERATOR_SESSION_SECONDS } from "./operator-sessions.ts";
import type { OpsOptions } from "./ops.ts";
import { LOGOUT_PAGE, loginPage, SIGN_PAGES_POLICY } from "./pages.ts";

export const OPERATOR_COOKIE = "holdfast_operator";
export const LOGIN_PATH = "/ops/login";
const COOKIE_PATH = "/ops";

const NO_ENTRY = "This e-mail address and this password do not open the operators' pages.";
const SENTENCES: Partial<Record<ProblemCode, string>> = {
  unauthenticated: NO_ENTRY,
  forbidden: NO_ENTRY,
  "rate-limited": "There were too many tries. Wait some minutes, then try again.",
  unavailable: "This cannot be checked at the moment. Try again soon.",
};

export function addLogin(ops: FastifyInstance, { doorkeeper, sessions, secureCookies }: OpsOptions): void {
  ops.removeAllContentTypeParsers();
  ops.addContentTypeParser(
    "application/x-www-form-urlencoded",
    { parseAs: "string" },
    async ({ headers }: FastifyRequest, text: string) => {
      if (headers["content-encoding"] !== undefined) throw new Refused({ code: "unsupported-media-type" });
      return readForm(text);
    },
  );
  const config = { access: "anyone" };
  const fromHereOnly = async (request: FastifyRequest): Promise<void> => {
    if (isFromElsewhere(request)) throw forbidden();
  };

  ops.get("/login", { config }, async (_request, reply) => sendPage(reply, loginPage(null)));

  ops.post("/login", { config, onRequest: fromHereOnly }, async (request, reply) => {
    try {
      await doorkeeper.count("auth", request, reply, null);
      const body = LoginBody.safeParse(request.body);
      if (!body.success) throw malformed("The form has an e-mail address and a password.");
      const token = await sessions.begin(body.data, request.ip);
      return reply
        .setCookie(OPERATOR_COOKIE, token, {
          httpOnly: true,
          sameSite: "strict",
          secure: secureCookies || request.protocol === "https",
          path: COOKIE_PATH,
          maxAge: OPERATOR_SESSION_SECONDS,
        })
        .redirect("/ops/queues", 303);
    } catch (error) {
      const refused = refusedFor(error);
      const sentence = refused === null ? undefined : SENTENCES[refused.facts.code];
      if (refused === null || sentence === undefined) throw error;
      reply.code(PROBLEMS[refused.facts.code].status).headers({ ...refused.headers });
      return sendPage(reply, loginPage(sentence));
    }
  });

  ops.get("/logout", { config }, async (_request, reply) => sendPage(reply, LOGOUT_PAGE));

  ops.post("/logout", { config, onRequest: fromHereOnly }, async (request, reply) => {
    const token = request.cookies[OPERATOR_COOKIE];
    if (token !== undefined) await sessions.end(token);
    return reply.clearCookie(OPERATOR_COOKIE, { path: COOKIE_PATH }).redirect(LOGIN_PATH, 303);
  });
}

const sendPage = (reply: FastifyReply, page: string): FastifyReply =>
  reply.header("content-security-policy", SIGN_PAGES_POLICY).type("text/html; charset=utf-8").send(page);

function readForm(text: string): Readonly<Record<string, string>> {
  const { fields, errors } = readQuery(text);
  if (errors.length > 0) throw malformed("The form could not be read.");
  return { ...fields };
}

/** Did a page of another site send this form? Browsers tell; who is no browser bears nobody else's cookies. */
function isFromElsewhere({ headers, host }: FastifyRequest): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site !== "same-origin";
  const { origin } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}
