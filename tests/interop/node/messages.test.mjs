// The Messages API, by `@anthropic-ai/sdk` and by Vercel's AI SDK.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import Anthropic from "@anthropic-ai/sdk";
import { APICallError, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { collect, KEY, MODEL, SERVER } from "./support.mjs";

const QUESTION = { role: "user", content: "What is the weather like in Rome?" };
const ASK = { model: MODEL, max_tokens: 200, temperature: 0, messages: [QUESTION] };
const WEATHER = {
  name: "get_weather",
  description: "Get the weather of a city",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const client = new Anthropic({ baseURL: SERVER, apiKey: KEY, maxRetries: 0 });

test("sdk: text, whole and streamed", async () => {
  const fields = { ...ASK, messages: [{ role: "user", content: "Write a recipe for an italian dinner" }] };
  const whole = await client.messages.create(fields);
  const stream = client.messages.stream(fields);
  const texts = [];
  stream.on("text", (text) => texts.push(text));
  const final = await stream.finalMessage();
  assert.equal(texts.join(""), whole.content[0].text);
  assert.deepEqual(final.content.map(({ text }) => text), [whole.content[0].text]);
  assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
  const counted = await client.messages.countTokens({ model: MODEL, messages: fields.messages });
  assert.equal(counted.input_tokens, whole.usage.input_tokens + whole.usage.cache_read_input_tokens);
});

test("sdk: a round trip through a tool, whole and streamed", async () => {
  const fields = { ...ASK, tools: [WEATHER] };
  const called = await client.messages.create(fields);
  assert.equal(called.stop_reason, "tool_use");
  const call = called.content.at(-1);
  assert.deepEqual([call.type, call.name, call.input], ["tool_use", "get_weather", { city: "Rome" }]);
  const streamed = await client.messages.stream(fields).finalMessage();
  assert.deepEqual(streamed.content.at(-1).input, call.input);
  const result = { type: "tool_result", tool_use_id: call.id, content: '{"sky": "clear", "celsius": 21}' };
  const messages = [QUESTION, { role: "assistant", content: called.content }, { role: "user", content: [result] }];
  const answer = await client.messages.create({ ...fields, messages });
  assert.equal(answer.stop_reason, "end_turn");
  assert.ok(answer.content[0].text);
});

test("sdk: models and errors", async () => {
  const models = await collect(client.models.list({ limit: 1 }));
  assert.ok(models.map(({ id }) => id).includes(MODEL));
  assert.equal((await client.models.retrieve(MODEL)).display_name, MODEL);
  for (const [fields, kind, type] of [
    [{ model: "none" }, Anthropic.NotFoundError, "not_found_error"],
    [{ temperature: 9 }, Anthropic.BadRequestError, "invalid_request_error"],
  ]) {
    const error = await client.messages.create({ ...ASK, ...fields }).then(() => assert.fail("it succeeded"), (caught) => caught);
    assert.ok(error instanceof kind, String(error));
    assert.equal(error.error.error.type, type);
    assert.equal(error.requestID, error.error.request_id);
  }
});

const model = createAnthropic({ baseURL: `${SERVER}/v1`, apiKey: KEY })(MODEL);
const settings = { model, temperature: 0, maxOutputTokens: 200, maxRetries: 0 };

test("AI SDK: steps until an answer, whole and streamed", async () => {
  const execute = async ({ city }) => ({ city, sky: "clear", celsius: 21 });
  const inputSchema = z.object({ city: z.string() });
  const tools = { get_weather: tool({ description: "Get the weather of a city", inputSchema, execute }) };
  const request = { ...settings, tools, prompt: QUESTION.content, stopWhen: stepCountIs(4) };
  const { text, steps, usage } = await generateText(request);
  assert.deepEqual(steps.map(({ toolCalls }) => toolCalls.map(({ input }) => input.city)), [["Rome"], []]);
  assert.ok(text);
  assert.ok(usage.outputTokens > 0);
  assert.equal(await streamText(request).text, text);
});

test("AI SDK: errors", async () => {
  const error = await generateText({ ...settings, prompt: "Hello", maxOutputTokens: 10 ** 6 }).then(
    () => assert.fail("it succeeded"),
    (caught) => caught,
  );
  assert.ok(APICallError.isInstance(error), String(error));
  assert.deepEqual([error.statusCode, error.isRetryable], [400, false]);
  assert.match(error.message, /max_tokens/);
});
