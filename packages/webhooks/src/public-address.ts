// Which addresses are anybody's: those that the registries of special addresses do not name. Whatever is not known to be
// public is not.
import ipaddr from "ipaddr.js";

/** https://www.iana.org/assignments/iana-ipv4-special-registry, multicast, and one address that is a cloud's own. */
const SPECIAL_V4 = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8", // private
  "100.64.0.0/10", // shared, behind carriers' NAT
  "127.0.0.0/8", // loopback
  "168.63.129.16/32", // answers inside Azure only
  "169.254.0.0/16", // link-local, and clouds' metadata
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.31.196.0/24", // AS112
  "192.52.193.0/24", // AMT relays
  "192.88.99.0/24", // 6to4 relays
  "192.168.0.0/16", // private
  "192.175.48.0/24", // AS112
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, and broadcast
].map((text) => ipaddr.IPv4.parseCIDR(text));

/** Of IPv6, only this has been given to anybody. */
const GLOBAL_V6 = ipaddr.IPv6.parseCIDR("2000::/3");

/** https://www.iana.org/assignments/iana-ipv6-special-registry, as far as it is inside of that. */
const SPECIAL_V6 = [
  "2001::/23", // protocol assignments: Teredo, which carries IPv4 addresses, benchmarks, ORCHID
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4: carries IPv4 addresses
  "2620:4f:8000::/48", // AS112
  "3fff::/20", // documentation
].map((text) => ipaddr.IPv6.parseCIDR(text));

/** Of an address as programs write it: IPv4 in four decimal parts, IPv6 without brackets. False when it is none. */
export function isPublicAddress(text: string): boolean {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    const address = ipaddr.IPv4.parse(text);
    return !SPECIAL_V4.some((range) => address.match(range));
  }
  if (text.includes("%") || !ipaddr.IPv6.isValid(text)) return false; // with a zone: of one link
  const address = ipaddr.IPv6.parse(text);
  return address.match(GLOBAL_V6) && !SPECIAL_V6.some((range) => address.match(range));
}
