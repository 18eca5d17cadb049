// pnpm fsck
import { parseArgs } from "node:util";
import {
  CONTRADICTIONS_PER_SENTENCE_MAX,
  type Contradiction,
  contradictionText,
  type Examined,
  findContradictions,
  sentencesOf,
} from "@holdfast/db/invariants";
import { isRepairable, type RepairReport, repairCounters } from "@holdfast/db/repair";
import { EventId } from "@holdfast/domain";
import { defineCommand } from "citty";
import type pg from "pg";
import { withDatabase } from "../attach.ts";
import { lockHolder } from "../lock.ts";
import { type LocalSettings, readSettings } from "../settings.ts";
import { prepareDataDir } from "../stores.ts";

const CONTRADICTIONS_FOUND = 1;

export const fsck = defineCommand({
  meta: {
    name: "fsck",
    description: "Look for contradictions in the tables; ends with 0: none, 1: some, 2: could not look",
  },
  args: {
    "database-url": {
      type: "string",
      description: "the database; else DATABASE_URL, else the local system's",
    },
    event: { type: "string", description: "only this event; may be given several times" },
    "at-rest": { type: "boolean", default: false, description: "nothing is under way: look at that, too" },
    repair: {
      type: "boolean",
      default: false,
      description: "rebuild counters from the rows, then look again",
    },
    json: { type: "boolean", default: false, description: "for programs" },
  },
  run: async ({ args, rawArgs }) => {
    const events = eventsOf(rawArgs);
    const settings = readSettings();
    const databaseUrl = args["database-url"] ?? settings.databaseUrl;
    // What has stopped is late with everything, and that is no fault of its tables.
    const late = databaseUrl !== undefined || isRunning(settings);
    const asked: Examined = { ...(events.length === 0 ? {} : { events }), atRest: args["at-rest"], late };
    const report = await withDatabase({ ...settings, databaseUrl }, "holdfast-fsck", (pool) =>
      check(pool, asked, args.repair),
    );
    process.stdout.write(`${args.json ? JSON.stringify(report, null, 2) : textOf(report)}\n`);
    if (report.contradictions.length > 0) process.exitCode = CONTRADICTIONS_FOUND;
  },
});

export interface FsckReport {
  readonly lookedAt: {
    readonly invariants: number;
    readonly events: number;
    readonly atRest: boolean;
    readonly late: boolean;
  };
  /** After the repair, when there was one. */
  readonly contradictions: readonly Contradiction[];
  /** Null when none was asked for, or needed. */
  readonly repair: (RepairReport & { readonly found: readonly Contradiction[] }) | null;
}

function eventsOf(rawArgs: string[]): EventId[] {
  const { values } = parseArgs({
    args: rawArgs,
    options: {
      event: { type: "string", multiple: true },
      "database-url": { type: "string" },
    },
    strict: false,
  });
  return [values.event ?? []].flat().map((given) => {
    const { success, data } = EventId.safeParse(given);
    if (!success) throw new Error(`"${String(given)}" is no event's id`);
    return data;
  });
}

const isRunning = ({ dataDir }: LocalSettings): boolean => lockHolder(prepareDataDir(dataDir)) !== undefined;

async function check(pool: pg.Pool, asked: Examined, repairs: boolean): Promise<FsckReport> {
  const { events, atRest = false, late = true } = asked;
  const lookedAt = {
    invariants: sentencesOf(asked).length,
    events: await countEvents(pool, events),
    atRest,
    late,
  };
  const found = await findContradictions(pool, asked);
  if (!repairs || found.length === 0) return { lookedAt, contradictions: found, repair: null };
  const repaired = await repairCounters(pool, events === undefined ? {} : { events });
  return {
    lookedAt,
    contradictions: await findContradictions(pool, asked),
    repair: { ...repaired, found },
  };
}

/** Throws when one of them is not there: nothing would be found of it. */
async function countEvents(pool: pg.Pool, events: Examined["events"]): Promise<number> {
  const { rows } = await pool.query<{ count: number; missing: string | null }>(
    `SELECT count(*)::int AS count,
      (SELECT min(asked.id) FROM unnest($1::text[]) AS asked(id) WHERE asked.id NOT IN (SELECT id FROM events)) AS missing
    FROM events WHERE $1::text[] IS NULL OR id = ANY ($1::text[])`,
    [events ?? null],
  );
  const { count, missing } = rows[0] ?? { count: 0, missing: null };
  if (missing !== null) throw new Error(`There is no event ${missing}`);
  return count;
}

function textOf({ lookedAt, contradictions, repair }: FsckReport): string {
  const lines: string[] = [];
  if (repair !== null) {
    lines.push(...repair.found.map(contradictionText));
    lines.push(
      ...repair.repaired.map(({ eventId, slotId, change }) => `repaired: ${eventId} ${slotId}: ${change}`),
    );
    lines.push(...repair.busy.map((eventId) => `busy, and not repaired: ${eventId}: try again`));
    if (contradictions.length > 0) lines.push("and after the repair:");
  }
  lines.push(...contradictions.map(contradictionText));
  if (repair !== null && contradictions.some(({ sentence }) => !isRepairable(sentence))) {
    lines.push("A repair rebuilds counters. Rows that people were told of are for somebody to judge.");
  }
  if (!lookedAt.late)
    lines.push("Holdfast is not running here: whether things happened in time was not looked at.");
  const scope = `${lookedAt.invariants} invariants, ${counted(lookedAt.events, "event")}`;
  lines.push(
    contradictions.length === 0
      ? `no contradictions (${scope})`
      : `${summaryOf(contradictions)} (${scope} looked at)`,
  );
  return lines.join("\n");
}

function summaryOf(contradictions: readonly Contradiction[]): string {
  const bySentence = Map.groupBy(contradictions, ({ sentence }) => sentence);
  const events = new Set(contradictions.flatMap(({ eventId }) => eventId ?? []));
  const more = [...bySentence.values()].some((some) => some.length >= CONTRADICTIONS_PER_SENTENCE_MAX);
  const count = `${more ? "at least " : ""}${counted(contradictions.length, "contradiction")}`;
  return `${count} of ${counted(bySentence.size, "invariant")} in ${counted(events.size, "event")}`;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
