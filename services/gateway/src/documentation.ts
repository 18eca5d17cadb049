// What people read: the API's reference at /docs, the problems at /docs/problems, and the document behind both.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { PROBLEMS_PAGE } from "@holdfast/contracts";
import scalar from "@scalar/fastify-api-reference";
import type { FastifyInstance } from "fastify";
import { contentPolicy } from "./content-policy.ts";
import type { OpenApiDocument } from "./openapi.ts";
import { pageOfMarkdown } from "./problems-page.ts";

const PROBLEMS_DOCUMENT = new URL("../../../docs/problems.md", import.meta.url);
/** Seconds that browsers may keep the reference's script, which changes with releases only. */
const SCRIPT_MAX_AGE_SECONDS = 3_600;

export async function addDocumentation(app: FastifyInstance, openApi: OpenApiDocument): Promise<void> {
  const document = JSON.stringify(openApi);
  app.get("/openapi.json", async (_request, reply) =>
    reply.type("application/json; charset=utf-8").send(document),
  );

  const problems = pageOfMarkdown(await readFile(PROBLEMS_DOCUMENT, "utf8"));
  app.get(PROBLEMS_PAGE, async (_request, reply) =>
    reply
      .header("content-security-policy", contentPolicy({ style: "'unsafe-inline'" }))
      .type("text/html; charset=utf-8")
      .send(problems),
  );

  await app.register(async (pages) => {
    pages.addHook("onSend", async (_request, reply, payload) => {
      const type = String(reply.getHeader("content-type"));
      if (type.includes("javascript")) {
        reply.header("cache-control", `public, max-age=${SCRIPT_MAX_AGE_SECONDS}`);
      } else if (type.includes("html") && typeof payload === "string") {
        const script = inlineScripts(payload).map((text) => `'sha256-${sha256(text)}'`);
        reply.header(
          "content-security-policy",
          contentPolicy({
            script: `'self' ${script.join(" ")}`,
            style: "'unsafe-inline'",
            connect: "'self'",
          }),
        );
      }
      return payload;
    });
    await pages.register(scalar, {
      routePrefix: "/docs",
      configuration: {
        url: "/openapi.json",
        pageTitle: "Holdfast API",
        withDefaultFonts: false,
        telemetry: false,
        showDeveloperTools: "never",
        agent: { disabled: true },
        mcp: { disabled: true },
      },
    });
  });
}

const inlineScripts = (html: string): string[] =>
  [...html.matchAll(/<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/g)].map((found) => found[1] ?? "");

const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64");
