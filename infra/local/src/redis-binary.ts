// Finds a Redis or Valkey server program: on PATH, else unpacked from the system's own packages. Runs no server.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { delimiter, join } from "node:path";

/** BullMQ's recommended minimum: older servers lack commands and stream behaviour that it relies on. */
const OLDEST_MAJOR = 6;
const OLDEST_MINOR = 2;
const FETCHED = "redis-program";

export interface RedisProgram {
  path: string;
  /** Directories with the libraries that it needs and the system may lack. */
  libraries: string[];
  source: string;
}

/** The first usable redis-server or valkey-server on the given PATH. */
export function redisOnPath(path: string | undefined): RedisProgram | undefined {
  for (const name of ["redis-server", "valkey-server"]) {
    for (const directory of (path ?? "").split(delimiter)) {
      const candidate = join(directory, name);
      if (directory === "" || !isExecutable(candidate)) continue;
      const version = serverVersion({ path: candidate, libraries: [], source: "" });
      if (version !== undefined)
        return { path: candidate, libraries: [], source: `${name} ${version} on PATH` };
    }
  }
  return undefined;
}

/** True where packages can be fetched and unpacked without changing the system. */
export function canFetchPackages(path: string | undefined): boolean {
  const present = (name: string) =>
    (path ?? "").split(delimiter).some((dir) => isExecutable(join(dir, name)));
  return process.platform === "linux" && present("apt-get") && present("dpkg-deb");
}

/** The program that an earlier `fetchRedis` unpacked there. */
export function fetchedRedis(cacheDir: string): RedisProgram | undefined {
  const target = join(cacheDir, FETCHED);
  return existsSync(target) ? unpackedProgram(target) : undefined;
}

/**
 * Unpacks the distribution's redis-server, and the libraries that the system lacks, into `<cacheDir>/redis-program`.
 * Needs no root and leaves the system as it is: package lists and archives live and die in that directory.
 */
export async function fetchRedis(
  cacheDir: string,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<RedisProgram> {
  const target = join(cacheDir, FETCHED);
  const work = join(cacheDir, `${FETCHED}.${process.pid}`);
  try {
    await downloadInto(work, log, signal);
    // Somebody else may have been faster: what is there and runs stays.
    if (unpackedProgram(target) === undefined) {
      rmSync(target, { recursive: true, force: true });
      renameSync(join(work, "root"), target);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const program = unpackedProgram(target);
  if (program === undefined) throw new Error("the fetched redis-server does not run on this system");
  return program;
}

/** Downloads the packages and unpacks them to `<work>/root`. */
async function downloadInto(work: string, log: (line: string) => void, signal: AbortSignal): Promise<void> {
  for (const directory of ["state/lists/partial", "cache/archives/partial", "root"]) {
    mkdirSync(join(work, directory), { recursive: true });
  }
  const options = [
    `Dir::State=${join(work, "state")}`,
    `Dir::Cache=${join(work, "cache")}`,
    "Dir::State::status=/var/lib/dpkg/status", // so that only what this system lacks is fetched
    "APT::Sandbox::User=",
    "Acquire::Languages=none",
    "Debug::NoLocking=true",
  ].flatMap((option) => ["-o", option]);
  log("fetching the system's package lists (into the data directory)");
  await run("apt-get", [...options, "update"], signal);
  log("fetching the redis-server package");
  const install = ["install", "--yes", "--no-install-recommends", "--download-only", "redis-server"];
  await run("apt-get", [...options, ...install], signal);
  const archives = join(work, "cache", "archives");
  const wanted = /^(redis|valkey|lib|lua).*\.deb$/;
  for (const archive of readdirSync(archives).filter((name) => wanted.test(name))) {
    execFileSync("dpkg-deb", ["--extract", join(archives, archive), join(work, "root")]);
  }
}

/** The environment to run the program in. */
export function redisEnvironment(program: RedisProgram): NodeJS.ProcessEnv {
  const libraries = program.libraries.length === 0 ? {} : { LD_LIBRARY_PATH: program.libraries.join(":") };
  return { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC", ...libraries };
}

function unpackedProgram(root: string): RedisProgram | undefined {
  const path = join(root, "usr", "bin", "redis-server");
  const libraries = ["lib", "usr/lib"].flatMap((base) => libraryFolders(join(root, base)));
  const version = serverVersion({ path, libraries, source: "" });
  return version === undefined
    ? undefined
    : { path, libraries, source: `redis-server ${version} from system packages` };
}

function libraryFolders(base: string): string[] {
  if (!existsSync(base)) return [];
  const inside = readdirSync(base).map((name) => join(base, name));
  const folders = [
    base,
    ...inside.filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true),
  ];
  return folders.filter((folder) => readdirSync(folder).some((name) => /\.so(\.|$)/.test(name)));
}

/** The program's version when it runs here and is new enough. */
function serverVersion(program: RedisProgram): string | undefined {
  const run = spawnSync(program.path, ["--version"], {
    encoding: "utf8",
    env: redisEnvironment(program),
    timeout: 5_000,
  });
  const found = run.status === 0 ? /v=(\d+)\.(\d+)[.\d]*/.exec(run.stdout) : null;
  if (found === null) return undefined;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  const newEnough = major > OLDEST_MAJOR || (major === OLDEST_MAJOR && minor >= OLDEST_MINOR);
  return newEnough ? found[0].slice(2) : undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Runs a program to its end without blocking this one. Throws with what it printed when it fails. */
async function run(program: string, parameters: string[], signal: AbortSignal): Promise<void> {
  const child = spawn(program, parameters, {
    stdio: ["ignore", "pipe", "pipe"],
    signal,
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0)
    throw new Error(`${program} failed (${code}): ${printed.trim().split("\n").slice(-5).join(" / ")}`);
}
