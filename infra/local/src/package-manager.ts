// Which npm, npx or pnpm processes stand between a person and this one. Starts and ends none.
import { commandLine, parentOf } from "./process.ts";

const SHELL = /^\S*\b(?:sh|bash|dash|ash|zsh)(?:\s|$)/;
const PACKAGE_MANAGER = /\b(?:npm|npx|pnpm)\b/;

/**
 * The pids from the parent upwards to the topmost package manager, with the shells that they start scripts in. The shell
 * that somebody typed the command into is above that and not among them: it may go and leave us running.
 */
export function packageManagersAbove(
  pid: number,
  look: { parentOf(pid: number): number | undefined; commandLine(pid: number): string } = {
    parentOf,
    commandLine,
  },
): number[] {
  const chain: number[] = [];
  let upToTopmost = 0;
  for (let at = look.parentOf(pid); at !== undefined && at > 1; at = look.parentOf(at)) {
    const command = look.commandLine(at);
    const shell = SHELL.test(command);
    if (!shell && !PACKAGE_MANAGER.test(command)) break;
    chain.push(at);
    if (!shell) upToTopmost = chain.length;
  }
  return chain.slice(0, upToTopmost);
}
