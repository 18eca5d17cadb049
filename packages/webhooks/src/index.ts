// What webhooks are signed with, and where they may go. Sends nothing.
export * from "./allowed-hosts.ts";
export * from "./lookup.ts";
export * from "./public-address.ts";
export * from "./secrets.ts";
export * from "./settings.ts";
export * from "./signing.ts";
export * from "./url-policy.ts";
