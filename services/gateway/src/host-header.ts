// Checks what Node's HTTP server lets pass: exactly one host, and one that is a host.
import type { IncomingMessage } from "node:http";
import { timesSent } from "./raw-headers.ts";
import { malformed } from "./refused.ts";

let lastGood = ""; // nearly always the same

/** Throws `Refused`. */
export function checkHost({ headers, rawHeaders, httpVersion }: IncomingMessage): void {
  const { host } = headers;
  if (host === undefined) {
    if (httpVersion === "1.0") return;
    throw malformed("The Host header is missing.");
  }
  if (timesSent(rawHeaders, "host") > 1) throw malformed("There is more than one Host header.");
  if (host === lastGood) return;
  if (!/^[\w.:[\]-]+$/.test(host) || !URL.canParse(`http://${host}`))
    throw malformed("The Host header names no host.");
  lastGood = host;
}
