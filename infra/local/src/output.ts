// Lines of many processes on one terminal, each with its process's name, and in a file for each. Interprets nothing.
import { createWriteStream, renameSync, statSync, type WriteStream } from "node:fs";
import { join } from "node:path";

/** A log file that has grown past this is put aside (one generation) when it is opened. */
const LOG_FILE_BYTES = 10 * 1024 * 1024;
const COLOURS = [36, 33, 35, 32, 34, 96, 93, 95];
const NAME_WIDTH = 20;

export interface Output {
  /** A line of the launcher's own. */
  say(line: string): void;
  /** A line of a process: to the terminal with its name, to its log file as it is. */
  of(name: string, line: string): void;
  /** A block of text without any name before it. */
  block(text: string): void;
}

/** Opens the output; `logsDir` must exist. */
export function openOutput(logsDir: string, terminal: NodeJS.WriteStream = process.stdout): Output {
  const coloured = terminal.isTTY === true && (process.env["NO_COLOR"] ?? "") === "";
  const files = new Map<string, WriteStream>();
  const colours = new Map<string, number>();
  let terminalGone = false;
  terminal.on("error", () => {
    terminalGone = true; // whoever read it has left; the files still get every line
  });
  const show = (text: string) => {
    if (!terminalGone) terminal.write(`${text}\n`);
  };
  const write = (name: string, line: string) => {
    const file = files.get(name) ?? openLog(join(logsDir, `${name}.log`));
    files.set(name, file);
    file.write(`${line}\n`);
    const padded = name.padEnd(NAME_WIDTH);
    const colour = colours.get(name) ?? COLOURS[colours.size % COLOURS.length] ?? 0;
    colours.set(name, colour);
    show(coloured ? `\u001b[${colour}m${padded}│\u001b[0m ${line}` : `${padded}│ ${line}`);
  };
  return {
    say: (line) => write("holdfast", line),
    of: write,
    block: show,
  };
}

/** Calls `onLine` for each line of the stream, the unfinished last one included. */
export function eachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) onLine(part);
  });
  stream.once("end", () => {
    if (rest !== "") onLine(rest);
  });
}

function openLog(path: string): WriteStream {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_FILE_BYTES) renameSync(path, `${path}.1`);
  const file = createWriteStream(path, { flags: "a", mode: 0o600 });
  file.on("error", () => {}); // a full disk must not take the system down for its log
  return file;
}
