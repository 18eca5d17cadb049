// What a verifier lets in: exactly what the general library would, that is kept here to hold it against.
import { createVerifier } from "fast-jwt";
import { expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { isCurrent, openTokenVerifier, signAccessToken } from "../src/index.ts";

const SECRET = "of-tests-only-of-tests-only-of-tests-only";
const verify = openTokenVerifier(SECRET);
const reference = createVerifier({
  key: SECRET,
  algorithms: ["HS256"],
  allowedIss: "holdfast",
  allowedAud: "holdfast-api",
  requiredClaims: ["iss", "aud", "exp", "iat", "sub", "jti"],
});
const isLetIn = (token: string): boolean => {
  try {
    reference(token);
    return true;
  } catch {
    return false;
  }
};

const bearer = { userId: newId("user"), role: "organizer", sessionId: newId("session") } as const;
const token = signAccessToken(SECRET, bearer);
const [header = "", payload = "", signature = ""] = token.split(".");

test("a token tells whose it is, for as long as it is valid", () => {
  const read = verify(token);
  expect(read).toMatchObject({ sub: bearer.userId, role: bearer.role, sid: bearer.sessionId });
  if (read === null) return;
  expect(isCurrent(read, read.exp * 1000 - 1)).toBe(true);
  expect(isCurrent(read, read.exp * 1000)).toBe(false);
  const later = { ...read, nbf: read.exp - 10 };
  expect(isCurrent(later, later.nbf * 1000 - 1)).toBe(false);
  expect(isCurrent(later, later.nbf * 1000)).toBe(true);
});

test("with any one character changed it is nobody's", () => {
  for (let at = 0; at < token.length; at += 1) {
    const other = token[at] === "A" ? "B" : "A";
    expect(verify(token.slice(0, at) + other + token.slice(at + 1)), `at ${at}`).toBeNull();
  }
});

test.each([
  ["nothing", ""],
  ["two parts", `${header}.${payload}`],
  ["four parts", `${token}.${signature}`],
  ["an empty signature", `${header}.${payload}.`],
  ["a longer signature", `${token}A`],
  ["a signature that is no ASCII", `${header}.${payload}.${"é".repeat(signature.length)}`],
  ["padding", `${token}=`],
  ["a header that is no JSON", `e30x.${payload}.${signature}`],
])("%s is no token, here as there", (_, text) => {
  expect(verify(text)).toBeNull();
  expect(isLetIn(text)).toBe(false);
});
