// An answer that is JSON of a schema. An object of a schema library, such as Zod, works too.
import Forefront from "forefront";

const client = new Forefront({ defaultModel: "forefront-mini" });

const { parsed } = await client.chat.completions.parse({
  messages: [{ role: "user", content: "Give me the name and the minutes of an italian dinner as JSON" }],
  response_format: {
    title: "dinner",
    type: "object",
    properties: { name: { type: "string", maxLength: 40 }, minutes: { type: "integer", minimum: 5, maximum: 90 } },
    required: ["name", "minutes"],
    additionalProperties: false,
  },
});
console.log(`${parsed.name}: ${parsed.minutes} minutes`);
