// Against a real server: FOREFRONT_BASE_URL and FOREFRONT_API_KEY say which. tests/node/ starts one and runs this.
import assert from "node:assert/strict";
import { test } from "node:test";
import Forefront, { AuthenticationError, BadRequestError, NotFoundError, UnprocessableEntityError } from "forefront";
import { collect, USER } from "./support.mjs";

const skip = process.env.FOREFRONT_BASE_URL ? false : "FOREFRONT_BASE_URL names no server";
const client = () => new Forefront({ defaultModel: "forefront-mini" });
const ask = { messages: USER, max_tokens: 12, temperature: 0 };

test("whole and streamed say the same", { skip }, async () => {
  const { data, requestID } = await client().chat.completions.create(ask).withResponse();
  assert.match(requestID, /^req_/);
  assert.equal(data.message.content, data.choices[0].message.content);
  assert.equal(data.usage.input_tokens + data.usage.output_tokens, data.usage.total_tokens);
  const chunks = await collect(await client().chat.completions.create({ ...ask, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), data.message.content);
  const final = await (await client().chat.completions.stream(ask)).finalCompletion();
  const facts = ({ choices, usage, message, object, model }) => ({
    choices, message, object, model,
    tokens: [usage.input_tokens, usage.output_tokens, usage.total_tokens],
  });
  assert.deepEqual(facts(final), facts(data));
});

test("logprobs and n are put together too", { skip }, async () => {
  const more = { ...ask, n: 2, logprobs: true, top_logprobs: 2, seed: 1, temperature: 1 };
  const whole = await client().chat.completions.create(more);
  const final = await (await client().chat.completions.stream(more)).finalCompletion();
  const tokens = ({ choices }) => choices.map(({ message, logprobs }) => [message.content, logprobs.content.length]);
  assert.deepEqual(tokens(final), tokens(whole));
});

test("models", { skip }, async () => {
  const { data } = await client().models.list();
  assert.ok(data.some((model) => model.id === "forefront-mini"));
  assert.ok((await client().models.retrieve("forefront-mini")).context_length > 0);
});

test("a text is continued, whole and streamed", { skip }, async () => {
  const { completions } = client();
  const params = { prompt: ["Ingredients:", "Steps:"], max_tokens: 8, temperature: 0, logprobs: 1 };
  const whole = await completions.create(params);
  assert.deepEqual(whole.choices.map(({ index }) => index), [0, 1]);
  const sampled = whole.choices.map(({ logprobs }) => logprobs.tokens.length);
  assert.ok(sampled.every((count) => count > 0 && count <= 8));
  const texts = ["", ""];
  for await (const { choices } of await completions.create({ ...params, stream: true })) {
    for (const { index, text } of choices) {
      texts[index] += text;
    }
  }
  assert.deepEqual(texts, whole.choices.map(({ text }) => text));
});

test("a preflight says what a request then meets", { skip }, async () => {
  const { completions } = client().chat;
  const preflight = await completions.preflight(ask);
  const { usage } = await completions.create(ask);
  assert.equal(preflight.prompt_tokens, usage.input_tokens);
  assert.ok(preflight.prompt.includes("Hello"));
  assert.ok(preflight.fits);
  const much = await completions.preflight({ ...ask, max_tokens: 10 * preflight.context_length });
  assert.ok(!much.fits && much.excess > 0);
});

test("a receipt's seed repeats an answer", { skip }, async () => {
  const { completions } = client().chat;
  const params = { messages: USER, max_tokens: 12, temperature: 1 };
  const first = await (await completions.stream(params)).finalCompletion();
  const again = await completions.create({ ...params, seed: first.receipt.sampling.seed });
  assert.equal(again.message.content, first.message.content);
});

test("its errors", { skip }, async () => {
  const refused = async (kind, status, code, promise) => {
    const error = await promise.then(() => assert.fail("it succeeded"), (error) => error);
    assert.ok(error instanceof kind, String(error));
    assert.deepEqual([error.status, error.code], [status, code]);
    assert.match(error.requestID, /^req_/);
  };
  const { completions } = client().chat;
  await refused(AuthenticationError, 401, "invalid_api_key", new Forefront("wrong").models.list().then());
  await refused(NotFoundError, 404, "model_not_found", completions.create({ ...ask, model: "none" }).then());
  await refused(UnprocessableEntityError, 422, "invalid_value", completions.create({ ...ask, temperature: 9 }).then());
  await refused(BadRequestError, 400, "missing_parameter", completions.create({ messages: [{ role: "user" }] }).then());
});

test("leaving a stream stops the work", { skip }, async () => {
  for await (const _ of await client().chat.completions.create({ messages: USER, stream: true })) {
    break;
  }
  assert.ok(await client().chat.completions.create(ask));
});
