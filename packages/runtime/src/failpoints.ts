// Places at which a drill lets a process die or freeze: awaits that cross a process's border. Nothing happens at any of
// them unless `FAILPOINTS` in the environment names it, which production refuses.
import { writeSync } from "node:fs";
import process from "node:process";

/** Every place there is. Those of a batch and its queue are the reservation worker's. */
export const FAILPOINT_NAMES = [
  "before-transaction",
  "before-commit",
  "after-commit",
  "before-settle",
] as const;
export type FailpointName = (typeof FAILPOINT_NAMES)[number];

const SIGNALS = { kill: "SIGKILL", stop: "SIGSTOP" } as const;
type FailpointSignal = (typeof SIGNALS)[keyof typeof SIGNALS];

const ONE = `(?:${FAILPOINT_NAMES.join("|")})=(?:${Object.keys(SIGNALS).join("|")})(?:@[1-9]\\d{0,8})?`;
/** `before-commit=kill`, or `before-commit=stop@3` for the third time that it is passed; several with commas. */
export const FAILPOINTS_FORM = new RegExp(`^${ONE}(?:,${ONE})*$`);

const armed = new Map<string, { readonly fire: () => void; passesLeft: number }>();

/** From now on `failpoint` does what the text says; null disarms all. What a process does to itself is an argument. */
export function armFailpoints(
  text: string | null,
  send: (signal: FailpointSignal, name: string) => void = signalSelf,
): void {
  armed.clear();
  for (const one of text?.split(",") ?? []) {
    const [name = "", action = "", pass = "1"] = one.split(/[=@]/);
    const signal = SIGNALS[action as keyof typeof SIGNALS];
    armed.set(name, { fire: () => send(signal, name), passesLeft: Number(pass) });
  }
}

/** Says so before: a drill counts only when what it planned has happened. */
function signalSelf(signal: FailpointSignal, name: string): void {
  writeSync(process.stderr.fd, `failpoint ${name}: ${signal}\n`);
  process.kill(process.pid, signal);
}

/** Dies or freezes here, once, when it is told to. */
export function failpoint(name: FailpointName): void {
  if (armed.size === 0) return;
  const failure = armed.get(name);
  if (failure === undefined) return;
  failure.passesLeft -= 1;
  if (failure.passesLeft > 0) return;
  armed.delete(name);
  failure.fire();
}
