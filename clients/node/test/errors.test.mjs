// For any arguments, environment and responses, the SDK throws a `ForefrontError`.
import assert from "node:assert/strict";
import { test } from "node:test";
import Forefront, { APIError, APIUserAbortError, ForefrontError, InvalidArgumentError } from "forefront";
import { collect, COMPLETION, DONE, event, fake, frame, json, served, streamed, USER } from "./support.mjs";

const circular = {};
circular.self = circular;
const deep = JSON.parse("[".repeat(5000) + "]".repeat(5000));
const hostile = new Proxy({}, { get: () => { throw new Error("get"); }, ownKeys: () => { throw new Error("keys"); } });
const ODD = [
  undefined, null, true, 0, -1, 1.5, NaN, Infinity, 10n, Symbol("s"), "", "a", "\ud800", "a\r\nb: c", "é", "\0", "..", "🎉",
  [], {}, [[]], [NaN], { a: NaN }, { a: { b: "\udfff" } }, { "\ud800": 1 }, new Map([[1, 2]]), new Set([1]), new Date(),
  new Date(NaN), /a/, new Uint8Array(2), new ArrayBuffer(1), Promise.resolve(1), () => 1, class {}, circular, deep, hostile,
  Object.create(null), new Error("e"), { toJSON: () => { throw new Error("toJSON"); } }, { toString: null }, { role: "user" },
  { "x-a": "1\n2" }, { "x a": "1" }, { "": "" }, { "x-a": 1 }, { "x-é": "a" }, { "x-a": "é" }, { "x-a": "\ud83d" },
];

