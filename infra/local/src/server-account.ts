// As whom and where the PostgreSQL server runs: it refuses root, and its account must reach its files.
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";

/** Where the server's files go when root's data directory is closed to the server's account. */
const OUTSIDE_HOME = "/var/lib/holdfast";

export interface ServerAccount {
  uid: number;
  gid: number;
  name: string;
}

/** The account to start the server under; undefined when we are not root and it runs as ourselves. */
export function serverAccount(): ServerAccount | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const uid = numberFrom("-u", name);
    const gid = numberFrom("-g", name);
    if (uid !== undefined && gid !== undefined) return { uid, gid, name };
  }
  throw new Error(
    "PostgreSQL does not run as root, and there is neither a user postgres nor nobody. Run as another user.",
  );
}

/** True when the account may pass through every directory above the path and into it. */
export function canEnter(account: ServerAccount, directory: string): boolean {
  return spawnSync("test", ["-x", directory], { uid: account.uid, gid: account.gid, cwd: "/" }).status === 0;
}

/**
 * The directory that holds the server's files, made when missing. It is `<dataDir>/postgres`; when root's data directory
 * cannot be entered by the server's account (a clone below /root, say), that is a link to a place which can.
 */
export function serverHome(
  dataDir: string,
  account: ServerAccount | undefined,
  log: (line: string) => void,
): string {
  const home = join(dataDir, "postgres");
  const outside = outsideHome(dataDir);
  if (outside !== undefined) {
    if (!existsSync(outside)) makeOwned(outside, account);
    return outside;
  }
  if (existsSync(home)) return home;
  if (account === undefined || canEnter(account, dataDir)) {
    makeOwned(home, account);
    return home;
  }
  mkdirSync(OUTSIDE_HOME, { recursive: true, mode: 0o711 });
  const target = mkdtempSync(join(OUTSIDE_HOME, "data-"));
  makeOwned(target, account);
  symlinkSync(target, home);
  log(
    `PostgreSQL does not run as root, and ${account.name} cannot enter ${dataDir}: its files are in ${target}`,
  );
  return target;
}

/** The directory outside the data directory that its link points to, if it has one. */
export function outsideHome(dataDir: string): string | undefined {
  const home = join(dataDir, "postgres");
  return lstatSync(home, { throwIfNoEntry: false })?.isSymbolicLink() === true
    ? readlinkSync(home)
    : undefined;
}

/** Makes a directory (0700) that belongs to the account. */
export function makeOwned(directory: string, account: ServerAccount | undefined): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  if (account !== undefined) chownSync(directory, account.uid, account.gid);
}

function numberFrom(flag: "-u" | "-g", name: string): number | undefined {
  try {
    return Number(
      execFileSync("id", [flag, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    );
  } catch {
    return undefined;
  }
}
