// What operators read: every metric of docs/operations.md is told by the service that the table names, with its labels
// and in the table's words, and none that the table does not have.
import { readFile } from "node:fs/promises";
import { Reservation } from "@holdfast/contracts";
import { until } from "@holdfast/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createEvent, createPeople } from "./population.ts";
import { START_TIMEOUT_MS, type System, startSystem } from "./system.ts";

let system: System;

beforeAll(async () => {
  system = await startSystem({ expiryWorkers: 1, waitlistWorkers: 1, webhookWorkers: 1 });
}, START_TIMEOUT_MS);
afterAll(() => system.close(), START_TIMEOUT_MS);

/** A row of the table: service, name, type, labels, meaning. */
type Row = readonly [service: string, name: string, type: string, labels: string, meaning: string];

async function documented(): Promise<Row[]> {
  const text = await readFile(new URL("../../../docs/operations.md", import.meta.url), "utf8");
  const rows = text.matchAll(/^\| `(holdfast_\w+)` \| ([\w-]+) \| (\w+) \| ([^|]*) \| ([^|]+) \|$/gm);
  return [...rows].map(([, name = "", service = "", type = "", labels = "", meaning = ""]) => [
    service,
    name,
    type,
    labels.replaceAll("`", ""),
    meaning,
  ]);
}

const scrape = async (url: string): Promise<string> => (await fetch(url)).text();

/** What one service tells of its own, beside what Node.js tells of any process. */
function told(service: string, text: string): Row[] {
  const described = text.matchAll(/^# HELP (holdfast_\w+) (.+)\n# TYPE \w+ (\w+)$/gm);
  return [...described].map(([, name = "", help = "", type = ""]) => {
    const [, sample = ""] = new RegExp(`^${name}(?:_bucket)?\\{(.+)\\} `, "m").exec(text) ?? [];
    const labels = [...sample.matchAll(/(\w+)=/g)].map(([, label = ""]) => label);
    return [service, name, type, labels.filter((label) => label !== "le").join(", "), help];
  });
}

const value = (text: string, sample: string): number => {
  const line = text.split("\n").find((one) => one.startsWith(`${sample} `));
  return Number(line?.slice(sample.length));
};

test("every metric is in the table of docs/operations.md as it is told, and none else is in it", async () => {
  const [gateway] = system.gateways;
  const [worker] = system.workers;
  const [expiry] = system.expiryWorkers;
  const [waitlist] = system.waitlistWorkers;
  const [webhook] = system.webhookWorkers;
  if (!(gateway && worker && expiry && waitlist && webhook)) throw new Error("one of each was asked for");
  const { reservePath } = await createEvent(system.pool, { capacity: 1 });
  const people = await createPeople(system.pool, 2);
  const held = await Promise.all(people.map(({ token }) => gateway.client.post(reservePath, { token })));
  const first = held.findIndex(({ status }) => status === 201);
  const hold = Reservation.parse(held[first]?.body);
  const token = people[first]?.token ?? "";
  const bought = await gateway.client.post(`/v1/reservations/${hold.id}/purchase`, { token });
  expect(bought.status).toBe(200);

  await until("all to be drained", async () => {
    const text = await scrape(worker.metricsUrl);
    return (
      value(text, 'holdfast_drains_total{end="finished"}') > 0 && value(text, "holdfast_drains_running") === 0
    );
  });
  const texts = {
    gateway: await scrape(gateway.process.metricsUrl),
    "reservation-worker": await scrape(worker.metricsUrl),
    "expiry-worker": await scrape(expiry.metricsUrl),
    "waitlist-worker": await scrape(waitlist.metricsUrl),
    "webhook-worker": await scrape(webhook.metricsUrl),
  };
  const all = Object.entries(texts).flatMap(([service, text]) => told(service, text));
  expect((await documented()).toSorted()).toEqual(all.toSorted());
  for (const text of Object.values(texts)) expect(text).toContain("process_cpu_seconds_total ");

  const reserve = 'holdfast_requests_total{route="/v1/events/:id/reserve",method="POST",status="201"}';
  expect(value(texts.gateway, reserve)).toBe(1);
  expect(value(texts.gateway, 'holdfast_commands_answered_total{answer="outcome"}')).toBe(3);
  expect(value(texts.gateway, "holdfast_commands_waiting")).toBe(0);
  expect(value(texts.gateway, "holdfast_job_commands_sum")).toBe(3);
  const ended = (labels: string) => value(texts["reservation-worker"], `holdfast_outcomes_total{${labels}}`);
  expect(ended('type="reserve",status="succeeded",code=""')).toBe(1);
  expect(ended('type="reserve",status="rejected",code="all-held"')).toBe(1);
  expect(ended('type="purchase",status="succeeded",code=""')).toBe(1);
  expect(value(texts["reservation-worker"], "holdfast_command_wait_seconds_count")).toBe(3);
  await until("nothing to wait in the whole system", async () => {
    const text = await scrape(worker.metricsUrl);
    return (
      value(text, "holdfast_events_with_work") === 0 &&
      value(text, "holdfast_oldest_waiting_command_age_seconds") === 0
    );
  });
});
