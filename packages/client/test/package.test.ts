// What people get when they install the package: built, imported, bundled for browsers, its README's examples compiled.
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createContext, runInContext } from "node:vm";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generate } from "../generate.ts";
import { readExamples } from "./examples.ts";
import { reservation } from "./resources.ts";

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL("../", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** Milliseconds that compiling may take on a busy machine. */
const BUILD_TIMEOUT_MS = 60_000;

/** Somebody's directory, with the package installed as it is published. */
let home: string;
let installed: string;

const tsc = (...parameters: string[]) => run(join(ROOT, "node_modules/.bin/tsc"), parameters, { cwd: home });

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "holdfast-client-"));
  installed = join(home, "node_modules/@holdfast/client");
  await mkdir(installed, { recursive: true });
  const { publishConfig, ...manifest } = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8"));
  await writeFile(join(installed, "package.json"), JSON.stringify({ ...manifest, ...publishConfig }));
  await cp(join(PACKAGE, "README.md"), join(installed, "README.md"));
  await symlink(join(PACKAGE, "node_modules"), join(installed, "node_modules"));
  await tsc("--project", join(PACKAGE, "tsconfig.build.json"), "--outDir", join(installed, "dist"));
}, BUILD_TIMEOUT_MS);
afterAll(() => rm(home, { recursive: true }));

test("the types are those of the committed document (rewrite both with `pnpm --filter @holdfast/gateway openapi`)", async () => {
  expect(await generate()).toBe(await readFile(join(PACKAGE, "src/generated/api.ts"), "utf8"));
});

test("the sources name nothing that only Node has", async () => {
  const names = await readdir(join(PACKAGE, "src"), { recursive: true });
  for (const name of names.filter((file) => file.endsWith(".ts"))) {
    const text = await readFile(join(PACKAGE, "src", name), "utf8");
    expect([name, /\b(node:|Buffer\b|process\.|require\(|setImmediate)/.exec(text)?.[0]]).toEqual([
      name,
      undefined,
    ]);
  }
});

test("Node imports it as it is built", async () => {
  const program = `import * as client from "@holdfast/client";
    const { createClient, createSession, verifyWebhook, HoldfastProblem } = client;
    console.log(typeof createClient({ baseUrl: "http://x" }).reserve, typeof createSession, typeof verifyWebhook, HoldfastProblem.name);`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", program], { cwd: home });
  expect(stdout).toBe("function function function HoldfastProblem\n");
});

test("a bundle for browsers needs nothing but what browsers have", {
  timeout: BUILD_TIMEOUT_MS,
}, async () => {
  const bundled = await build({
    root: home,
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      minify: false,
      lib: { entry: join(installed, "dist/index.js"), formats: ["iife"], name: "holdfastClient" },
    },
  });
  const [output] = Array.isArray(bundled) ? bundled : [bundled];
  if (output === undefined || !("output" in output)) throw new Error("nothing was bundled");
  expect(output.output.map(({ type }) => type)).toEqual(["chunk"]);
  const [{ code }] = output.output;
  expect(code).not.toMatch(/\bnode:|\brequire\(["']/);

  const { AbortController, AbortSignal, crypto, fetch, Headers, performance, Request, Response } = globalThis;
  const { TextDecoder, TextEncoder, URL, setTimeout, clearTimeout } = globalThis;
  const web = { AbortController, AbortSignal, crypto, fetch, Headers, performance, Request, Response };
  const page = createContext({ ...web, TextDecoder, TextEncoder, URL, setTimeout, clearTimeout });
  runInContext("globalThis.globalThis = globalThis", page);
  runInContext(code, page);
  const asked: string[] = [];
  Object.assign(page, {
    fakeFetch: async (request: Request) => {
      asked.push(request.url);
      return Response.json(reservation, { status: 201 });
    },
  });
  const held = await runInContext(
    `holdfastClient.createClient({ baseUrl: "https://tickets.example.com", fetch: fakeFetch }).reserve("evt_x")`,
    page,
  );
  expect([held, asked]).toEqual([reservation, ["https://tickets.example.com/v1/events/evt_x/reserve"]]);
  const verified = `holdfastClient.verifyWebhook('{"test": 2432232314}', {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  }, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", { now: () => 1614265330000 }).test`;
  expect(runInContext(verified, page)).toBe(2_432_232_314);
});

test("the README's examples compile against the types that are published", {
  timeout: BUILD_TIMEOUT_MS,
}, async () => {
  const examples = await readExamples();
  expect(examples.map(({ name }) => name)).toEqual([
    "Reserve and buy",
    "Wait, look on, and change one's mind",
    "What is left, live",
    "Be told by webhooks",
  ]);
  const files = examples.map((_, at) => `example${at}.ts`);
  for (const [at, { code }] of examples.entries()) await writeFile(join(home, `example${at}.ts`), code);
  await writeFile(join(home, "package.json"), '{"type": "module"}');
  await mkdir(join(home, "node_modules/@types"));
  await symlink(join(ROOT, "node_modules/@types/node"), join(home, "node_modules/@types/node"));
  const strict = ["--strict", "--noEmit", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"];
  const { stdout } = await tsc(
    ...strict,
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--lib",
    "es2022,dom,dom.asynciterable",
    "--types",
    "node",
    ...files,
  );
  expect(stdout).toBe("");
});
