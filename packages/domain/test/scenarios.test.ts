// Every scenario, played on the rules.
import { describe } from "vitest";
import { SCENARIOS } from "../../testkit/src/scenarios/index.ts";
import { scenario } from "./play.ts";

for (const [topic, groups] of Object.entries(SCENARIOS)) {
  for (const [group, texts] of Object.entries(groups)) {
    describe(`${topic}: ${group}`, () => {
      for (const [name, text] of Object.entries(texts)) scenario(name, text);
    });
  }
}
