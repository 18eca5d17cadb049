// Reads one path after another, for everybody to read.
import type { LoadRequest, LoadScript } from "../script.ts";

const FOUND = [200];

export interface GetInTurn {
  /** Take turns. The paths of each are asked for in turn, too. */
  readonly reads: readonly { readonly kind: string; readonly paths: readonly string[] }[];
}

export function createScript({ reads }: GetInTurn): LoadScript {
  const requests = reads.map(({ kind, paths }) =>
    paths.map(
      (path): LoadRequest => ({
        kind,
        bytes: Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
        expects: FOUND,
      }),
    ),
  );
  let asked = 0;
  return {
    next() {
      const turn = asked % requests.length;
      const paths = requests[turn] ?? [];
      const request = paths[Math.floor(asked / requests.length) % paths.length];
      asked += 1;
      return request ?? null;
    },
  };
}
