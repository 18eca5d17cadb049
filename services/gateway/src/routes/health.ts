// For those who run the gateway: is the process alive, is it of use at the moment?
import { z } from "zod";
import type { GatewayDeps } from "../deps.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { later } from "../refused.ts";

const Health = z.object({ status: z.literal("ok") }).meta({ id: "Health" });
const OK = { status: "ok" };

export function healthEndpoints({ storesAnswer, stopping }: GatewayDeps): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      url: "/livez",
      access: "anyone",
      rate: null,
      anyAccept: true,
      tag: "Operations",
      summary: "Is the process alive?",
      answers: { 200: { description: "It is.", schema: Health } },
      handle: async () => OK,
    }),
    endpoint({
      method: "GET",
      url: "/readyz",
      access: "anyone",
      rate: null,
      anyAccept: true,
      tag: "Operations",
      summary: "Can it serve requests at the moment?",
      answers: { 200: { description: "It can.", schema: Health } },
      problems: ["unavailable"],
      async handle() {
        if (stopping.aborted || !(await storesAnswer())) throw later("unavailable", 1);
        return OK;
      },
    }),
  ];
}
