// Hosts that whoever runs the system lets webhooks go to although nobody else may: by http, too, on any port, at any address.

const ENTRY = /^(\[[\da-f:.]+\]|[^\s:/@?#*[\]\\]+)(?::(\d{1,5}))?$/i;
const PORT_MAX = 65_535;

export interface AllowedHost {
  /** As a URL writes it: lower case, IPv6 in brackets. */
  readonly host: string;
  /** Null: any. */
  readonly port: number | null;
}

export type AllowedHosts = readonly AllowedHost[];

/** Null when one of them is no host: `name`, `1.2.3.4`, `[::1]`, each with `:port` or without, separated by commas. */
export function readAllowedHosts(text: string): AllowedHosts | null {
  const entries = text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .map(readEntry);
  return entries.every((entry) => entry !== null) ? entries : null;
}

function readEntry(entry: string): AllowedHost | null {
  const [, written, digits] = ENTRY.exec(entry) ?? [];
  const url = `http://${written}`;
  if (written === undefined || !URL.canParse(url)) return null;
  const port = digits === undefined ? null : Number(digits);
  if (port !== null && (port === 0 || port > PORT_MAX)) return null;
  return { host: plainHost(new URL(url).hostname), port };
}

/** A name may end with a dot, which says nothing about where it leads. */
export const plainHost = (hostname: string): string => hostname.replace(/\.+$/, "");

export const isAllowedHost = (allowed: AllowedHosts, hostname: string, port: number): boolean =>
  allowed.some((one) => one.host === plainHost(hostname) && (one.port === null || one.port === port));

/** Of an address that a name led to: also when it is the address that was listed. */
export const isAllowedAddress = (allowed: AllowedHosts, address: string, port: number): boolean =>
  isAllowedHost(allowed, address.includes(":") ? `[${address}]` : address, port);
