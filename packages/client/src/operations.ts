// What the API's document says of each path, in the form that callers need: types only.
import type { ParamsOption, RequestBodyOption } from "openapi-fetch";
import type { components, paths } from "./generated/api.ts";
import type { Method } from "./transport.ts";

export type Schemas = components["schemas"];

export type PathsOf<M extends Method> = {
  [Path in keyof paths]: paths[Path][M] extends { responses: object } ? Path : never;
}[keyof paths];

/** Paths that take commands. */
export type CommandPathsOf<M extends Method> = {
  [Path in keyof paths]: paths[Path][M] extends {
    parameters: { header?: { "Idempotency-Key"?: string } };
    responses: { 202: object };
  }
    ? Path
    : never;
}[keyof paths];

type JsonOf<Answer> = Answer extends { content: infer Content }
  ? Content extends { "application/json": infer Body }
    ? Body
    : undefined
  : undefined;

type AnswersOf<Path extends keyof paths, M extends Method> = paths[Path][M] extends {
  responses: infer Answers;
}
  ? Answers
  : never;

type BodiesOf<Answers> = JsonOf<Answers[keyof Answers & (200 | 201 | 202)]>;

/** The body of a success; undefined where there never is one. */
export type DataOf<Path extends keyof paths, M extends Method> = [BodiesOf<AnswersOf<Path, M>>] extends [
  never,
]
  ? undefined
  : BodiesOf<AnswersOf<Path, M>>;

/** The body of a command's success: what it made or changed. */
export type ResultOf<Path extends keyof paths, M extends Method> = JsonOf<
  AnswersOf<Path, M>[keyof AnswersOf<Path, M> & (200 | 201)]
>;

interface Extras {
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Path, query and body, as the document describes them. */
export type InitOf<Path extends keyof paths, M extends Method> = ParamsOption<paths[Path][M]> &
  RequestBodyOption<paths[Path][M]> &
  Extras;

/** May be left out where nothing of it is required. */
export type InitArguments<Path extends keyof paths, M extends Method> =
  Record<never, never> extends InitOf<Path, M> ? [init?: InitOf<Path, M>] : [init: InitOf<Path, M>];

export type Call<M extends Method> = <Path extends PathsOf<M>>(
  path: Path,
  ...init: InitArguments<Path, M>
) => Promise<DataOf<Path, M>>;
