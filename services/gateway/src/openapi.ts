// The OpenAPI document, derived from the endpoints: what is written there is what is checked and sent.
import { PROBLEM_MEDIA_TYPE, PROBLEMS, Problem, type ProblemCode } from "@holdfast/contracts";
import type { z } from "zod";
import type { Endpoint } from "./endpoint.ts";
import { type JsonSchema, jsonSchemaOf } from "./json-schema.ts";
import { webhooksOf } from "./openapi-webhooks.ts";
import { COMMAND_WAIT_SECONDS_DEFAULT, COMMAND_WAIT_SECONDS_MAX, POLL_WAIT_SECONDS_MAX } from "./prefer.ts";

export interface OpenApiDocument {
  openapi: "3.1.0";
  [member: string]: unknown;
}

export function openApiOf(endpoints: readonly Endpoint[]): OpenApiDocument {
  const schemas: Record<string, JsonSchema> = {};
  const paths: Record<string, Record<string, unknown>> = {};
  for (const described of endpoints) {
    const path = described.url.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [described.method.toLowerCase()]: operationOf(described, schemas) };
  }
  const webhooks = webhooksOf((schema) => component(schema, "output", schemas));
  return {
    openapi: "3.1.0",
    info: {
      title: "Holdfast",
      version: "1",
      description: "Reservations of scarce tickets. Every error is a problem (RFC 9457): see /docs/problems.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    paths,
    webhooks,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: { accessToken: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
    },
  };
}

function operationOf(described: Endpoint, schemas: Record<string, JsonSchema>): JsonSchema {
  const { access, answers, body, method, stream, summary, tag, url } = described;
  const responses: Record<string, JsonSchema> = {};
  for (const [status, { description, schema }] of Object.entries(answers)) {
    const content = schema && {
      "application/json": { schema: component(schema, "output", schemas) },
      ...(stream === undefined || status !== "200" ? {} : { "text/event-stream": streamOf(stream) }),
    };
    responses[status] = { description, ...(content === undefined ? {} : { content }) };
  }
  for (const [status, codes] of Map.groupBy(problemsOf(described), (code) => PROBLEMS[code].status)) {
    const content = { [PROBLEM_MEDIA_TYPE]: { schema: component(Problem, "output", schemas) } };
    responses[status] = { description: codes.map((code) => `\`${code}\``).join(", "), content };
  }
  const needed = method === "PATCH" || body?.safeParse({}).success === false;
  const parameters = parametersOf(described, schemas);
  return {
    operationId: operationId(method, url),
    tags: [tag],
    summary,
    ...(access === "anyone"
      ? { security: [] }
      : { description: `Needs the role \`${access}\`.`, security: [{ accessToken: [] }] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: needed,
            content: Object.fromEntries(
              bodyTypesOf(method).map((type) => [type, { schema: component(body, "input", schemas) }]),
            ),
          },
        }),
    responses,
  };
}

const streamOf = (description: string): JsonSchema => ({ schema: { type: "string", description } });

const bodyTypesOf = (method: Endpoint["method"]): string[] =>
  method === "PATCH" ? ["application/json", "application/merge-patch+json"] : ["application/json"];

/** Those that the endpoint names, and those that follow from what it is. */
function problemsOf({
  access,
  anyAccept,
  body,
  ifMatch,
  method,
  params,
  problems,
  query,
  rate,
}: Endpoint): ProblemCode[] {
  const codes = new Set<ProblemCode>(problems);
  if (rate !== null) codes.add("rate-limited");
  if (!anyAccept) codes.add("not-acceptable");
  if (access !== "anyone") codes.add("unauthenticated");
  if (access === "organizer" || access === "admin") codes.add("forbidden");
  if (ifMatch) codes.add("precondition-failed");
  if (method !== "GET") codes.add("payload-too-large").add("unsupported-media-type").add("malformed-request");
  if (body !== undefined || query !== undefined) codes.add("validation-failed");
  if (params !== undefined) codes.add("not-found");
  return [...codes.add("internal")].sort();
}

function parametersOf(
  { ifMatch, params, query, stream, takes }: Endpoint,
  schemas: Record<string, JsonSchema>,
): JsonSchema[] {
  const fields = (place: "path" | "query", shape: z.ZodObject | undefined): JsonSchema[] =>
    Object.entries(shape?.shape ?? {}).map(([name, field]) => ({
      name,
      in: place,
      required: place === "path",
      schema: component(field as z.ZodType, "input", schemas),
    }));
  const header = (name: string, description: string, schema: JsonSchema): JsonSchema => ({
    name,
    in: "header",
    description,
    schema,
  });
  const prefer = (description: string) => header("Prefer", description, { type: "string" });
  const parameters = [...fields("path", params), ...fields("query", query)];
  if (takes === "command") {
    const key = { type: "string", minLength: 1, maxLength: 255, pattern: "^[\\x21-\\x7e]+$" };
    parameters.push(
      header(
        "Idempotency-Key",
        "A repeat with the same key is the same command and gets the same answer.",
        key,
      ),
      prefer(
        `\`wait=N\` (seconds, at most ${COMMAND_WAIT_SECONDS_MAX}, default ${COMMAND_WAIT_SECONDS_DEFAULT}) or \`respond-async\`.`,
      ),
    );
  }
  if (ifMatch) {
    parameters.push(
      header("If-Match", "Tags of the event, of which only the versions count.", { type: "string" }),
    );
  }
  if (stream !== undefined) {
    parameters.push(
      header("Last-Event-ID", "Of a stream: the `id` of the last event that was heard.", { type: "string" }),
    );
  }
  if (takes === "wait") {
    parameters.push(
      prefer(`\`wait=N\`: answers when the command ends, at most N (${POLL_WAIT_SECONDS_MAX}) seconds.`),
    );
  }
  return parameters;
}

/** A schema with a name goes to the components and is referred to. */
function component(
  schema: z.ZodType,
  io: "input" | "output",
  schemas: Record<string, JsonSchema>,
): JsonSchema {
  const { $defs, id, ...made } = inComponents(jsonSchemaOf(schema, io)) as JsonSchema & {
    $defs?: Record<string, JsonSchema>;
    id?: string;
  };
  for (const [name, { id: _, ...named }] of Object.entries($defs ?? {})) schemas[name] = named;
  if (id === undefined) return made;
  schemas[id] = made;
  return { $ref: `#/components/schemas/${id}` };
}

const inComponents = (schema: JsonSchema): JsonSchema =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')) as JsonSchema;

const operationId = (method: string, url: string): string =>
  `${method.toLowerCase()}${url
    .replace(/^\/v1/, "")
    .replaceAll(/[/:]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`;
