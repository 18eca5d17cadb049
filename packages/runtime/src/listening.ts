// The address of a server that listens, as somebody would write it to reach it.
import type { AddressInfo } from "node:net";

/** A server that listens on every address is reached, from here, as `localhost`. */
export const urlOf = ({ address, family, port }: AddressInfo): string => {
  const host =
    address === "0.0.0.0" || address === "::" ? "localhost" : family === "IPv6" ? `[${address}]` : address;
  return `http://${host}:${port}`;
};
