// Replays tests/contract/: the cases that the server and both SDKs share. Its README says what they mean.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import Forefront from "forefront";
import { received, write } from "./wire.mjs";

const FOLDER = new URL("../../../tests/contract/cases/", import.meta.url);
const FILES = readdirSync(FOLDER).sort();
const STRETCH = 5; // of time limits, so that what comes at once is in time on a busy machine too
const LONG = 4000; // bytes, beyond which a body is cut at every 97th position alone

for (const file of FILES) {
  for (const item of JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")).cases) {
    for (const helper of helpers(item)) {
      test(`${file}: ${item.name}${helper ? ", put together" : ""}`, () => replay(item, helper));
    }
    const [{ answer } = {}] = item.exchanges?.slice(-1) ?? [];
    if (item.call.arguments.stream && answer.text && answer.end !== "hang") {
      test(`${file}: ${item.name}, cut everywhere`, () => cutEverywhere(item, answer));
    }
  }
}

/** With `create`, and what can be put together with `stream` too. */
function helpers({ call }) {
  return call.arguments.stream && call.method === "chat.completions.create" ? [false, true] : [false];
}

async function replay(item, helper) {
  const sent = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    received(socket, (request) => {
      sent.push(request);
      write(socket, item.exchanges?.[sent.length - 1]?.answer ?? { status: 599 });
    });
  });
  const baseURL = await addressFor(item, server);
  const { waits, restore } = recordWaits();
  try {
    await check(item.expect, await outcome(makeClient(item, { baseURL }), item, helper));
  } finally {
    restore();
    server.close();
  }
  assert.equal(sent.length, item.exchanges?.length ?? 0);
  sent.forEach((request, index) => checkRequest(request, item.exchanges[index].request ?? item.exchanges[0].request));
  assert.ok(new Set(sent.map(({ headers }) => headers["idempotency-key"])).size <= 1);
  for (const [index, [least, most]] of (item.expect.waits ?? []).entries()) {
    assert.ok(waits[index] >= least - 1e-9 && waits[index] <= most + 1e-9, `${waits}`);
  }
}

async function addressFor({ unreachable }, server) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  if (unreachable === "refused") {
    await new Promise((resolve) => server.close(resolve));
  }
  return unreachable === "unknown-host" ? "http://forefront.invalid" : `http${unreachable === "tls" ? "s" : ""}://127.0.0.1:${port}`;
}

/** The waits before further tries, in seconds, which are not waited. */
function recordWaits() {
  const original = globalThis.setTimeout;
  const waits = [];
  globalThis.setTimeout = (work, milliseconds, ...rest) => {
    const pausing = /\bpause\b/.test(new Error().stack);
    if (pausing) {
      waits.push(milliseconds / 1000);
    }
    return original(work, pausing ? 0 : milliseconds, ...rest);
  };
  return { waits, restore: () => (globalThis.setTimeout = original) };
}

/** Not over a network: the body in one piece, byte by byte, and in two pieces, cut everywhere. */
async function cutEverywhere(item, answer) {
  const body = new TextEncoder().encode([answer.text].flat().join(""));
  let pieces;
  const fetch = async () => {
    const { status, headers } = answer;
    return new Response(streamOf(pieces, answer.end === "early"), { status, headers: headers ?? {} });
  };
  const client = makeClient({ client: { ...item.client, max_retries: 0 } }, { baseURL: "http://host", fetch });
  const step = body.length > LONG ? 97 : 1;
  const cuts = Array.from({ length: Math.ceil(body.length / step) }, (_, index) => index * step);
  const ways = cuts.map((at) => [body.subarray(0, at), body.subarray(at)]);
  if (step === 1) {
    ways.push(Array.from(body, (byte) => Uint8Array.of(byte)));
  }
  const helper = helpers(item).at(-1); // it reads by way of `create`
  for (pieces of ways) {
    check(item.expect, await outcome(client, item, helper));
  }
}

function streamOf(pieces, breaks) {
  let next = 0;
  const pull = (controller) => {
    if (next < pieces.length) {
      controller.enqueue(pieces[next++]);
    } else if (breaks) {
      controller.error(new TypeError("terminated"));
    } else {
      controller.close();
    }
  };
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}

function makeClient({ client = {} }, more) {
  const { api_key: apiKey = "sk-contract", default_model: defaultModel, max_retries: maxRetries, timeout } = client;
  const milliseconds = timeout && Object.fromEntries(Object.entries(timeout).map(([name, value]) => [name, value * 1000 * STRETCH]));
  return new Forefront({ apiKey, defaultModel, maxRetries, timeout: milliseconds, ...more });
}

