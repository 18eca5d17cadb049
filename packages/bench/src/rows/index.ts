// The rows, in the order of the goals.
import type { Row } from "../row.ts";
import { calmEvents } from "./calm-events.ts";
import { commits } from "./commits.ts";
import { hotAmongCalm } from "./hot-among-calm.ts";
import { hotEventRow } from "./hot-event.ts";
import { manyClients } from "./many-clients.ts";
import { mixes } from "./mixes.ts";
import { openLoop } from "./open-loop.ts";
import { overload } from "./overload.ts";
import { reads } from "./reads.ts";
import { sustained } from "./sustained.ts";

export const ROWS: readonly Row[] = [
  hotEventRow,
  manyClients,
  openLoop,
  commits,
  mixes,
  calmEvents,
  hotAmongCalm,
  overload,
  sustained,
  reads,
];

export const rowNamed = (name: string): Row | undefined => ROWS.find((row) => row.name === name);
