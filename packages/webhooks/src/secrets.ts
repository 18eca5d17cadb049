// How endpoints' secrets are kept: sealed, so that who reads the tables can sign nothing.
import { createSeal, type Seal } from "@holdfast/runtime/sealed";

export const sealOfSecrets = (encryptionKey: string): Seal => createSeal(encryptionKey, "webhook-secrets");
