// LangChain.js's ChatOpenAI.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { collect, KEY, MODEL, SERVER } from "./support.mjs";

const make = (more) =>
  new ChatOpenAI({
    model: MODEL,
    apiKey: KEY,
    configuration: { baseURL: `${SERVER}/v1` },
    temperature: 0,
    maxTokens: 200,
    maxRetries: 0,
    ...more,
  });
const RECIPE = [new SystemMessage("Be brief."), new HumanMessage("Write a recipe for an italian dinner")];
const WEATHER = tool(({ city }) => JSON.stringify({ city, sky: "clear", celsius: 21 }), {
  name: "get_weather",
  description: "Get the weather of a city",
  schema: z.object({ city: z.string() }),
});

test("an answer, whole and streamed with its usage", async () => {
  const whole = await make().invoke(RECIPE);
  assert.ok(whole.content);
  const chunks = await collect(await make().stream(RECIPE));
  const streamed = chunks.reduce((sum, chunk) => sum.concat(chunk));
  assert.equal(streamed.content, whole.content);
  assert.ok(whole.usage_metadata.output_tokens > 10);
  assert.equal(streamed.usage_metadata.output_tokens, whole.usage_metadata.output_tokens);
});

test("a round trip through a tool", async () => {
  const model = make().bindTools([WEATHER]);
  const question = new HumanMessage("What is the weather like in Rome?");
  const called = await model.invoke([question]);
  assert.deepEqual(called.tool_calls.map(({ name, args }) => [name, args]), [["get_weather", { city: "Rome" }]]);
  const result = await WEATHER.invoke(called.tool_calls[0]);
  assert.ok(result instanceof ToolMessage);
  const answer = await model.invoke([question, called, result]);
  assert.ok(answer.content);
  assert.equal(answer.tool_calls.length, 0);
  const streamed = (await collect(await model.stream([question]))).reduce((sum, chunk) => sum.concat(chunk));
  assert.deepEqual(streamed.tool_calls.map(({ args }) => args), [{ city: "Rome" }]);
});

for (const method of ["jsonSchema", "functionCalling"]) {
  test(`an object of a Zod schema by ${method}`, async () => {
    const schema = z.object({ name: z.string().max(40), minutes: z.int().min(5).max(90), vegetarian: z.boolean() });
    const model = make().withStructuredOutput(schema, { method, name: "dinner" });
    schema.parse(await model.invoke("Give me the name and the minutes of an italian dinner as JSON"));
  });
}

test("errors", async () => {
  const fail = (options) => make(options).invoke("Hello").then(() => assert.fail("it succeeded"), (caught) => caught);
  for (const [options, status, name] of [
    [{ model: "none" }, 404, "NotFoundError"],
    [{ apiKey: "wrong" }, 401, "AuthenticationError"],
    [{ temperature: 9 }, 422, "UnprocessableEntityError"],
  ]) {
    const error = await fail(options);
    assert.deepEqual([error.status, error.constructor.name], [status, name]);
  }
  assert.equal((await fail({ maxTokens: 10 ** 6 })).name, "ContextOverflowError"); // found by the error's text
});
