// Where names lead: found out in a way that tells which addresses are meant before anybody connects to one of them.
import { lookup as systemLookup } from "node:dns";
import { Resolver } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { type AllowedHosts, isAllowedAddress, isAllowedHost, plainHost } from "./allowed-hosts.ts";
import { isPublicAddress } from "./public-address.ts";
import { checkUrl, portOf } from "./url-policy.ts";

/** Milliseconds for which one question to a name server may be open, and how often it is asked. */
const QUESTION_MS = 2_000;
const QUESTIONS = 2;
/** Milliseconds that are waited for name servers while somebody waits for an answer. */
export const LOOK_MS = 2_000;

/** All addresses of a name. Rejects when it has none, or nobody tells. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** A name that leads to an address which webhooks may not go to. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
}

/**
 * Names of others are asked for at name servers, with a time limit each: the system's own look-up has four threads for
 * the whole process, which a few slow name servers would keep. Listed ones are looked up as the system does, hosts file
 * included.
 */
export function createResolve(allowed: AllowedHosts): Resolve {
  const resolver = new Resolver({ timeout: QUESTION_MS, tries: QUESTIONS });
  return async (hostname) => {
    if (allowed.some(({ host }) => host === plainHost(hostname))) return lookUpHere(hostname);
    const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    if (addresses.length === 0) throw new Error("the name leads nowhere");
    return addresses;
  };
}

const lookUpHere: Resolve = (hostname) =>
  new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true }, (error, found) => {
      if (error === null) resolve(found.map(({ address }) => address));
      else reject(error);
    });
  });

/** For who connects to a host and port: what is looked at is what is connected to. One bad address spoils the name. */
export function guardedLookup(
  allowed: AllowedHosts,
  port: number,
  resolve: Resolve = createResolve(allowed),
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        if (!mayGoTo(addresses, { allowed, hostname, port })) {
          callback(new AddressRefused("the name leads to an address that is not public"), []);
          return;
        }
        const found = addresses.map((address) => ({ address, family: isIP(address) }));
        const [first] = found;
        if (options.all === true) callback(null, found);
        else if (first === undefined) callback(new Error("the name leads nowhere"), "");
        else callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    );
  };
}

/** False when the URL's host is known to lead to an address that is not public. Who delivers looks again. */
export async function resolvesPublicly(
  text: string,
  allowed: AllowedHosts,
  resolve: Resolve = createResolve(allowed),
): Promise<boolean> {
  const url = new URL(text);
  const { hostname } = url;
  if (isIP(hostname) !== 0 || hostname.startsWith("[")) return checkUrl(text, allowed) === null;
  const unknown: readonly string[] = [];
  const late = Promise.withResolvers<readonly string[]>();
  const timer = setTimeout(() => late.resolve(unknown), LOOK_MS);
  const addresses = await Promise.race([resolve(hostname).catch(() => unknown), late.promise]);
  clearTimeout(timer);
  return mayGoTo(addresses, { allowed, hostname, port: portOf(url) });
}

const mayGoTo = (
  addresses: readonly string[],
  { allowed, hostname, port }: { allowed: AllowedHosts; hostname: string; port: number },
): boolean =>
  isAllowedHost(allowed, hostname, port) || addresses.every((one) => mayConnect(one, allowed, port));

/** Of an address that a name led to, or that a socket is connected to. */
export const mayConnect = (address: string, allowed: AllowedHosts, port: number): boolean =>
  isPublicAddress(address) || isAllowedAddress(allowed, address, port);
