// What a client is made of, what it sends, and what it makes of answers.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { inspect } from "node:util";
import Forefront, * as sdk from "forefront";
import { COMPLETION, collect, DONE, event, fake, frame, json, streamed, USER } from "./support.mjs";

delete process.env.FOREFRONT_API_KEY;
delete process.env.FOREFRONT_BASE_URL;

test("the three ways to make a client", () => {
  assert.equal(new Forefront("KEY").baseURL, "http://127.0.0.1:8000");
  const positional = new Forefront("KEY", "m", "http://host/v1/");
  assert.deepEqual([positional.baseURL, positional.defaultModel], ["http://host", "m"]);
  assert.equal(new Forefront({ apiKey: "KEY", baseURL: "http://[::1]:80//" }).baseURL, "http://[::1]:80");
});

test("the environment", () => {
  process.env.FOREFRONT_API_KEY = " from-env\n";
  process.env.FOREFRONT_BASE_URL = "https://env.example/v1";
  assert.equal(new Forefront().baseURL, "https://env.example");
  assert.equal(new Forefront("k", undefined, "http://given").baseURL, "http://given");
  delete process.env.FOREFRONT_API_KEY;
  delete process.env.FOREFRONT_BASE_URL;
});

test("what cannot be a client is refused at once", () => {
  assert.throws(() => new Forefront(), /FOREFRONT_API_KEY/);
  assert.throws(() => new Forefront("secret key"), (error) => !/cret k/.test(error.message) && error instanceof sdk.ForefrontError);
  for (const url of ["host:8000", "ftp://h", "http://", "http://h:99999", "http://h:0", "http://[::1"]) {
    assert.throws(() => new Forefront("k", undefined, url), (error) => error.message.includes(url), url);
  }
  for (const url of ["http://u:hunter2@h", "http://h?a=b", "http://h#f", "u:hunter2@h"]) {
    const refused = (error) => error instanceof sdk.ForefrontError && !error.message.includes("hunter2");
    assert.throws(() => new Forefront("k", undefined, url), refused, url);
  }
  assert.throws(() => new Forefront({ apiKey: "k", baseUrl: "http://h" }), /did you mean `baseURL`/);
  for (const options of [{ timeout: -1 }, { timeout: Number.NaN }, { timeout: { total: 0 } }, { timeout: { connect: 5 } }, { maxRetries: 1.5 }]) {
    assert.throws(() => new Forefront({ apiKey: "k", ...options }), sdk.InvalidArgumentError);
  }
});

test("the key is not printed", () => {
  const { client } = fake([json(COMPLETION)]);
  assert.ok(!inspect(client, { depth: 9 }).includes("sk-canary"));
  assert.ok(!JSON.stringify(client).includes("sk-canary"));
});

