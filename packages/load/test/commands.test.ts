// How a program outside follows a command, with a gateway that answers as the test says.
import { expect, test } from "vitest";
import { newId } from "../../runtime/src/index.ts";
import { commandOf, readCommand } from "../src/index.ts";

const id = newId("command");
const answering = (status: number) => ({
  get: async () => ({ status, headers: {}, body: { code: "unavailable" }, tookMs: 1 }),
});

test("the command that an answer is about stands in its link", () => {
  expect(commandOf({ headers: { link: `</v1/commands/${id}>; rel="monitor"` } })).toBe(id);
  expect(commandOf({ headers: {} })).toBeNull();
});

test("answers that tell nothing of a command go by one name for each status, so that they can be counted", async () => {
  await expect(readCommand(answering(503), "token", id)).rejects.toMatchObject({ code: "HTTP 503" });
  await expect(readCommand(answering(503), "token", newId("command"))).rejects.toMatchObject({
    code: "HTTP 503",
  });
  await expect(readCommand(answering(404), "token", id)).rejects.toMatchObject({ code: "HTTP 404" });
});