/** What the program gets, under the names of the expectations. */
async function outcome(client, { call }, helper) {
  const got = {};
  try {
    const { data, requestID } = await ask(client, call, helper).withResponse();
    got.request_id = requestID;
    if (!call.arguments.stream) {
      return { ...got, result: data };
    }
    Object.assign(got, { text: "", chunks: 0 });
    for await (const { type, delta, choices = [] } of data) {
      got.chunks++;
      got.text += type === "response.output_text.delta" ? delta : "";
      const first = choices.find((choice) => (choice.index ?? 0) === 0);
      got.text += first?.delta?.content ?? first?.text ?? "";
    }
    return helper ? { ...got, final: await data.finalCompletion() } : got;
  } catch (error) {
    return { ...got, error };
  }
}

function ask(client, { method, arguments: params }, helper) {
  switch (method) {
    case "models.list":
      return client.models.list();
    case "models.retrieve":
      return client.models.retrieve(params.model);
    case "responses.retrieve":
    case "responses.delete":
    case "responses.cancel":
    case "responses.input_items": {
      const { response_id: id, ...rest } = params;
      const name = method.split(".")[1].replace("input_items", "inputItems");
      return client.responses[name](id, ...(Object.keys(rest).length ? [rest] : []));
    }
    case "conversations.retrieve":
    case "conversations.update":
    case "conversations.delete":
    case "conversations.items.list":
    case "conversations.items.create": {
      const { conversation_id: id, ...rest } = params;
      return methodOf(client, method)(id, ...(Object.keys(rest).length ? [rest] : []));
    }
    case "conversations.items.retrieve":
    case "conversations.items.delete": {
      const { item_id: id, ...rest } = params;
      return methodOf(client, method)(id, rest);
    }
    case "conversations.create":
    case "responses.create":
    case "completions.create":
    case "embeddings.create":
    case "rerank.create":
    case "tokens.tokenize":
    case "tokens.detokenize": {
      const [resource, name] = method.split(".");
      return client[resource][name](params);
    }
    default: {
      const { stream: _, ...rest } = params;
      return helper ? client.chat.completions.stream(rest) : client.chat.completions[method.split(".").at(-1)](params);
    }
  }
}

function methodOf(client, path) {
  const names = path.split(".");
  const name = names.pop();
  const resource = names.reduce((object, part) => object[part], client);
  return resource[name].bind(resource);
}

function check({ waits: _, error, final, ...expected }, got) {
  if (error) {
    assert.ok(got.error, `no error, but ${JSON.stringify(got)}`);
    checkError(error, got.error);
  } else if (got.error) {
    throw got.error;
  }
  if (got.text !== undefined || !error) {
    assertSubset(got, expected, "got");
  }
  if (final && got.final) {
    assertSubset(got.final, final, "final");
  }
}

function checkError({ class: kind, message_has: has = [], message_lacks: lacks = [], ...facts }, error) {
  assert.equal(error.constructor.name, kind, String(error));
  const { status, code, param, requestID, retryAfter } = error;
  assertSubset({ status, code, param, request_id: requestID, retry_after: retryAfter }, facts, "error");
  for (const [texts, wanted] of [[has, true], [lacks, false]]) {
    for (const text of texts) {
      assert.equal(error.message.includes(text), wanted, `${text} in: ${error.message}`);
    }
  }
}

function checkRequest(request, { method, path, body, headers = {} }) {
  assert.deepEqual([request.method, request.path], [method, path]);
  assert.deepEqual(request.body, body);
  for (const [name, value] of Object.entries(headers)) {
    const said = request.headers[name];
    assert.ok(value === true ? said : (said ?? null) === value, `${name}: ${said}`);
  }
}

function assertSubset(actual, expected, path) {
  if (Array.isArray(expected)) {
    assert.equal(actual?.length, expected.length, path);
    expected.forEach((value, index) => assertSubset(actual[index], value, `${path}[${index}]`));
  } else if (typeof expected === "object" && expected !== null) {
    assert.ok(typeof actual === "object" && actual !== null, `${path} is ${actual}`);
    for (const [name, value] of Object.entries(expected)) {
      assertSubset(actual[name], value, `${path}.${name}`);
    }
  } else {
    assert.equal(actual ?? null, expected, path);
  }
}
