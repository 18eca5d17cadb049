// What the gateway may be told by its environment.
import { StoresConfig } from "@holdfast/runtime";
import { WEBHOOK_SETTINGS } from "@holdfast/webhooks";
import { z } from "zod";

/** HS256 takes a key of at least its own length: 32 bytes. */
export const JWT_SECRET_LENGTH_MIN = 32;

export const GatewayConfig = StoresConfig.extend({
  HOST: z.string().optional(),
  PORT: z.coerce.number().int().min(0).max(65_535).default(3000),
  JWT_SECRET: z
    .string({ error: `is missing: at least ${JWT_SECRET_LENGTH_MIN} characters, random` })
    .min(JWT_SECRET_LENGTH_MIN, `must have at least ${JWT_SECRET_LENGTH_MIN} characters`),
  RATE_LIMITS: z.enum(["on", "off"]).default("on"),
  /** Addresses of proxies whose X-Forwarded-For is believed, separated by commas. None by default. */
  TRUST_PROXY: z
    .string()
    .regex(/^[0-9a-fA-F.:/]+(,[0-9a-fA-F.:/]+)*$/, "must be addresses or networks separated by commas")
    .transform((text) => text.split(","))
    .optional(),
  ...WEBHOOK_SETTINGS,
})
  .refine((config) => config.RATE_LIMITS === "on" || config.HOLDFAST_MODE === "local", {
    error: "may be off only with HOLDFAST_MODE=local",
    path: ["RATE_LIMITS"],
  })
  .transform((config) => ({
    ...config,
    HOST: config.HOST ?? (config.HOLDFAST_MODE === "local" ? "127.0.0.1" : "0.0.0.0"),
  }));
export type GatewayConfig = z.infer<typeof GatewayConfig>;
