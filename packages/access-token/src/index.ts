// Access tokens: how they are made, what they must claim, how they are checked.
export * from "./claims.ts";
export * from "./sign.ts";
export * from "./verify.ts";
