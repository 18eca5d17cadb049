// Lists that come in pages, as one: page after page, or item after item.
import type { DataOf, PathsOf } from "./operations.ts";
import { type Sent, succeeded, type Transport } from "./transport.ts";

export interface Page<Item = unknown> {
  readonly object: "list";
  readonly data: readonly Item[];
  readonly nextCursor: string | null;
}

export type ListPath = {
  [Path in PathsOf<"get">]: DataOf<Path, "get"> extends Page ? Path : never;
}[PathsOf<"get">];

export type PageOf<Path extends ListPath> = DataOf<Path, "get">;
export type ItemOf<Path extends ListPath> =
  DataOf<Path, "get"> extends { data: readonly (infer Item)[] } ? Item : never;

/** Asks for a page when it is wanted, and not before. */
export async function* pagesOf(
  transport: Transport,
  path: ListPath,
  sent: Sent = {},
): AsyncGenerator<Page, void, undefined> {
  let cursor: string | null = null;
  do {
    const query = { ...sent.params?.query, ...(cursor === null ? {} : { cursor }) };
    const response = await transport.send("get", path, { ...sent, params: { ...sent.params, query } });
    const page = (await succeeded(response)) as Page;
    yield page;
    cursor = page.nextCursor;
  } while (cursor !== null);
}

export async function* itemsOf(
  transport: Transport,
  path: ListPath,
  sent?: Sent,
): AsyncGenerator<unknown, void, undefined> {
  for await (const { data } of pagesOf(transport, path, sent)) yield* data;
}
