// What a route is to this gateway, and the order in which one refuses: rate, token, role, form of the answer, body, fields.
// (A path or method that is not known was refused before: see `app.ts`. What the rules refuse comes after.)
import type { FieldError, ProblemCode } from "@holdfast/contracts";
import { hasRole, type UserRole } from "@holdfast/domain";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { formOf } from "./accept.ts";
import { readIdempotencyKey } from "./idempotency.ts";
import type { Claim, Identity } from "./identity.ts";
import { type JsonObject, pointerPart } from "./json-body.ts";
import { jsonSchemaOf } from "./json-schema.ts";
import { NOTHING_ASKED, type ReadQuery } from "./query-string.ts";
import type { RateClass } from "./rate-limits.ts";
import { forbidden, malformed, notFound, Refused, unauthenticated } from "./refused.ts";

export type Access = "anyone" | UserRole;
export type Fields = z.ZodObject;
export type Answers = Readonly<Record<number, { readonly description: string; readonly schema?: z.ZodType }>>;

export interface Asked<
  Who extends Access,
  Params extends Fields,
  Query extends Fields,
  Body extends z.ZodType,
> {
  readonly params: z.infer<Params>;
  readonly query: z.infer<Query>;
  readonly body: z.infer<Body>;
  /** As it was sent; an absent body is an empty object. */
  readonly rawBody: JsonObject;
  /** Of a command; null when none was sent. */
  readonly idempotencyKey: string | null;
  readonly identity: Who extends "anyone" ? null : Identity;
  /** The client wants the stream that the endpoint has. */
  readonly wantsStream: boolean;
  readonly request: FastifyRequest;
}

export interface Endpoint<
  Who extends Access = Access,
  Params extends Fields = Fields,
  Query extends Fields = Fields,
  Body extends z.ZodType = z.ZodType,
> {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly url: string;
  readonly access: Who;
  /** Null: not counted. */
  readonly rate: RateClass | null;
  readonly tag: string;
  readonly summary: string;
  /** A command: takes `Idempotency-Key` and `Prefer`. A wait: takes `Prefer`. */
  readonly takes?: "command" | "wait";
  /** Takes `If-Match` with tags of the event. */
  readonly ifMatch?: true;
  /** What is told to who asks for live events in place of JSON. */
  readonly stream?: string;
  /** Answers in JSON whatever `Accept` says: those who probe send anything. */
  readonly anyAccept?: true;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly answers: Answers;
  /** Beside those that follow from the rest. */
  readonly problems?: readonly ProblemCode[];
  /** Undefined when it has answered already. */
  handle(asked: Asked<Who, Params, Query, Body>, reply: FastifyReply): Promise<unknown> | undefined;
}

/** Keeps the types of one endpoint's fields together; does nothing else. */
export const endpoint = <
  Who extends Access,
  Params extends Fields = z.ZodObject<Record<never, never>>,
  Query extends Fields = z.ZodObject<Record<never, never>>,
  Body extends z.ZodType = z.ZodObject<Record<never, never>>,
>(
  definition: Endpoint<Who, Params, Query, Body>,
): Endpoint => definition as unknown as Endpoint;

/** Who decides whether a request may come in: counts it, and knows the role that counts now. */
export interface Doorkeeper {
  claim(request: FastifyRequest): Claim;
  /** Throws `Refused` when there were too many. Undefined when nothing is counted: then nobody waits. */
  count(
    rateClass: RateClass,
    request: FastifyRequest,
    reply: FastifyReply,
    claim: Claim,
  ): Promise<void> | undefined;
  /** The role as the database has it now; null when the user is gone or disabled. */
  roleNow(identity: Identity): Promise<UserRole | null>;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks; null where anyone may. */
    identity: Identity | null;
  }
  interface FastifyContextConfig {
    /** Who may call the route; shown in the table of routes and roles. */
    access?: string;
  }
}

/** Mistakes that are told of one request: a small body can hold thousands. */
const FIELD_ERRORS_MAX = 100;

const NO_FIELDS = z.strictObject({});

