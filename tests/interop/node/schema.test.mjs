// Our own SDK with the objects of a schema library.
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import Forefront from "../../../clients/node/dist/esm/index.js";
import { MODEL } from "./support.mjs";

test("a Zod schema is the format of the answer, and parses it", async () => {
  const client = new Forefront({ defaultModel: MODEL });
  const hours = z.int().min(5).max(90).transform((minutes) => minutes / 60);
  const schema = z.object({ name: z.string().max(40), time: hours, vegetarian: z.boolean() });
  const { parsed, message } = await client.chat.completions.parse({
    messages: [{ role: "user", content: "Give me the name and the minutes of an italian dinner as JSON" }],
    response_format: schema,
    temperature: 0,
  });
  assert.deepEqual(parsed, schema.parse(JSON.parse(message.content)));
  assert.ok(parsed.time >= 5 / 60 && parsed.time <= 1.5);
});
