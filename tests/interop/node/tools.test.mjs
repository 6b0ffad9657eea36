// Calls of tools and answers of a given form, by `openai` and by Vercel's AI SDK.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, Output, stepCountIs, streamObject, streamText, tool } from "ai";
import * as current from "openai";
import * as four from "openai-4";
import { z } from "zod";
import { collect, KEY, MODEL, SERVER } from "./support.mjs";

const ASK = { model: MODEL, temperature: 0, max_tokens: 200 };
const QUESTION = { role: "user", content: "What is the weather like in Rome?" };
const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string", maxLength: 20 }, unit: { enum: ["celsius", "fahrenheit"] } },
  required: ["city", "unit"],
  additionalProperties: false,
};
const TOOLS = [{ type: "function", function: { name: "get_weather", description: "The weather", parameters: PARAMETERS } }];
const WEATHER = JSON.stringify({ sky: "clear", celsius: 21 });
const DINNER = z.object({ name: z.string().max(40), minutes: z.int().min(5).max(90), vegetarian: z.boolean() });
const DINNER_QUESTION = "Give me the name and the minutes of an italian dinner as JSON";

function checkArguments(text) {
  const { city, unit } = JSON.parse(text);
  assert.ok(city.length <= 20);
  assert.ok(["celsius", "fahrenheit"].includes(unit));
}

for (const [name, sdk] of [["current", current], ["4.x", four]]) {
  const client = new sdk.OpenAI({ apiKey: KEY, baseURL: `${SERVER}/v1`, maxRetries: 0 });
  const { completions } = client.chat;
  const helpers = completions.parse ? completions : client.beta.chat.completions;

  test(`openai ${name}: a round trip through a tool`, async () => {
    const calling = await completions.create({ ...ASK, messages: [QUESTION], tools: TOOLS, tool_choice: "required" });
    const [{ message, finish_reason }] = calling.choices;
    assert.equal(finish_reason, "tool_calls");
    const calls = message.tool_calls;
    assert.ok(calls.length >= 1);
    for (const call of calls) {
      assert.equal(call.function.name, "get_weather");
      checkArguments(call.function.arguments);
    }
    const results = calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: WEATHER }));
    const messages = [QUESTION, message, ...results];
    const answered = await completions.create({ ...ASK, messages, tools: TOOLS, tool_choice: "none" });
    assert.ok(answered.choices[0].message.content);
    assert.equal(answered.choices[0].message.tool_calls, undefined);
  });

  test(`openai ${name}: a call in pieces, put together`, async () => {
    const choice = { type: "function", function: { name: "get_weather" } };
    const request = { ...ASK, messages: [QUESTION], tools: TOOLS, tool_choice: choice };
    const whole = await completions.create(request);
    const final = await helpers.stream(request).finalChatCompletion();
    const calls = ({ choices: [{ message }] }) => message.tool_calls.map(({ function: { name, arguments: args } }) => [name, args]);
    assert.deepEqual(calls(final), calls(whole));
    assert.equal(calls(whole)[0][0], "get_weather");
  });

  test(`openai ${name}: JSON of a schema`, async () => {
    const schema = z.toJSONSchema(DINNER);
    const response_format = { type: "json_schema", json_schema: { name: "dinner", schema, strict: true } };
    const messages = [{ role: "user", content: DINNER_QUESTION }];
    const answer = await helpers.parse({ ...ASK, messages, response_format });
    DINNER.parse(JSON.parse(answer.choices[0].message.content));
    const chunks = await collect(await completions.create({ ...ASK, messages, response_format, stream: true }));
    DINNER.parse(JSON.parse(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")));
    const object = await completions.create({ ...ASK, messages, response_format: { type: "json_object" } });
    assert.equal(typeof JSON.parse(object.choices[0].message.content), "object");
  });
}

const provider = createOpenAICompatible({
  name: "forefront",
  baseURL: `${SERVER}/v1`,
  apiKey: KEY,
  supportsStructuredOutputs: true,
  includeUsage: true,
});
const model = provider(MODEL);
const settings = { model, temperature: 0, maxOutputTokens: 200, maxRetries: 0 };

test("AI SDK: text, whole and streamed", async () => {
  const prompt = "Write a recipe for an italian dinner";
  const { text, usage } = await generateText({ ...settings, prompt });
  assert.match(text, /Ingredients:/);
  assert.ok(usage.outputTokens > 10);
  const streamed = streamText({ ...settings, prompt });
  assert.equal((await collect(streamed.textStream)).join(""), text);
  assert.equal((await streamed.usage).outputTokens, usage.outputTokens);
});

test("AI SDK: generateText with a tool", async () => {
  const seen = [];
  const inputSchema = z.object({ city: z.string().max(20) });
  const execute = async ({ city }) => {
    seen.push(city);
    return { city, sky: "clear" };
  };
  const tools = { get_weather: tool({ description: "The weather", inputSchema, execute }) };
  const request = { ...settings, tools, prompt: QUESTION.content };
  const { toolResults, steps } = await generateText({ ...request, toolChoice: "required" });
  assert.ok(seen.length >= 1);
  assert.equal(steps.length, 1);
  assert.deepEqual(toolResults.map(({ output }) => output.city), seen);
  const named = await generateText({ ...request, toolChoice: { type: "tool", toolName: "get_weather" } });
  assert.ok(named.toolCalls.every(({ toolName }) => toolName === "get_weather"));
  const messages = [{ role: "user", content: QUESTION.content }, ...named.response.messages];
  const { text } = await generateText({ ...settings, tools, messages, toolChoice: "none" });
  assert.ok(text);
});

test("AI SDK: streamObject, and streamText with an object as its output", async () => {
  const stream = streamObject({ ...settings, schema: DINNER, prompt: DINNER_QUESTION });
  const parts = await collect(stream.partialObjectStream);
  assert.deepEqual(parts.at(-1), DINNER.parse(await stream.object));
  const typed = streamText({ ...settings, output: Output.object({ schema: DINNER }), prompt: DINNER_QUESTION });
  DINNER.parse(await typed.output);
});

test("AI SDK: steps until an answer, whole and streamed", async () => {
  const execute = async ({ city }) => ({ city, sky: "clear", celsius: 21 });
  const inputSchema = z.object({ city: z.string() });
  const tools = { get_weather: tool({ description: "Get the weather of a city", inputSchema, execute }) };
  const request = { ...settings, tools, prompt: QUESTION.content, stopWhen: stepCountIs(4) };
  const { text, steps } = await generateText(request);
  assert.deepEqual(steps.map(({ toolCalls }) => toolCalls.map(({ input }) => input.city)), [["Rome"], []]);
  assert.ok(text);
  assert.equal(await streamText(request).text, text);
});

test("AI SDK: errors", async () => {
  const ask = (more) => generateText({ ...settings, prompt: "Hello", ...more });
  for (const [more, statusCode] of [[{ model: provider("none") }, 404], [{ temperature: 9 }, 422], [{ maxOutputTokens: 10 ** 6 }, 400]]) {
    const error = await ask(more).then(() => assert.fail("it succeeded"), (caught) => caught);
    assert.ok(APICallError.isInstance(error), String(error));
    assert.deepEqual([error.statusCode, error.isRetryable], [statusCode, false]);
  }
});
