// The `openai` packages, current and of the 4.x line that many programs still have.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as current from "openai";
import * as four from "openai-4";
import { ASK, collect, KEY, MODEL, SERVER } from "./support.mjs";

for (const [name, sdk] of [["current", current], ["4.x", four]]) {
  const make = (options) => new sdk.OpenAI({ apiKey: KEY, baseURL: `${SERVER}/v1`, maxRetries: 0, ...options });
  const client = make();
  const create = (more, options) => client.chat.completions.create({ ...ASK, ...more }, options);

  test(`openai ${name}: an answer, whole and streamed with its usage`, async () => {
    const whole = await create();
    const { content } = whole.choices[0].message;
    assert.ok(content);
    const chunks = await collect(await create({ stream: true, stream_options: { include_usage: true } }));
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), content);
    const { usage } = chunks.at(-1);
    assert.deepEqual([usage.prompt_tokens, usage.completion_tokens], [whole.usage.prompt_tokens, 24]);
    const { data, response, request_id } = await create().withResponse();
    assert.equal(data.choices[0].message.content, content);
    assert.equal(request_id, response.headers.get("x-request-id"));
  });

  test(`openai ${name}: its helper that puts a stream together`, async () => {
    const helper = (client.chat.completions.stream ? client : client.beta).chat.completions;
    const stream = helper.stream({ ...ASK, logprobs: true, top_logprobs: 2 });
    let text = "";
    stream.on("content", (delta) => (text += delta));
    const final = await stream.finalChatCompletion().catch((error) => {
      assert.ok(error instanceof sdk.OpenAI.LengthFinishReasonError, String(error)); // what `max_tokens` is to it
    });
    assert.ok(text);
    if (final) {
      assert.equal(final.choices[0].message.content, text);
      assert.equal(final.choices[0].logprobs.content.length, 24);
    }
  });

  test(`openai ${name}: n and logprobs`, async () => {
    const { choices } = await create({ n: 2, temperature: 1, seed: 1, logprobs: true, top_logprobs: 3 });
    assert.deepEqual(choices.map((choice) => choice.index), [0, 1]);
    assert.notEqual(choices[0].message.content, choices[1].message.content);
    for (const { logprobs } of choices) {
      assert.ok(logprobs.content.every((token) => token.logprob <= 0 && token.top_logprobs.length === 3));
    }
  });

  test(`openai ${name}: an aborted stream`, async () => {
    const stream = await create({ stream: true, max_tokens: 200 });
    let chunks = 0;
    for await (const _ of stream) {
      if (++chunks === 2) {
        stream.controller.abort();
      }
    }
    assert.ok(chunks >= 2 && chunks < 50);
    await assert.rejects(create({}, { signal: AbortSignal.abort() }), sdk.OpenAI.APIUserAbortError);
  });

  test(`openai ${name}: models`, async () => {
    const models = await collect(client.models.list());
    assert.ok(models.some((model) => model.id === MODEL));
    assert.equal((await client.models.retrieve(MODEL)).object, "model");
  });

  for (const [status, kind, code, param, run] of [
    [401, "AuthenticationError", "invalid_api_key", null, () => make({ apiKey: "wrong" }).models.list()],
    [404, "NotFoundError", "model_not_found", "model", () => create({ model: "none" })],
    [422, "UnprocessableEntityError", "invalid_value", "temperature", () => create({ temperature: 9 })],
    [400, "BadRequestError", "missing_parameter", "messages", () => create({ messages: undefined })],
  ]) {
    test(`openai ${name}: ${status}`, async () => {
      const error = await run().then(() => assert.fail("it succeeded"), (caught) => caught);
      assert.ok(error instanceof sdk.OpenAI[kind], String(error));
      assert.deepEqual([error.status, error.code, error.param], [status, code, param]);
    });
  }
}
