import { createServer, type Server } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { isPortFree, LOOPBACK, nextFreePort, pickPort } from "../src/ports.ts";
import { gatewayPorts, metricsPort } from "../src/system.ts";

/** Listens on a port until the test has finished. */
async function occupy(port: number): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: LOOPBACK, exclusive: true }, resolve);
  });
  onTestFinished(() => {
    server.close();
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

test("a remembered port is used again while it is free, and another one when it is taken", async () => {
  const free = await pickPort();
  expect(await pickPort(free)).toBe(free);
  await occupy(free);
  expect(await isPortFree(free)).toBe(false);
  const other = await pickPort(free);
  expect(other).not.toBe(free);
  expect(await isPortFree(other)).toBe(true);
});

test("the next free port passes over a taken one", async () => {
  const taken = await occupy(0);
  expect(await nextFreePort(taken, LOOPBACK)).toBeGreaterThan(taken);
});

test("F1 a busy port that nobody chose is replaced by the next free one, and that is said", async () => {
  const taken = await occupy(0);
  const notes: string[] = [];
  const ports = await gatewayPorts({ port: taken, portChosen: false, host: LOOPBACK }, 2, (note) =>
    notes.push(note),
  );
  expect(ports).toHaveLength(2);
  expect(ports[0]).toBeGreaterThan(taken);
  expect(ports[1]).toBeGreaterThan(ports[0] ?? 0);
  expect(notes).toEqual([`port ${taken} is taken; using ${ports[0]}`]);
});

test("F1 a busy port that was chosen by hand is an error that names it", async () => {
  const taken = await occupy(0);
  const planned = gatewayPorts({ port: taken, portChosen: true, host: LOOPBACK }, 1, () => {});
  await expect(planned).rejects.toThrow(`Port ${taken} is taken`);
});

test("a chosen port for metrics is the first service's, and the next one the next service's", () => {
  expect([0, 1, 2].map((index) => metricsPort({ METRICS_PORT: "9464" }, index).METRICS_PORT)).toEqual([
    "9464",
    "9465",
    "9466",
  ]);
  for (const METRICS_PORT of [undefined, "0", "off"]) expect(metricsPort({ METRICS_PORT }, 1)).toEqual({});
});
