import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { isAlive } from "../src/process.ts";
import { type Supervised, supervise } from "../src/supervisor.ts";

const MAIN = fileURLToPath(new URL("programs/service.ts", import.meta.url));

function supervised(behaviour: string): { service: Supervised; lines: string[]; notes: string[] } {
  const lines: string[] = [];
  const notes: string[] = [];
  const service = supervise(
    { name: "trial", main: MAIN, env: { PATH: process.env["PATH"], BEHAVIOUR: behaviour } },
    { line: (text) => lines.push(text), note: (text) => notes.push(text), changed: () => {} },
  );
  onTestFinished(() => service.kill());
  return { service, lines, notes };
}

test("a service that dies is started again, with its restarts counted, until it is stopped", async () => {
  const { service, notes } = supervised("behaves");
  await service.start();
  const first = service.state.pid ?? 0;
  expect(service.state).toMatchObject({
    status: "ready",
    url: "http://127.0.0.1:1",
    metricsUrl: "http://127.0.0.1:2/metrics",
    restarts: 0,
  });

  process.kill(first, "SIGKILL");
  await vi.waitFor(() => expect(notes).toContain("trial is back"), { timeout: 5_000 });
  const second = service.state.pid ?? 0;
  expect(second).not.toBe(first);
  expect(service.state).toMatchObject({ status: "ready", restarts: 1 });
  expect(notes[0]).toBe("trial ended (SIGKILL); starting it again in 100 ms");

  await service.stop(2_000);
  expect(isAlive(second)).toBe(false);
  expect(service.state.status).toBe("stopped");
});

test("a service that ends before it was ever ready is reported and not tried again", async () => {
  const { service, notes } = supervised("fails at once");
  await expect(service.start()).rejects.toThrow("trial did not start (exit code 3)");
  expect(service.state).toMatchObject({ status: "failed", restarts: 0 });
  expect(notes).toEqual([]);
});

test("a service that does not stop in its time is killed", async () => {
  const { service, notes } = supervised("does not stop");
  await service.start();
  const pid = service.state.pid ?? 0;
  await service.stop(200);
  expect(isAlive(pid)).toBe(false);
  expect(notes).toEqual(["trial did not stop within 200 ms; killing it"]);
});

test("every line that a service writes is passed on, the last unfinished one too", async () => {
  const { service, lines } = supervised("behaves");
  await service.start();
  await service.stop(2_000);
  await vi.waitFor(() => expect(lines).toEqual(["environment says behaves", "an unfinished line"]));
});
