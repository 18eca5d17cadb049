// The rows, in the order of the goals.
import type { Row } from "../row.ts";
import { calmEvents } from "./calm-events.ts";
import { commits } from "./commits.ts";
import { holds } from "./holds.ts";
import { hotAmongCalm } from "./hot-among-calm.ts";
import { hotEventRow } from "./hot-event.ts";
import { listing } from "./listing.ts";
import { manyClients } from "./many-clients.ts";
import { mixes } from "./mixes.ts";
import { openLoop } from "./open-loop.ts";
import { overload } from "./overload.ts";
import { reads } from "./reads.ts";
import { sustained } from "./sustained.ts";
import { waitlist } from "./waitlist.ts";

export const ROWS: readonly Row[] = [
  hotEventRow,
  manyClients,
  openLoop,
  commits,
  mixes,
  calmEvents,
  hotAmongCalm,
  holds,
  waitlist,
  listing,
  overload,
  sustained,
  reads,
];

export const rowNamed = (name: string): Row | undefined => ROWS.find((row) => row.name === name);
