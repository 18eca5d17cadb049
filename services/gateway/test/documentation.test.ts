// What people and tools read: the OpenAPI document, the reference, the problems.
import { readFile } from "node:fs/promises";
import { PROBLEM_CODES, PROBLEMS, WEBHOOK_TYPES, WebhookMessage } from "@holdfast/contracts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GatewayUnderTest, openGateway } from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

describe("the OpenAPI document", () => {
  test("is the committed one (rewrite it with `pnpm --filter @holdfast/gateway openapi`)", async () => {
    const committed = JSON.parse(await readFile(new URL("../openapi.json", import.meta.url), "utf8"));
    const { status, headers, body } = await gateway.ask({ url: "/openapi.json" });
    expect([status, headers["content-type"]]).toEqual([200, "application/json; charset=utf-8"]);
    expect(body).toEqual(committed);
  });

  test("refers to nothing that it does not have", async () => {
    const { body } = await gateway.ask({ url: "/openapi.json" });
    const references = [...JSON.stringify(body).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(50);
    for (const [, name] of references) expect(Object.keys(body.components.schemas)).toContain(name);
    expect(JSON.stringify(body)).not.toContain("$defs");
  });

  test("has an operation id and answers for every operation, and no id twice", async () => {
    const { body } = await gateway.ask({ url: "/openapi.json" });
    // biome-ignore lint/suspicious/noExplicitAny: a parsed document
    const operations: any[] = [body.paths, body.webhooks]
      .flatMap((paths) => Object.values(paths))
      .flatMap((path) => Object.values(path as object));
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    for (const { responses } of operations)
      expect(Object.keys(responses).some((status) => /^2/.test(status))).toBe(true);
  });
});

test("the OpenAPI document has every message that endpoints are sent, with its schema", async () => {
  const { body } = await gateway.ask({ url: "/openapi.json" });
  const types = WebhookMessage.options.flatMap(({ shape: { type } }) =>
    "options" in type ? type.options : [...type.values],
  );
  expect(Object.keys(body.webhooks).sort()).toEqual(types.toSorted());
  expect(types).toEqual(expect.arrayContaining([...WEBHOOK_TYPES]));
  for (const type of types) {
    const { $ref } = body.webhooks[type].post.requestBody.content["application/json"].schema;
    const { properties } = body.components.schemas[$ref.split("/").at(-1)];
    expect(properties.type.const ?? properties.type.enum).toContain(type);
    expect(Object.keys(properties).sort()).toEqual(["apiVersion", "data", "id", "timestamp", "type"]);
  }
});

describe("the pages", () => {
  test("the reference is served whole from here, under a policy that lets nothing else in", async () => {
    const page = await gateway.ask({ url: "/docs/" });
    expect(page.status).toBe(200);
    const policy = String(page.headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toMatch(/script-src 'self' 'sha256-[^']+'/);
    expect(policy).not.toContain("unsafe-eval");
    const sources = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source);
    expect(sources.filter((source) => /^(https?:)?\/\//.test(source))).toEqual([]);
    const script = await gateway.ask({ url: "/docs/js/scalar.js" });
    expect([script.status, script.headers["cache-control"]]).toEqual([200, "public, max-age=3600"]);
    expect((await gateway.ask({ url: "/docs" })).headers["location"]).toBe("/docs/");
  });

  test("every problem's type leads to a heading of the page that is served", async () => {
    const { status, headers, body } = await gateway.ask({ url: "/docs/problems" });
    expect([status, headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    for (const code of PROBLEM_CODES) expect(body).toContain(`<h2 id="${code}">`);
  });

  test("problems.md has exactly the problems of the table, with their status", async () => {
    const text = await readFile(new URL("../../../docs/problems.md", import.meta.url), "utf8");
    const documented = [...text.matchAll(/^## (.+)\n\nStatus (\d+)\./gm)].map(([, code, status]) => [
      code,
      Number(status),
    ]);
    const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, code]) => code);
    expect(headings).toEqual(documented.map(([code]) => code));
    expect(Object.fromEntries(documented)).toEqual(
      Object.fromEntries(PROBLEM_CODES.map((code) => [code, PROBLEMS[code].status])),
    );
    expect(documented).toHaveLength(PROBLEM_CODES.length);
  });
});
