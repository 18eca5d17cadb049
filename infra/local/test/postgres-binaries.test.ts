import { mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { healSymlinks } from "../src/postgres-binaries.ts";
import { temporaryDirectory } from "./temporary.ts";

test("links that the package could not carry are made, broken ones replaced, good ones left alone", () => {
  const native = join(temporaryDirectory(), "native");
  const lib = join(native, "lib");
  mkdirSync(lib, { recursive: true });
  writeFileSync(join(lib, "libpq.so.5.18"), "the library");
  symlinkSync("gone.so", join(lib, "libpq.so.5"));
  const links = ["libpq.so", "libpq.so.5"];
  writeFileSync(
    join(native, "pg-symlinks.json"),
    JSON.stringify(
      links.map((link) => ({ source: "native/lib/libpq.so.5.18", target: `native/lib/${link}` })),
    ),
  );
  expect(healSymlinks(native)).toBe(2);
  for (const link of links) {
    expect(readlinkSync(join(lib, link))).toBe("libpq.so.5.18");
    expect(readFileSync(join(lib, link), "utf8")).toBe("the library");
  }
  expect(healSymlinks(native)).toBe(0);
});