test("the documented call", async () => {
  const { client, sent } = fake([json(COMPLETION, 200, { "x-request-id": "req_1" })]);
  const params = { model: "MODEL_STRING", messages: USER, max_tokens: 256, stream: false };
  const completion = await client.chat.completions.create(params);
  assert.deepEqual(completion, COMPLETION);
  const [request] = sent;
  assert.deepEqual([request.method, request.url, request.json], ["POST", "http://host/v1/chat/completions", params]);
  assert.equal(request.headers.authorization, "Bearer sk-canary");
  assert.equal(request.headers["content-type"], "application/json");
  assert.match(request.headers["idempotency-key"], /^ff-[0-9a-f]{32}$/);
  assert.match(request.headers["user-agent"], /^forefront-node\//);
});

test("null is not sent, nor what JSON cannot say", async () => {
  const { client, sent } = fake([json(COMPLETION)]);
  await client.chat.completions.create({ messages: USER, temperature: null, stop: ["a"] });
  assert.deepEqual(sent[0].json, { model: "m", messages: USER, stop: ["a"] });
  for (const bad of [{ messages: USER, temperature: Number.NaN }, { messages: "Hello" }, undefined]) {
    await assert.rejects(async () => client.chat.completions.create(bad), sdk.InvalidArgumentError);
  }
  const nameless = new Forefront({ apiKey: "k", fetch: () => assert.fail("sent") });
  await assert.rejects(async () => nameless.chat.completions.create({ messages: USER }), /defaultModel/);
  assert.equal(sent.length, 1);
});

test("fields that the types do not know", async () => {
  const { client, sent } = fake([json(COMPLETION)]);
  await client.chat.completions.create({ messages: USER, temperature: 0 }, { extraBody: { mirostat: 2, temperature: 1 } });
  assert.deepEqual(sent[0].json, { model: "m", messages: USER, temperature: 1, mirostat: 2 });
});

test("withResponse", async () => {
  const { client } = fake([json(COMPLETION, 200, { "x-request-id": "req_1", "x-ignored-params": "a" })]);
  const { data, response, requestID } = await client.chat.completions.create({ messages: USER }).withResponse();
  assert.equal(data.message.content, "Hi");
  assert.deepEqual([requestID, response.headers.get("x-ignored-params")], ["req_1", "a"]);
});

test("withOptions", async () => {
  const { client, sent } = fake([json(COMPLETION)], { headers: { "x-a": "1" } });
  const other = client.withOptions({ defaultModel: "other", headers: { "x-b": "2" } });
  await other.chat.completions.create({ messages: USER }, { headers: { "x-c": "3" }, idempotencyKey: "mine" });
  assert.equal(sent[0].json.model, "other");
  const { "x-a": a, "x-b": b, "x-c": c, "idempotency-key": key } = sent[0].headers;
  assert.deepEqual([a, b, c, key, sent[0].headers.authorization], ["1", "2", "3", "mine", "Bearer sk-canary"]);
  assert.equal(client.defaultModel, "m");
  assert.equal(client.withOptions({ defaultModel: undefined }).defaultModel, "m");
});

test("a stream is read once, and breaking off closes it", async () => {
  const { client, sent } = fake([streamed(event("a"), event("b"), DONE)]);
  const stream = await client.chat.completions.create({ messages: USER, stream: true });
  for await (const chunk of stream) {
    assert.equal(chunk.choices[0].delta.content, "a");
    break;
  }
  assert.ok(stream.controller.signal.aborted);
  assert.deepEqual(await collect(stream), []);
  assert.equal(sent[0].headers.accept, "text/event-stream");
});

test("closing a stream ends it without an error", async () => {
  for (const stop of [(stream) => stream.close(), (stream) => stream.controller.abort()]) {
    const { client } = fake([streamed(event("a"), event("b"), DONE)]);
    const stream = await client.chat.completions.create({ messages: USER, stream: true });
    const seen = [];
    for await (const chunk of stream) {
      seen.push(chunk.choices[0].delta.content);
      stop(stream);
    }
    assert.deepEqual(seen, ["a"]);
  }
});

test("stream()", async () => {
  const usage = { prompt_tokens: 1, completion_tokens: 2 };
  const pieces = [event("Hel"), event("lo"), event("", { choices: [], usage }), DONE];
  const { client, sent } = fake([streamed(...pieces)]);
  const stream = await client.chat.completions.stream({ messages: USER });
  const texts = [];
  for await (const text of stream.text) {
    texts.push(text);
    assert.equal(stream.message.content, texts.join(""));
  }
  assert.deepEqual(texts, ["Hel", "lo"]);
  const completion = await stream.finalCompletion();
  assert.equal(completion.message.content, "Hello");
  assert.equal(completion.usage.total_tokens, 3);
  assert.deepEqual(sent[0].json.stream_options, { include_usage: true });
});

test("parse()", async () => {
  const schema = { title: "A recipe", type: "object", properties: { title: { type: "string" } } };
  const answer = (content, reason = "stop") => {
    const message = { role: "assistant", content };
    return json({ ...COMPLETION, message, choices: [{ index: 0, message, finish_reason: reason }] });
  };
  const { client, sent } = fake([answer('{"title": "Soup"}'), answer('{"title": 3}'), answer('{"tit', "length")]);
  const validate = (value) => {
    assert.equal(typeof value.title, "string");
    return value;
  };
  const ask = () => client.chat.completions.parse({ messages: USER, response_format: schema, validate });
  assert.equal((await ask()).parsed.title, "Soup");
  assert.deepEqual(sent[0].json.response_format, {
    type: "json_schema",
    json_schema: { name: "A_recipe", schema, strict: true },
  });
  assert.ok(!("validate" in sent[0].json));
  await assert.rejects(ask(), (error) => error instanceof sdk.ParseError && error.completion.message.content === '{"title": 3}');
  await assert.rejects(ask(), /not JSON. It was cut off/);
});

test("parse() with the objects of schema libraries", async () => {
  const open = { type: "object", properties: { n: { type: "number" } } };
  const schema = { ...open, additionalProperties: false };
  const message = { role: "assistant", content: '{"n": 3}' };
  const { client, sent } = fake([json({ ...COMPLETION, choices: [{ index: 0, message, finish_reason: "stop" }] })]);
  const ask = (response_format) => client.chat.completions.parse({ messages: USER, response_format });
  const standard = (validate) => ({ "~standard": { version: 1, vendor: "x", validate, jsonSchema: { input: () => open } } });
  assert.equal((await ask(standard(({ n }) => ({ value: n + 1 })))).parsed, 4);
  assert.equal((await ask(standard(async ({ n }) => ({ value: n + 2 })))).parsed, 5);
  assert.equal((await ask({ toJSONSchema: () => schema, parse: ({ n }) => n * 2 })).parsed, 6);
  for (const { json } of sent) {
    assert.deepEqual(json.response_format.json_schema, { name: "answer", schema, strict: true });
  }
  await ask({ "~standard": { validate: (value) => ({ value }), jsonSchema: { input: () => ({ allOf: [open], items: [open] }) } } });
  assert.deepEqual(sent.at(-1).json.response_format.json_schema.schema, { allOf: [open], items: [schema] });
  const refusing = ask(standard(() => ({ issues: [{ message: "too small" }] })));
  await assert.rejects(refusing, (error) => error instanceof sdk.ParseError && /too small/.test(error.cause.message));
  const { length } = sent;
  for (const silent of [{ parse: () => 1 }, { "~standard": { validate: () => ({}) } }]) {
    await assert.rejects(ask(silent), /does not give its JSON schema/);
  }
  await assert.rejects(ask(undefined), sdk.InvalidArgumentError);
  assert.equal(sent.length, length);
});

test("models", async () => {
  const { client, sent } = fake([json({ object: "list", data: [{ id: "a" }] }), json({ id: "org/a b" })]);
  assert.equal((await client.models.list()).data[0].id, "a");
  assert.equal((await client.models.retrieve("org/a b")).id, "org/a b");
  assert.equal(sent[1].url, "http://host/v1/models/org%2Fa%20b");
  assert.ok(!("idempotency-key" in sent[0].headers));
  assert.throws(() => client.models.retrieve(""), sdk.InvalidArgumentError);
});

test("one tree of errors", () => {
  for (const name of Object.keys(sdk).filter((name) => name.endsWith("Error"))) {
    assert.ok(sdk[name].prototype instanceof Error, name);
    assert.ok(name === "ForefrontError" || sdk[name].prototype instanceof sdk.ForefrontError, name);
  }
  assert.ok(sdk.RateLimitError.prototype instanceof sdk.APIStatusError);
  assert.ok(sdk.APITimeoutError.prototype instanceof sdk.APIConnectionError);
});

test("an endless event is an error", async () => {
  const { client } = fake([streamed(...Array(40).fill(`data: ${"x".repeat(2 ** 20)}`))]);
  const stream = await client.chat.completions.create({ messages: USER, stream: true });
  await assert.rejects(collect(stream), /excessive length/);
});

test("an error within a stream has the status of its code", async () => {
  const { client } = fake([streamed(event("a"), frame({ error: { message: "m", code: "engine_failed" } }))]);
  const stream = await client.chat.completions.create({ messages: USER, stream: true });
  const failed = (error) => error instanceof sdk.InternalServerError && error.status === 500 && error.detail === "m";
  await assert.rejects(collect(stream), failed);
});

test("nothing of Node is needed to load it, nor another package", () => {
  for (const format of ["esm", "cjs"]) {
    const folder = new URL(`../dist/${format}/`, import.meta.url);
    const code = readdirSync(folder).filter((name) => name.endsWith(".js")).map((name) => readFileSync(new URL(name, folder), "utf8"));
    const wanted = code.flatMap((text) => [...text.matchAll(/(?:\bfrom |\bimport |\brequire\(|\bimport\()["']([^"']+)["']/g)]);
    assert.ok(wanted.length > 10);
    // Its own name is in the example of a comment.
    assert.deepEqual(wanted.map(([, name]) => name).filter((name) => !name.startsWith("./") && name !== "forefront"), []);
  }
});

test("CommonJS", () => {
  const loaded = createRequire(import.meta.url)("forefront");
  assert.equal(new loaded.default("KEY").baseURL, "http://127.0.0.1:8000");
  assert.equal(loaded.default, loaded.Forefront);
  assert.deepEqual(Object.keys(loaded).sort(), Object.keys(sdk).sort());
});

test("one version", () => {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url)));
  assert.equal(sdk.VERSION, manifest.version);
  assert.equal(manifest.dependencies, undefined);
});
