// The Node client that was published in 2024, as it was.
import assert from "node:assert/strict";
import { test } from "node:test";
import Published from "forefront-2024";
import { ASK, collect, KEY, MODEL, SERVER } from "./support.mjs";

const Client = Published.default;
const client = () => new Client(KEY, undefined, SERVER);

test("an answer", async () => {
  const completion = await client().chat.completions.create({ ...ASK, stream: false });
  assert.equal(completion.message.role, "assistant");
  assert.ok(completion.message.content);
  assert.equal(completion.message, completion.choices[0].message);
  assert.equal(completion.usage.input_tokens + completion.usage.output_tokens, completion.usage.total_tokens);
});

test("streams lose nothing to its way of reading", async () => {
  const whole = await client().chat.completions.create(ASK);
  const read = async () => {
    const chunks = await collect(await client().chat.completions.create({ ...ASK, stream: true }));
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
    return text === whole.message.content && chunks.at(-1).choices[0].finish_reason === "length";
  };
  const log = console.log; // it prints each event's name
  console.log = () => {};
  const results = [];
  for (let round = 0; round < 6; round++) {
    results.push(await read());
  }
  console.log = log;
  // It takes one network read for one event, so that on a machine that stops it for a moment it loses some all the same.
  assert.ok(results.filter(Boolean).length >= 4, `${results}`);
});

test("its default model, its list of models and its errors", async () => {
  const { model: _, ...ask } = ASK;
  const completion = await new Client(KEY, MODEL, SERVER).chat.completions.create(ask);
  assert.equal(completion.model, MODEL);
  await assert.rejects(new Client("wrong", MODEL, SERVER).chat.completions.create(ask), /Failed to create/);
});
