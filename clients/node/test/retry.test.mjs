// When a call is tried again, and how long it waits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { APIConnectionError, InternalServerError, RateLimitError } from "forefront";
import { COMPLETION, fake, json, USER } from "./support.mjs";

const failed = (status, headers) => json({ error: { message: "no" } }, status, { "retry-after-ms": "1", ...headers });
const refused = Object.assign(new TypeError("fetch failed"), {
  cause: Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }),
});

/** How many requests it took, and how it ended. */
async function run(answers, options) {
  const { client, sent } = fake(answers, options);
  const outcome = await client.chat.completions.create({ messages: USER }).catch((error) => error);
  return { sent, outcome };
}

for (const status of [408, 429, 500, 503]) {
  test(`${status} is tried again, under the same idempotency key`, async () => {
    const { sent, outcome } = await run([failed(status), failed(status), json(COMPLETION)]);
    assert.equal(outcome.message.content, "Hi");
    assert.equal(sent.length, 3);
    assert.equal(new Set(sent.map((request) => request.headers["idempotency-key"])).size, 1);
  });
}

test("the response has the number of failed attempts", async () => {
  const { client } = fake([failed(500), failed(500), json(COMPLETION)]);
  assert.equal((await client.chat.completions.create({ messages: USER }).withResponse()).retries, 2);
});

test("two calls have different idempotency keys", async () => {
  const { client, sent } = fake([json(COMPLETION)]);
  await client.chat.completions.create({ messages: USER });
  await client.chat.completions.create({ messages: USER });
  assert.notEqual(sent[0].headers["idempotency-key"], sent[1].headers["idempotency-key"]);
});

for (const status of [400, 401, 403, 404, 409, 422]) {
  test(`${status} is not tried again`, async () => {
    assert.equal((await run([failed(status)])).sent.length, 1);
  });
}

test("it gives up", async () => {
  const { sent, outcome } = await run([failed(500)]);
  assert.equal(sent.length, 3);
  assert.ok(outcome instanceof InternalServerError);
  assert.equal((await run([failed(500)], { maxRetries: 0 })).sent.length, 1);
});

test("the server has the last word", async () => {
  assert.equal((await run([failed(500, { "x-should-retry": "false" })])).sent.length, 1);
  assert.equal((await run([failed(409, { "x-should-retry": "true" })])).sent.length, 3);
});

test("a long wait is an error instead", async () => {
  const { sent, outcome } = await run([json({ error: { message: "no" } }, 429, { "retry-after": "3600" })]);
  assert.ok(outcome instanceof RateLimitError);
  assert.equal(outcome.retryAfter, 3600);
  assert.match(outcome.message, /retry after 3600 s/);
  assert.equal(sent.length, 1);
});

test("retry-after may be a date", async () => {
  const date = new Date(Date.now() + 7_200_000).toUTCString();
  const { outcome } = await run([json({ error: { message: "no" } }, 503, { "retry-after": date })]);
  assert.ok(Math.abs(outcome.retryAfter - 7200) < 5);
});

test("a connection that fails is tried again, a little later", async () => {
  const begin = performance.now();
  const { sent, outcome } = await run([refused, json(COMPLETION)]);
  assert.equal(outcome.message.content, "Hi");
  assert.equal(sent.length, 2);
  const waited = performance.now() - begin;
  assert.ok(waited >= 370 && waited < 2000, `${waited} ms`);
});

test("no wait goes beyond the time for the whole call", async () => {
  const begin = performance.now();
  const { sent, outcome } = await run([refused], { timeout: { total: 200 } });
  assert.ok(outcome instanceof APIConnectionError);
  assert.equal(sent.length, 1);
  assert.ok(performance.now() - begin < 200);
});
