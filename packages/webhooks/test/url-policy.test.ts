// Where webhooks may go, as the URL tells, as its name leads, and as the operator allows.
import { expect, test } from "vitest";
import {
  type AllowedHosts,
  checkUrl,
  guardedLookup,
  isPublicAddress,
  LOOK_MS,
  readAllowedHosts,
  resolvesPublicly,
} from "../src/index.ts";
import { OWN_NAMES, PRIVATE_HOSTS } from "./private-addresses.ts";

const NONE: AllowedHosts = [];
const allow = (text: string): AllowedHosts => readAllowedHosts(text) ?? [];

test("there are at least sixty forms of private address to try (N3)", () => {
  expect(new Set(PRIVATE_HOSTS).size).toBe(PRIVATE_HOSTS.length);
  expect(PRIVATE_HOSTS.length).toBeGreaterThanOrEqual(60);
});

test.each(PRIVATE_HOSTS)("https://%s/ is refused: its address is not public (N3)", (host) => {
  expect(checkUrl(`https://${host}/hook`, NONE)).toBe("Webhooks go to public addresses only.");
});

test.each(OWN_NAMES)("https://%s/ is refused: the name is one's own (N3)", (host) => {
  expect(checkUrl(`https://${host}/hook`, NONE)).toBe("Webhooks go to public addresses only.");
});

test.each([
  ["http://example.com/", "Webhooks go by https only."],
  ["ftp://example.com/", "Webhooks go by https only."],
  ["file:///etc/passwd", "Webhooks go by https only."],
  ["javascript:alert(1)", "Webhooks go by https only."],
  ["gopher://127.0.0.1:6379/_FLUSHALL", "Webhooks go by https only."],
  ["https://user@example.com/", "The URL must not carry credentials."],
  ["https://user:secret@example.com/", "The URL must not carry credentials."],
  ["https://example.com@127.0.0.1/", "The URL must not carry credentials."],
  ["https://example.com:8443/", "Webhooks go to the usual port of https only."],
  ["https://example.com:80/", "Webhooks go to the usual port of https only."],
  ["https://example.com:6379/", "Webhooks go to the usual port of https only."],
  ["https://", "It is not a URL."],
  ["https://1.2.3.4.5.6/", "It is not a URL."],
  ["https://[::1%25lo]/", "It is not a URL."],
  ["https://exa mple.com/", "It is not a URL."],
  ["https://example.com\n.evil.example/", "It is not a URL."],
  ["https://example.com\\@127.0.0.1/", "It is not a URL."],
  ["/hook", "It is not a URL."],
  ["", "It is not a URL."],
])("%j is refused", (url, why) => {
  expect(checkUrl(url, NONE)).toBe(why);
});

test.each([
  "https://example.com/hook",
  "https://example.com:443/hook?key=1#part",
  "https://hooks.example.co.uk./",
  "https://bücher.example/",
  "https://8.8.8.8/",
  "https://[2606:4700:4700::1111]/",
  "https://localhost.example.com/",
  "https://internal.example/",
])("%s may be called", (url) => {
  expect(checkUrl(url, NONE)).toBeNull();
});

test.each(["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2600::1", "2a00:1450:4001:80e::200e"])(
  "%s is public",
  (address) => {
    expect(isPublicAddress(address)).toBe(true);
  },
);

test.each(["", "example.com", "127.1", "2600::1%eth0", "::ffff:8.8.8.8", "08.8.8.8"])(
  "%j is no public address: whatever is not known to be one is none",
  (address) => {
    expect(isPublicAddress(address)).toBe(false);
  },
);

test("a host that is listed may be private, by http and on any port; with a port, on that one only", () => {
  const listed = allow("receiver, 10.1.2.3:8080,[::1]:9000, 127.1");
  for (const url of ["http://receiver/", "http://RECEIVER:81/", "https://receiver:8443/"])
    expect(checkUrl(url, listed)).toBeNull();
  expect(checkUrl("http://10.1.2.3:8080/", listed)).toBeNull();
  expect(checkUrl("http://167838211:8080/", listed)).toBeNull(); // the same address
  expect(checkUrl("http://10.1.2.3:8081/", listed)).not.toBeNull();
  expect(checkUrl("http://[0::1]:9000/", listed)).toBeNull();
  expect(checkUrl("http://[::1]/", listed)).not.toBeNull();
  expect(checkUrl("http://127.0.0.1:5432/", listed)).toBeNull();
  expect(checkUrl("http://receiver.example/", listed)).not.toBeNull();
  expect(checkUrl("http://user@receiver/", listed)).not.toBeNull();
  expect(checkUrl("ftp://receiver/", listed)).not.toBeNull();
});

test.each([
  "http://receiver",
  "a/b",
  "host:0",
  "host:70000",
  "a b",
  "user@host",
  "host:",
  "::1",
  "[::1",
  "*.example",
])("%j cannot be listed", (text) => {
  expect(readAllowedHosts(`receiver,${text}`)).toBeNull();
});

const look = (addresses: readonly string[], allowed = NONE, port = 443, all = true) =>
  new Promise((resolve) => {
    const lookup = guardedLookup(allowed, port, async () => addresses);
    lookup("name.example", { all }, (error, found, family) =>
      resolve(error?.message ?? (all ? found : [found, family])),
    );
  });

test("a name's addresses are those that are connected to, and one that is not public spoils all (N3)", async () => {
  const both = ["8.8.8.8", "2600::1"];
  expect(await look(both)).toEqual([
    { address: "8.8.8.8", family: 4 },
    { address: "2600::1", family: 6 },
  ]);
  expect(await look(both, NONE, 443, false)).toEqual(["8.8.8.8", 4]);
  const refused = "the name leads to an address that is not public";
  for (const bad of ["127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"])
    expect(await look([...both, bad])).toBe(refused);
  expect(await look([...both, "10.1.2.3"], allow("10.1.2.3:443"))).toHaveLength(3); // whoever leads there
  expect(await look([...both, "10.1.2.3"], allow("10.1.2.3:80"))).toBe(refused);
  expect(await look(["127.0.0.1"], allow("name.example"))).toHaveLength(1);
  expect(await look(["127.0.0.1"], allow("name.example:80"))).toBe(refused);
  expect(await look([], NONE, 443, false)).toBe("the name leads nowhere");
});

test("a look-up that fails is told to who wanted to connect", async () => {
  const lookup = guardedLookup(NONE, 443, () => Promise.reject(new Error("gone")));
  expect(await new Promise((resolve) => lookup("name.example", {}, (error) => resolve(error?.message)))).toBe(
    "gone",
  );
});

test("at registration a name is refused when it is known to lead to a private address, and only then (N3)", async () => {
  const to = (...addresses: string[]) =>
    resolvesPublicly("https://name.example/", NONE, async () => addresses);
  expect(await to("8.8.8.8")).toBe(true);
  expect(await to("8.8.8.8", "10.0.0.1")).toBe(false);
  expect(await resolvesPublicly("https://name.example/", NONE, () => Promise.reject(new Error("none")))).toBe(
    true,
  );
  expect(await resolvesPublicly("https://8.8.8.8/", NONE)).toBe(true);
  expect(await resolvesPublicly("https://[::1]/", NONE)).toBe(false);
  expect(await resolvesPublicly("http://localhost:8080/", allow("localhost"))).toBe(true);
});

test("name servers that do not answer keep nobody waiting for long", async () => {
  const begun = performance.now();
  expect(await resolvesPublicly("https://name.example/", NONE, () => new Promise(() => undefined))).toBe(
    true,
  );
  expect(performance.now() - begun).toBeLessThan(LOOK_MS + 1_000);
});
