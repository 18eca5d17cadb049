// Things as the API tells them, for tests that have no API.
import type { Availability, Command, Problem, Reservation } from "../src/index.ts";

export const COMMAND_ID = "cmd_01m80ej4cbfhy95dc13wfwgz1b";
export const EVENT_ID = "evt_01m80ej48cezzrz1ejs0fz6z0v";
const SLOT_ID = "slt_01m80ej48cezzrz1ejs6txsmgv";
const AT = "2026-11-22T01:40:04.107Z";

export const reservation: Reservation = {
  object: "reservation",
  id: "rsv_266b33mb43abcjn1arjjwgrprk",
  eventId: EVENT_ID,
  slotId: SLOT_ID,
  userId: "usr_01kqxf28sp96aw955rgs8hydra",
  quantity: 2,
  status: "held",
  origin: "public",
  paymentReference: null,
  expiresAt: AT,
  createdAt: AT,
  purchasedAt: null,
  endedAt: null,
  endReason: null,
};

const command: Command = {
  object: "command",
  id: COMMAND_ID,
  type: "reserve",
  eventId: EVENT_ID,
  status: "queued",
  submittedAt: AT,
  finishedAt: null,
  position: null,
  estimatedWaitMs: null,
  result: null,
  problem: null,
  explanation: null,
};

export const queued = (position: number): Command => ({
  ...command,
  position,
  estimatedWaitMs: position * 10,
});
export const done: Command = { ...command, status: "succeeded", finishedAt: AT, result: reservation };
export const withdrawn: Command = { ...command, status: "withdrawn", finishedAt: AT };
export const refused = (status: "rejected" | "failed", problem: Problem): Command => ({
  ...command,
  status,
  finishedAt: AT,
  problem,
});

export const left = (available: number): Availability => ({
  object: "availability",
  eventId: EVENT_ID,
  status: "onSale",
  totalTickets: 10,
  availableTickets: available,
  slots: [],
});
