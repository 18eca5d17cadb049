// Run after every change of the API, by the gateway's script `openapi`: writes the types of what the document
// describes. A test holds the committed file to the document.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const DOCUMENT = new URL("../../services/gateway/openapi.json", import.meta.url);
const GENERATED = new URL("src/generated/api.ts", import.meta.url);
const HEADER =
  "// Types of the API, made from its OpenAPI document by `pnpm --filter @holdfast/gateway openapi`.\n\n";

/** A field with a default need not be sent. */
const OPTIONS = { defaultNonNullable: false };

export async function generate(): Promise<string> {
  const document = JSON.parse(await readFile(DOCUMENT, "utf8"));
  return HEADER + astToString(await openapiTS(document, OPTIONS));
}

if (import.meta.main) await writeFile(GENERATED, await generate());
