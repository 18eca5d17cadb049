// Zod's schemas as JSON Schema, in the form that Fastify compiles serialisers from and that OpenAPI shows.
import { z } from "zod";

export type JsonSchema = { [key: string]: unknown };

/** `output` is what is sent, `input` what may be sent to us. Named schemas stand in `$defs`. */
export function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _, ...made } = z.toJSONSchema(schema, {
    io,
    target: "draft-2020-12",
    unrepresentable: "any",
    override: ({ jsonSchema }) => {
      if (jsonSchema.format === "date-time") delete jsonSchema.pattern; // says the same, at length
      if (jsonSchema.format === "email") delete jsonSchema.pattern;
      if (jsonSchema.type === "integer") delete jsonSchema.pattern; // a number in a query, which is text
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      nullable(jsonSchema);
    },
  });
  return made as JsonSchema;
}

/** `anyOf` with null becomes a type list, for which the compiled serialiser needs no validation. */
function nullable(schema: z.core.JSONSchema.BaseSchema): void {
  const [some, none, ...more] = schema.anyOf ?? [];
  if (more.length > 0 || some === undefined || none?.type !== "null") return;
  if (typeof some.type !== "string" || some.type === "object") return;
  delete schema.anyOf;
  Object.assign(schema, some, { type: [some.type, "null"] });
  if (some.enum !== undefined) schema.enum = [...some.enum, null];
}