/** Repeatable random numbers, so that a failure can be found again. */
function generator(seed) {
  let state = seed;
  const next = () => (state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
  const pick = (items) => items[Math.floor(next() * items.length)];
  return { next, pick };
}

async function onlySDKErrors(call, shown) {
  try {
    return await call();
  } catch (error) {
    assert.ok(error instanceof ForefrontError, `${error?.stack ?? String(error)} for ${shown()}`);
    assert.ok(!/\p{Surrogate}/u.test(error.message));
    assert.ok(!error.message.includes("sk-canary"));
  }
}

const name = (value) => {
  try {
    return `${ODD.indexOf(value)}`;
  } catch {
    return "?";
  }
};

test("arguments of calls", async () => {
  const { pick } = generator(1);
  const fields = ["model", "temperature", "stop", "tools", "metadata", "response_format", "stream_options", "stream", "n"];
  const names = ["signal", "timeout", "maxRetries", "headers", "idempotencyKey", "extraBody"];
  const { client } = fake([json(COMPLETION)], { maxRetries: 0 });
  const { chat } = client;
  for (let run = 0; run < 1500; run++) {
    const [field, option, a, b, c] = [pick(fields), pick(names), pick(ODD), pick(ODD), pick(ODD)];
    const shown = () => JSON.stringify([field, option, name(a), name(b), name(c)]);
    const options = { [option]: b };
    await onlySDKErrors(() => chat.completions.create({ messages: USER, [field]: a }, options), shown);
    await onlySDKErrors(() => chat.completions.create({ messages: c, [field]: a }), shown);
    await onlySDKErrors(() => chat.completions.create({ messages: [{ role: "user", content: c }] }), shown);
    await onlySDKErrors(async () => (await chat.completions.stream({ messages: USER, [field]: a }, options)).close(), shown);
    await onlySDKErrors(() => chat.completions.parse({ messages: USER, response_format: a, validate: b }), shown);
    await onlySDKErrors(() => chat.completions.preflight({ messages: a }, options), shown);
    await onlySDKErrors(() => client.completions.create({ prompt: a, [field]: c }, options), shown);
  }
  for (const value of ODD) {
    const shown = () => name(value);
    for (const method of ["create", "stream", "parse", "preflight"]) {
      await onlySDKErrors(() => chat.completions[method](value), shown);
      await onlySDKErrors(() => chat.completions[method]({ messages: USER, response_format: {} }, value), shown);
    }
    await onlySDKErrors(() => client.models.retrieve(value), shown);
    await onlySDKErrors(() => client.models.list(value), shown);
    await onlySDKErrors(() => client.completions.create(value), shown);
  }
});

test("arguments of clients", async () => {
  const { pick } = generator(2);
  const names = ["apiKey", "defaultModel", "baseURL", "timeout", "maxRetries", "headers", "fetch", "nonsense", "api_key"];
  for (let run = 0; run < 3000; run++) {
    const options = { apiKey: "sk-canary", [pick(names)]: pick(ODD), [pick(names)]: pick(ODD) };
    const shown = () => Object.entries(options).map(([key, value]) => `${key}: ${name(value)}`).join();
    await onlySDKErrors(() => new Forefront({ fetch: async () => json(COMPLETION), ...options }), shown);
    const { client } = fake([json({ data: [] })]);
    delete options.fetch;
    await onlySDKErrors(() => client.withOptions(options).models.list(), shown);
  }
  for (const value of ODD) {
    await onlySDKErrors(() => new Forefront(value), () => name(value));
    await onlySDKErrors(() => new Forefront("k", value, value), () => name(value));
    await onlySDKErrors(() => new Forefront("k").withOptions(value), () => name(value));
  }
});

test("base URLs", async () => {
  const { pick, next } = generator(3);
  const parts = ["http://", "https://", "//", "ftp://", "h", "a..b", "x".repeat(70), "é", "%", "%zz", ":", "0", "99999", "[::1]",
    "[", "@", "?", "#", " ", "\n", "\0", "\\", "/", "..", "/v1", "\ud800", "*", "1.2.3.4", "xn--", "user:hunter2@"];
  for (let run = 0; run < 2000; run++) {
    const url = Array.from({ length: Math.ceil(next() * 4) }, () => pick(parts)).join("");
    for (const baseURL of [url, `http://${url}`]) {
      await onlySDKErrors(() => fake([json({ data: [] })], { baseURL }).client.models.list(), () => JSON.stringify(baseURL));
    }
  }
});

const FIELDS = ["choices", "delta", "message", "index", "content", "usage", "error", "finish_reason", "tool_calls", "code", "type",
  "prompt_tokens", "param", "data", "id", "logprobs", "__proto__", "constructor", "toString", "hasOwnProperty", "total_tokens"];

function bodies(seed) {
  const { pick, next } = generator(seed);
  const body = (depth) => {
    const kind = depth > 4 ? 0 : next();
    if (kind < 0.3) {
      return pick([null, true, 0, -1, 1e300, "", "a", "constructor", "__proto__", 429, {}, []]);
    }
    if (kind < 0.45) {
      return [body(depth + 1), body(depth + 1)];
    }
    const object = {};
    for (let count = next() * 4; count > 0; count--) {
      // As JSON.parse does it: `__proto__` is a property like any other.
      Object.defineProperty(object, pick(FIELDS), { value: body(depth + 1), enumerable: true, configurable: true, writable: true });
    }
    return object;
  };
  return body;
}

test("bodies of responses", async () => {
  const body = bodies(4);
  const { pick } = generator(5);
  for (let run = 0; run < 1500; run++) {
    const answer = body(0);
    const { client } = fake([json(answer, pick([200, 400, 404, 429, 503, 599]), { "retry-after": pick(["-1", "Mon", "9".repeat(99)]) })], {
      maxRetries: 0,
    });
    const shown = () => JSON.stringify(answer);
    await onlySDKErrors(() => client.chat.completions.create({ messages: USER }), shown);
    await onlySDKErrors(() => client.chat.completions.parse({ messages: USER, response_format: {} }), shown);
    await onlySDKErrors(() => client.chat.completions.preflight({ messages: USER }), shown);
    await onlySDKErrors(() => client.completions.create({ prompt: "a" }), shown);
    await onlySDKErrors(() => client.models.list(), shown);
    await onlySDKErrors(() => client.models.retrieve("m"), shown);
  }
});

test("events of streams", async () => {
  const body = bodies(6);
  for (let run = 0; run < 1500; run++) {
    const chunks = [body(0), { choices: [body(1), body(1)] }, { choices: [{ delta: body(1) }] }, { choices: [{ delta: body(1) }] }];
    const shown = () => JSON.stringify(chunks);
    const { client } = fake([streamed(...chunks.map(frame), DONE)]);
    const read = async () => {
      const stream = await client.chat.completions.stream({ messages: USER });
      await collect(stream.text);
      await stream.finalCompletion();
    };
    await onlySDKErrors(read, shown);
  }
  assert.deepEqual(Object.keys(Object.prototype), []);
  assert.equal({}.polluted, undefined);
});

test("a stream cannot change the prototype of all objects", async () => {
  const chunk = 'data: {"choices": [{"delta": {"__proto__": {"polluted": "yes"}, "a": {"__proto__": {"polluted": "yes"}}}}]}\n\n';
  const { client } = fake([streamed(chunk, chunk, DONE)]);
  await (await client.chat.completions.stream({ messages: USER })).finalCompletion();
  assert.equal({}.polluted, undefined);
});

test("deep events", async () => {
  for (const depth of [1000, 5000, 20000, 100000]) {
    const chunk = `data: {"choices": [{"delta": {"a": ${'{"a":'.repeat(depth)}0${"}".repeat(depth)}}}]}\n\n`;
    const { client } = fake([streamed(chunk, chunk, DONE)]);
    await onlySDKErrors(async () => (await client.chat.completions.stream({ messages: USER })).finalCompletion(), () => depth);
  }
});

test("what a fetch of the caller's throws or returns", async () => {
  for (const value of ODD) {
    for (const fetch of [async () => value, async () => { throw value; }, () => { throw value; }]) {
      const client = new Forefront({ apiKey: "k", maxRetries: 0, fetch });
      await assert.rejects(client.models.list(), ForefrontError, name(value));
    }
  }
});

test("arguments that JSON lacks are named by path", async () => {
  const { client, sent } = fake([json(COMPLETION)]);
  for (const [metadata, text] of [
    [{ a: [1, NaN] }, /`metadata\.a\[1\]` must be a finite number/],
    [{ a: "half \ud83d" }, /`metadata\.a` has a lone surrogate/],
    [{ a: new Map() }, /`metadata\.a` is a Map/],
    [{ a: 1n }, /`metadata\.a` is a bigint/],
    [circular, /contains itself/],
  ]) {
    await assert.rejects(client.chat.completions.create({ messages: USER, metadata }), (error) => {
      return error instanceof InvalidArgumentError && text.test(error.message);
    });
  }
  assert.equal(sent.length, 0);
  await client.chat.completions.create({ messages: USER, metadata: { when: new Date(0), none: undefined } });
  assert.deepEqual(sent[0].json.metadata, { when: "1970-01-01T00:00:00.000Z" });
});

test("proxies that answer with a page", async () => {
  for (const status of [200, 302, 407, 502]) {
    const page = (_, response) => response.writeHead(status, { "content-type": "text/html" }).end("<html>Log in</html>");
    await served(page, async (baseURL) => {
      const client = new Forefront({ apiKey: "k", defaultModel: "m", baseURL, maxRetries: 0 });
      for (const stream of [false, true]) {
        await assert.rejects(client.chat.completions.create({ messages: USER, stream }), APIError);
      }
    });
  }
});

test("an abort at any time", async () => {
  for (const when of [0, 1, 2, 5, 10]) {
    const controller = new AbortController();
    const slow = (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(event("a"));
    };
    await served(slow, async (baseURL) => {
      const client = new Forefront({ apiKey: "k", defaultModel: "m", baseURL });
      setTimeout(() => controller.abort(), when);
      const read = async () => collect(await client.chat.completions.create({ messages: USER, stream: true }, { signal: controller.signal }));
      await assert.rejects(read(), APIUserAbortError);
    });
  }
});
