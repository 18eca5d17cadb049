// Which paths there are and which methods each takes: asked when no route fits, and by the test of routes and roles.
import type { FastifyInstance } from "fastify";

export interface RouteTable {
  /** The methods of a known path, OPTIONS among them; null for an unknown one. */
  methodsOf(url: string): string[] | null;
}

/** Follows the routes that are added from now on. */
export function routeTable(app: FastifyInstance): RouteTable {
  const paths = new Map<string, { pattern: RegExp; methods: Set<string> }>();
  app.addHook("onRoute", ({ url, method }) => {
    const path = paths.get(url) ?? { pattern: patternOf(url), methods: new Set(["OPTIONS"]) };
    for (const one of [method].flat()) path.methods.add(one);
    paths.set(url, path);
  });
  return {
    methodsOf(url) {
      const asked = url.split("?", 1)[0] ?? url;
      const found = [...paths.values()].filter(({ pattern }) => pattern.test(asked));
      return found.length === 0 ? null : [...new Set(found.flatMap(({ methods }) => [...methods]))].sort();
    },
  };
}

const patternOf = (url: string): RegExp =>
  new RegExp(`^${url.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/:[a-zA-Z]+/g, "[^/]+")}$`);
