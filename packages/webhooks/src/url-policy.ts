// Which URLs webhooks may go to, as far as their text tells. Where a name leads is looked at by `lookup.ts`.
import { isIPv4 } from "node:net";
import { type AllowedHosts, isAllowedHost, plainHost } from "./allowed-hosts.ts";
import { isPublicAddress } from "./public-address.ts";

/** Names that are never anybody's but one's own: they, and all that end with them. */
const OWN_NAMES = [
  "localhost",
  "localdomain",
  "local",
  "internal",
  "intranet",
  "private",
  "corp",
  "home",
  "lan",
  "home.arpa",
];

/** What parsers of URLs pass over in silence, or read as something else. */
const HIDDEN = /[\s\p{C}\\]/u;

/** Null when webhooks may go there, else why not: a sentence for people. */
export function checkUrl(text: string, allowed: AllowedHosts): string | null {
  if (HIDDEN.test(text) || !URL.canParse(text)) return "It is not a URL.";
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return "Webhooks go by https only.";
  if (url.username !== "" || url.password !== "") return "The URL must not carry credentials.";
  if (isAllowedHost(allowed, url.hostname, portOf(url))) return null;
  if (url.protocol === "http:") return "Webhooks go by https only.";
  if (url.port !== "") return "Webhooks go to the usual port of https only.";
  return isPublicHost(url.hostname) ? null : "Webhooks go to public addresses only.";
}

export const portOf = ({ port, protocol }: URL): number =>
  port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);

function isPublicHost(hostname: string): boolean {
  if (hostname.startsWith("[")) return isPublicAddress(hostname.slice(1, -1));
  if (isIPv4(hostname)) return isPublicAddress(hostname);
  const name = plainHost(hostname);
  if (name.split(".").includes("")) return false;
  return name.includes(".") && !OWN_NAMES.some((own) => name === own || name.endsWith(`.${own}`));
}
