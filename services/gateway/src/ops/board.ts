// bull-board as this gateway serves it: its page, its files, and those of its routes that only read. Whatever changes
// a queue is left out, for all queues: a job is a hint that the sweep makes anew, so there is nothing to retry or
// to remove by hand, and pausing the activations would stop every event.
import { readdir, readFile } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createBullBoard } from "@bull-board/api";
import type { BaseAdapter } from "@bull-board/api/baseAdapter";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import type { AppControllerRoute, AppViewRoute, IServerAdapter, UIConfig } from "@bull-board/api/typings/app";
import {
  ACTIVATIONS,
  DEADLINES,
  DELIVERIES,
  DELIVERIES_TROUBLED,
  PROMOTIONS,
  type STATIC_QUEUES,
  showJob,
  type WatchedQueue,
} from "@holdfast/event-queue";

/** Seconds between two looks of an open page. A page in the background does not look. */
const POLL_SECONDS = 5;
/** Jobs of each state on one page: each may carry many commands. */
const JOBS_PER_PAGE_MAX = 20;

const UI_CONFIG: UIConfig = {
  boardTitle: "Holdfast queues",
  hideDocsLink: true,
  showMetrics: false,
  showWorkers: false, // asked for each queue, and workers do not bear the names of event queues
  pollingInterval: { showSetting: false, forceInterval: POLL_SECONDS },
  miscLinks: [{ text: "Sign out", url: "/ops/logout" }],
};

const ABOUT: Readonly<Record<string, string>> = {
  [ACTIVATIONS]: "Events with work: those that wait for a worker, and those that one drains now",
  [DEADLINES]: "Timers: one for each event and second at which holds end",
  [PROMOTIONS]: "Timers: slots whose waiters are to be looked at, at once or when a collection runs out",
  [DELIVERIES]:
    "Endpoints that have webhooks to be delivered: those that wait for a turn, and those that have it",
  [DELIVERIES_TROUBLED]:
    "The same, of endpoints whose last attempt failed, or that are slow: they delay no others",
} satisfies Record<(typeof STATIC_QUEUES)[number], string>;

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

interface BoardRead {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

export interface Board {
  /** The page, the same behind each of its addresses. */
  readonly page: string;
  readonly pageUrls: readonly string[];
  readonly reads: readonly {
    readonly url: string;
    read(queues: readonly WatchedQueue[], asked: BoardRead): Promise<{ status: number; body: unknown }>;
  }[];
  /** A file of the page; null when there is none of this name. */
  file(name: string): Promise<{ type: string; bytes: Buffer } | null>;
}

/** A board whose addresses all begin with `basePath`. */
export async function readBoard(basePath: string): Promise<Board> {
  const { entry, routes, uiConfig } = partsOfBullBoard();
  const dist = join(dirname(fileURLToPath(import.meta.resolve("@bull-board/ui/package.json"))), "dist");
  const template = await readFile(join(dist, "index.ejs"), "utf8");
  const files = join(dist, "static");
  const names = new Set(await readdir(files, { recursive: true }));

  return {
    page: fill(template, entry.handler({ basePath, uiConfig }).params),
    pageUrls: [entry.route].flat(),
    reads: routes
      .filter(({ method }) => method === "get")
      .map(({ route, handler }) => ({
        url: String(route),
        async read(queues, { params, query }) {
          const adapters = new Map(queues.map(adapterOf).map((adapter) => [adapter.getName(), adapter]));
          const asked = { params: { ...params }, query: withBounds(query), body: {}, headers: {} };
          const { status = 200, body } = await handler({ queues: adapters, uiConfig, ...asked });
          return { status, body };
        },
      })),
    async file(name) {
      const type = TYPES[extname(name)];
      if (type === undefined || !names.has(name)) return null;
      return { type, bytes: await readFile(join(files, name)) };
    },
  };
}

/** What bull-board tells a server to serve. */
function partsOfBullBoard() {
  let entry: AppViewRoute | undefined;
  let routes: AppControllerRoute[] = [];
  let uiConfig: UIConfig = {};
  const server: IServerAdapter = {
    setEntryRoute: (told) => {
      entry = told;
      return server;
    },
    setApiRoutes: (told) => {
      routes = told;
      return server;
    },
    setUIConfig: (told) => {
      uiConfig = told;
      return server;
    },
    setQueues: () => server,
    setViewsPath: () => server,
    setStaticPath: () => server,
    setErrorHandler: () => server,
  };
  createBullBoard({ queues: [], serverAdapter: server, options: { uiConfig: UI_CONFIG } });
  if (entry === undefined) throw new Error("bull-board named no page");
  return { entry, routes, uiConfig };
}

/** Fills in bull-board's template, whose values are all ours, and takes out the fonts that it would load from afar. */
function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template
    .replaceAll(/<link href="https:[^>]*>/g, "")
    .replaceAll(/<%[=-] (\w+) %>/g, (_tag, name: string) => {
      const value = values[name];
      if (value === undefined) throw new Error(`bull-board's page wants ${name}, which nobody gave`);
      return value;
    });
}

/** The board's overview sorts by name: with its place before it, a queue stays where `look` put it. */
function adapterOf({ queue, depth }: WatchedQueue, index: number): BaseAdapter {
  const name = queue.name.replaceAll(/[{}]/g, "");
  const place = String(index).padStart(2, "0");
  const adapter = new BullMQAdapter(queue, {
    readOnlyMode: true,
    displayName: `${place} · ${depth === null ? name : `${depth} in ${name}`}`,
    description: depth === null ? (ABOUT[queue.name] ?? "") : `${depth} commands wait or are in hand`,
  });
  if (depth !== null) adapter.setFormatter("data", showJob);
  return adapter;
}

const withBounds = (query: Readonly<Record<string, string>>): Record<string, string> =>
  Number(query["jobsPerPage"]) > JOBS_PER_PAGE_MAX
    ? { ...query, jobsPerPage: String(JOBS_PER_PAGE_MAX) }
    : { ...query };
