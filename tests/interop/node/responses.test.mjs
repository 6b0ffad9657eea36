// The Responses API by `openai` and by Vercel's AI SDK.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { collect, KEY, MODEL, SERVER } from "./support.mjs";

const QUESTION = "What is the weather like in Rome?";
const WEATHER = JSON.stringify({ sky: "clear", celsius: 21 });
const DINNER = z.object({ name: z.string().max(40), minutes: z.int().min(5).max(90) });
const DINNER_QUESTION = "Give me the name and the minutes of an italian dinner as JSON";
const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string", maxLength: 20 } },
  required: ["city"],
  additionalProperties: false,
};
const TOOLS = [{ type: "function", name: "get_weather", description: "The weather", parameters: PARAMETERS, strict: true }];
const client = new OpenAI({ apiKey: KEY, baseURL: `${SERVER}/v1`, maxRetries: 0 });
const create = (more) => client.responses.create({ model: MODEL, temperature: 0, max_output_tokens: 200, ...more });

test("openai: a response, whole and streamed", async () => {
  const whole = await create({ input: "Write a recipe", max_output_tokens: 24 });
  const events = await collect(await create({ input: "Write a recipe", max_output_tokens: 24, stream: true }));
  const deltas = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
  assert.equal(deltas.join(""), whole.output_text);
  assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, index) => index));
});

test("openai: a round of tools over stored responses", async () => {
  const calling = await create({ input: QUESTION, tools: TOOLS, tool_choice: "required", store: true });
  const calls = calling.output.filter((item) => item.type === "function_call");
  assert.ok(calls.length);
  const input = calls.map(({ call_id }) => ({ type: "function_call_output", call_id, output: WEATHER }));
  const answered = await create({ input, previous_response_id: calling.id, tools: TOOLS, tool_choice: "none", store: true });
  assert.ok(answered.output_text);
  assert.equal((await client.responses.retrieve(answered.id)).output_text, answered.output_text);
  const items = await collect(client.responses.inputItems.list(answered.id));
  assert.deepEqual(items.map((item) => item.type), input.map(() => "function_call_output"));
  await client.responses.delete(answered.id);
  await assert.rejects(client.responses.retrieve(answered.id), OpenAI.NotFoundError);
});

test("openai: parse", async () => {
  const text = { format: zodTextFormat(DINNER, "dinner") };
  const parsed = await client.responses.parse({ model: MODEL, temperature: 0, input: DINNER_QUESTION, text });
  assert.ok(DINNER.safeParse(parsed.output_parsed).success);
});

test("openai: in the background, streamed again and cancelled", async () => {
  const background = { input: "Hello", store: true, background: true };
  const events = await collect(await create({ ...background, stream: true, max_output_tokens: 8 }));
  const [{ response }] = events;
  const again = await collect(await client.responses.retrieve(response.id, { stream: true, starting_after: 2 }));
  assert.deepEqual(again, events.slice(3));
  const long = await create({ ...background, max_output_tokens: 1500 });
  assert.ok(["cancelled", "completed", "incomplete"].includes((await client.responses.cancel(long.id)).status));
});

test("openai: a conversation", async () => {
  const made = await client.conversations.create({ metadata: { topic: "weather" }, items: [{ role: "user", content: QUESTION }] });
  const answered = await create({ input: "And in Paris?", conversation: { id: made.id }, max_output_tokens: 8 });
  assert.equal(answered.conversation.id, made.id);
  const items = await collect(client.conversations.items.list(made.id, { order: "asc", limit: 2 }));
  assert.deepEqual(items.map((item) => item.role), ["user", "user", "assistant"]);
  assert.equal(items[2].content[0].text, answered.output_text);
  const [added] = (await client.conversations.items.create(made.id, { items: [{ role: "user", content: "Thanks" }] })).data;
  assert.equal((await client.conversations.items.retrieve(added.id, { conversation_id: made.id })).content[0].text, "Thanks");
  await client.conversations.items.delete(added.id, { conversation_id: made.id });
  assert.deepEqual((await client.conversations.update(made.id, { metadata: {} })).metadata, {});
  await client.conversations.delete(made.id);
  await assert.rejects(client.conversations.retrieve(made.id), OpenAI.NotFoundError);
});

const provider = createOpenAI({ apiKey: KEY, baseURL: `${SERVER}/v1` });
const ask = { model: provider.responses(MODEL), temperature: 0, maxOutputTokens: 200, maxRetries: 0 };

test("ai: text, whole and streamed", async () => {
  const whole = await generateText({ ...ask, prompt: "Write a recipe", maxOutputTokens: 24 });
  const streamed = streamText({ ...ask, prompt: "Write a recipe", maxOutputTokens: 24 });
  assert.equal((await collect(streamed.textStream)).join(""), whole.text);
  assert.ok(whole.usage.outputTokens > 0);
});

test("ai: a round of tools", async () => {
  const seen = [];
  const getWeather = tool({
    description: "The weather",
    inputSchema: z.object({ city: z.string().max(20) }),
    execute: async ({ city }) => {
      seen.push(city);
      return WEATHER;
    },
  });
  const { text } = await generateText({ ...ask, prompt: QUESTION, tools: { getWeather }, stopWhen: stepCountIs(3) });
  assert.ok(seen.length);
  assert.ok(text);
});

test("ai: structured output", async () => {
  const { output } = await generateText({ ...ask, prompt: DINNER_QUESTION, output: Output.object({ schema: DINNER }) });
  assert.ok(DINNER.safeParse(output).success);
});