export function addEndpoint(app: FastifyInstance, doorkeeper: Doorkeeper, added: Endpoint): void {
  const { access, answers, handle, method, params, rate, url } = added;
  const { query } = added;
  const streams = added.stream !== undefined;
  const body = added.body ?? NO_FIELDS;

  const response: Record<number, unknown> = {};
  for (const [status, { schema }] of Object.entries(answers)) {
    // To find out which of several it writes, a compiled serialiser would have to validate.
    if (schema === undefined || schema instanceof z.ZodUnion) continue;
    response[Number(status)] = jsonSchemaOf(schema, "output");
  }

  /** Most who come in wait for nobody: a promise less on every request. */
  function letIn(request: FastifyRequest, claim: Claim): Promise<void> | undefined {
    if (access === "anyone") return undefined;
    if (claim === null) throw unauthenticated();
    if (claim === "invalid") throw unauthenticated("The access token is not valid, or not any more.");
    if (access !== "user") return letInAs(access, request, claim);
    request.identity = claim;
    return undefined;
  }

  async function letInAs(needed: UserRole, request: FastifyRequest, identity: Identity): Promise<void> {
    const role = await doorkeeper.roleNow(identity);
    if (role === null) throw unauthenticated("The access token is not valid any more.");
    if (!hasRole(role, needed)) throw forbidden();
    request.identity = { ...identity, role };
  }

  function checkForm({ headers }: FastifyRequest): void {
    if (added.anyAccept !== true && formOf(headers.accept, streams) === null) {
      throw new Refused({ code: "not-acceptable" });
    }
  }

  app.route({
    method,
    url,
    config: { access },
    schema: { response },
    onRequest: (request, reply, done) => {
      if (streams) reply.header("vary", "Accept");
      const claim = access === "anyone" && rate === null ? null : doorkeeper.claim(request);
      const counted = rate === null ? undefined : doorkeeper.count(rate, request, reply, claim);
      const entered =
        counted === undefined ? letIn(request, claim) : counted.then(() => letIn(request, claim));
      if (entered !== undefined) {
        entered.then(() => checkForm(request)).then(() => done(), done);
        return;
      }
      checkForm(request);
      done();
    },
    // Not async: what it returns is a promise already, or nothing is left to be done.
    handler: (request, reply) => {
      if (method === "GET" && hasBody(request)) throw malformed("A GET request takes no body.");
      const sent = request.query as ReadQuery;
      const errors = [...sent.errors];
      const asked =
        query === undefined && sent === NOTHING_ASKED
          ? {}
          : checked(query ?? NO_FIELDS, { ...sent.fields }, errors);
      if (method === "PATCH" && request.body === undefined) throw malformed("A body is needed.");
      const given = method === "GET" ? undefined : checkedBody(body, request.body, errors);
      const key = added.takes === "command" ? readIdempotencyKey(request.headers["idempotency-key"]) : null;
      if (errors.length > 0) {
        throw new Refused({ code: "validation-failed", errors: errors.slice(0, FIELD_ERRORS_MAX) });
      }
      const path = params?.safeParse(request.params);
      if (path?.success === false) throw notFound(); // a malformed id names nothing
      return handle(
        {
          query: asked,
          body: given,
          params: path?.data ?? {},
          idempotencyKey: key,
          rawBody: (request.body ?? {}) as JsonObject,
          identity: request.identity as Identity,
          wantsStream: streams && formOf(request.headers.accept, true) === "stream",
          request,
        } as Asked<Access, Fields, Fields, z.ZodType>,
        reply,
      );
    },
  });
}

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

function checkedBody(schema: z.ZodType, body: unknown, errors: FieldError[]): unknown {
  if (body !== undefined) return checked(schema, body, errors);
  const parsed = schema.safeParse({});
  if (!parsed.success) throw malformed("A body is needed.");
  return parsed.data;
}

function checked(schema: z.ZodType, value: unknown, errors: FieldError[]): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) errors.push(...fieldErrors(issue));
  return undefined;
}

function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  const at = issue.path.map((part) => `/${pointerPart(part)}`).join("");
  if (issue.code !== "unrecognized_keys") return [{ pointer: at, detail: issue.message }];
  return issue.keys.map((key) => ({ pointer: `${at}/${pointerPart(key)}`, detail: "is not known" }));
}
