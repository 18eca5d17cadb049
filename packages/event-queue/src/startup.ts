// What a service asks of its Redis before it starts: that it forgets nothing and evicts nothing.
import type { Redis } from "ioredis";

/** Reasons why this Redis must not carry commands. Empty when all is well, or when the server does not tell. */
export async function redisFaults(redis: Redis): Promise<string[]> {
  const settings = await redis
    .config("GET", "maxmemory-policy", "appendonly")
    .then(pairs)
    .catch(() => new Map<string, string>());
  const faults: string[] = [];
  const policy = settings.get("maxmemory-policy");
  if (policy !== undefined && policy !== "noeviction") {
    faults.push(`maxmemory-policy is ${policy}, not noeviction: it could drop commands`);
  }
  if (settings.get("appendonly") === "no")
    faults.push("it keeps no append-only file: a restart would empty it");
  return faults;
}

function pairs(flat: unknown): Map<string, string> {
  const values = Array.isArray(flat)
    ? flat.map(String)
    : Object.entries(flat as object)
        .flat()
        .map(String);
  const found = new Map<string, string>();
  for (let i = 0; i + 1 < values.length; i += 2) found.set(values[i] ?? "", values[i + 1] ?? "");
  return found;
}
