// What the global set-up hands to every test file, for the compiler.
declare module "vitest" {
  export interface ProvidedContext {
    /** The server, with some database of it that exists. */
    databaseUrl: string;
    /** The migrated database that test files clone. */
    templateDatabase: string;
    /** Why there is no migrated template; empty when there is one. */
    migrationFailure: string;
    redisUrl: string;
  }
}

export {};
