// Which code is measured: results and half-finished runs are of a commit, and of no other.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));
/** Results are kept in the documents: what is written there is not what is measured. */
const MEASURED = [".", ":(exclude)docs"];

export interface CodeState {
  /** The last commit that changed anything but documents; "unknown" outside a repository. */
  readonly commit: string;
  /** Changed since: then figures are of no commit. */
  readonly dirty: boolean;
}

export function codeState(): CodeState {
  try {
    return {
      commit: git("log", "-1", "--format=%H", "--", ...MEASURED),
      dirty: git("status", "--porcelain", "--", ...MEASURED) !== "",
    };
  } catch {
    return { commit: "unknown", dirty: true };
  }
}

export const sameCode = (one: CodeState, other: CodeState): boolean =>
  !one.dirty && !other.dirty && one.commit === other.commit;

const git = (...parameters: string[]): string =>
  execFileSync("git", parameters, {
    cwd: REPOSITORY,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();
