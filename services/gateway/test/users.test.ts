// Accounts as admins see and change them: what is changed counts at once, here and at other gateways.
import { newId } from "@holdfast/runtime";
import { until } from "@holdfast/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { STANDING_REFRESH_MS, Standing } from "../src/standing.ts";
import { type Answer, type GatewayUnderTest, openGateway, type Person } from "./gateway-under-test.ts";

let gateway: GatewayUnderTest;
let admin: Person;
beforeAll(async () => {
  gateway = await openGateway();
  admin = await gateway.person("admin");
});
afterAll(() => gateway.close());

const list = async (query: string): Promise<Answer> =>
  gateway.ask({ url: `/v1/users${query}`, headers: admin.auth });
const change = (id: string, payload: unknown, headers: Record<string, string> = {}) =>
  gateway.ask({ method: "PATCH", url: `/v1/users/${id}`, headers: { ...admin.auth, ...headers }, payload });
const idsOf = ({ body }: Answer): string[] => body.data.map(({ id }: { id: string }) => id);

async function registered(email: string) {
  const password = "a good password";
  const { body } = await gateway.ask({
    method: "POST",
    url: "/v1/auth/register",
    payload: { email, password, name: "Somebody" },
  });
  return {
    id: body.user.id,
    email,
    password,
    auth: { authorization: `Bearer ${body.accessToken}` },
    ...body,
  };
}
const me = (auth: Record<string, string>) => gateway.ask({ url: "/v1/me", headers: auth });

describe("listing", () => {
  test("finds an address whole, in whatever case, and tells whether the account is closed", async () => {
    const { id } = await registered("Anna.Bee@Example.test");
    const { status, headers, body } = await list("?email=anna.bee%40EXAMPLE.test");
    expect([status, headers["cache-control"]]).toEqual([200, "no-store"]);
    expect(body).toEqual({
      object: "list",
      data: [
        {
          object: "user",
          id,
          email: "Anna.Bee@Example.test",
          name: "Somebody",
          role: "user",
          disabled: false,
          createdAt: expect.stringMatching(/Z$/),
        },
      ],
      hasMore: false,
      nextCursor: null,
    });
    expect(idsOf(await list("?email=anna.bee"))).toEqual([]);
    expect(idsOf(await list("?email=%25"))).toEqual([]);
  });

  test("goes by role and in pages, the newest first", async () => {
    const made = [
      await gateway.person("organizer"),
      await gateway.person("organizer"),
      await gateway.person("organizer"),
    ].map(({ id }) => id as string);
    const first = await list("?role=organizer&limit=2");
    expect(idsOf(first)).toEqual(made.toReversed().slice(0, 2));
    const rest = await list(`?role=organizer&limit=2&cursor=${first.body.nextCursor}`);
    expect([idsOf(rest), rest.body.nextCursor]).toEqual([made.slice(0, 1), null]);
    expect(String(first.headers["link"])).toContain('rel="next"');
  });

  test.each(["role=king", "email=", "limit=0", "unknown=1", "cursor=forged", "email=%00"])(
    "refuses ?%s (F7)",
    async (query) => {
      const { status, body } = await list(`?${query}`);
      expect([status, body.code]).toEqual([400, "validation-failed"]);
    },
  );
});

describe("changing", () => {
  test("a role counts for the next request, and what is not given stays", async () => {
    const person = await gateway.person();
    const newEvent = () =>
      gateway.ask({ method: "POST", url: "/v1/events", headers: person.auth, payload: {} });
    expect((await newEvent()).status).toBe(403);
    const { status, body } = await change(person.id, { role: "organizer" });
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({ object: "user", id: person.id, role: "organizer", disabled: false }),
    ]);
    expect((await newEvent()).status).toBe(400);
    expect((await change(person.id, {})).body).toMatchObject({ role: "organizer", disabled: false });
    expect((await change(person.id, { disabled: true })).body).toMatchObject({
      role: "organizer",
      disabled: true,
    });
  });

  test("a closed account is out at once, with its sessions, and comes in anew when it is opened", async () => {
    const person = await registered("closed@example.test");
    const login = () =>
      gateway.ask({
        method: "POST",
        url: "/v1/auth/login",
        payload: { email: person.email, password: person.password },
      });
    const refresh = () =>
      gateway.ask({
        method: "POST",
        url: "/v1/auth/refresh",
        payload: { refreshToken: person.refreshToken },
      });
    expect((await me(person.auth)).status).toBe(200);
    await change(person.id, { disabled: true });
    expect((await me(person.auth)).status).toBe(401);
    expect((await refresh()).status).toBe(401);
    expect((await login()).status).toBe(401);

    expect((await change(person.id, { disabled: false })).body).toMatchObject({ disabled: false });
    expect((await refresh()).status).toBe(401);
    const again = await login();
    expect(again.status).toBe(200);
    expect((await me({ authorization: `Bearer ${again.body.accessToken}` })).status).toBe(200);
  });

  test("another gateway follows by its next look", async () => {
    const person = await registered("elsewhere@example.test");
    const other = new Standing(gateway.database.pool, Date.now, gateway.app.log as never);
    await other.start();
    try {
      const { rows } = await gateway.database.pool.query("SELECT id FROM sessions WHERE user_id = $1", [
        person.id,
      ]);
      const role = () => other.roleOf(person.id, rows[0].id, "user");
      expect(role()).toBe("user");
      await change(person.id, { role: "organizer" });
      await until("the other role", () => role() === "organizer", 4 * STANDING_REFRESH_MS);
      await change(person.id, { disabled: true });
      await until("the closed account", () => role() === null, 4 * STANDING_REFRESH_MS);
      await change(person.id, { disabled: false });
      await other.refresh();
      expect(role(), "the session has ended").toBeNull();
      expect(other.roleOf(person.id, newId("session"), "user")).toBe("organizer");
    } finally {
      other.stop();
    }
  });

  test("a look that began before a change does not undo it", async () => {
    const standing = gateway.standing;
    const [id, sid] = [newId("user"), newId("session")];
    standing.userChanged({ id, role: "admin", disabled: false, changedAt: Date.now() });
    standing.userChanged({ id, role: "user", disabled: true, changedAt: Date.now() - 1_000 });
    expect(standing.roleOf(id, sid, "user")).toBe("admin");
  });

  test("nobody is 404, and nothing is changed by what is no change", async () => {
    const { id } = await gateway.person();
    expect((await change(newId("user"), { role: "admin" })).status).toBe(404);
    expect((await change("usr_1", { role: "admin" })).status).toBe(404);
    for (const [body, pointer] of [
      [{ role: "king" }, "/role"],
      [{ role: null }, "/role"],
      [{ disabled: "true" }, "/disabled"],
      [{ email: "other@example.test" }, "/email"],
      [{ id }, "/id"],
    ] as const) {
      const answer = await change(id, body);
      expect([answer.status, answer.body.errors?.[0]?.pointer]).toEqual([400, pointer]);
    }
    const { rows } = await gateway.database.pool.query("SELECT role, disabled_at FROM users WHERE id = $1", [
      id,
    ]);
    expect(rows).toEqual([{ role: "user", disabled_at: null }]);
  });
});
