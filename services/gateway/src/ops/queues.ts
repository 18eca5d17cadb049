// The queue dashboard under /ops/queues: for operators only, and only to look at.
import type { FastifyInstance } from "fastify";
import { contentPolicy } from "../content-policy.ts";
import type { ReadQuery } from "../query-string.ts";
import { notFound, Refused, unauthenticated } from "../refused.ts";
import { readBoard } from "./board.ts";
import { LOGIN_PATH, OPERATOR_COOKIE } from "./login.ts";
import type { OpsOptions } from "./ops.ts";

const QUEUES_PATH = "/ops/queues";
/** Seconds that an operator's browser may keep the page's files, which change with releases only. */
const FILE_MAX_AGE_SECONDS = 3_600;

const POLICY = contentPolicy({
  script: "'self'",
  style: "'self' 'unsafe-inline'",
  connect: "'self'",
  base: "'self'",
});

export async function addQueues(ops: FastifyInstance, options: OpsOptions): Promise<void> {
  const { doorkeeper, sessions, queues } = options;
  const board = await readBoard(QUEUES_PATH);
  const isPage = new Set(board.pageUrls.map((url) => `${QUEUES_PATH}${url}`)).add(QUEUES_PATH);

  await ops.register(
    async (pages) => {
      pages.addHook("onRequest", async (request, reply) => {
        await doorkeeper.count("read", request, reply, null);
        if (await sessions.isOperator(request.cookies[OPERATOR_COOKIE])) return;
        if (!isPage.has(request.routeOptions.url ?? "")) throw unauthenticated(`Sign in at ${LOGIN_PATH}.`);
        return reply.redirect(LOGIN_PATH, 303);
      });
      const config = { access: "operator" };

      for (const url of board.pageUrls) {
        pages.get(url, { config }, async (_request, reply) =>
          reply.header("content-security-policy", POLICY).type("text/html; charset=utf-8").send(board.page),
        );
      }

      pages.get<{ Params: { "*": string } }>("/static/*", { config }, async (request, reply) => {
        const file = await board.file(request.params["*"]);
        if (file === null) throw notFound();
        return reply
          .header("cache-control", `private, max-age=${FILE_MAX_AGE_SECONDS}`)
          .type(file.type)
          .send(file.bytes);
      });

      for (const { url, read } of board.reads) {
        pages.get<{ Params: Record<string, string> }>(url, { config }, async (request, reply) => {
          const { fields, errors } = request.query as ReadQuery;
          if (errors.length > 0) throw new Refused({ code: "validation-failed", errors });
          const { status, body } = await read(await queues.look(), { params: request.params, query: fields });
          return reply.code(status).send(body);
        });
      }

      pages.route({
        method: ["POST", "PUT", "PATCH", "DELETE"],
        url: "/api/*",
        config,
        onRequest: async (_request, reply) => {
          reply.header("allow", "GET, HEAD");
          throw new Refused({ code: "method-not-allowed" });
        },
        handler: () => undefined,
      });
    },
    { prefix: "/queues" },
  );
}
