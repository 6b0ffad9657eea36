// Bad networks: real sockets that refuse, stall, cut off and lie.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import Forefront, { APIConnectionError, APIError, APITimeoutError, APIUserAbortError, InternalServerError } from "forefront";
import { COMPLETION, collect, DONE, event, served, USER } from "./support.mjs";

const EVENTS = { "content-type": "text/event-stream" };
const once = (baseURL, options = {}) => new Forefront({ apiKey: "sk-canary", baseURL, defaultModel: "m", maxRetries: 0, ...options });
const ask = (client, options) => client.chat.completions.create({ messages: USER }, options);
const stream = (client, options) => client.chat.completions.create({ messages: USER, stream: true }, options);

async function failure(promise) {
  const error = await promise.then(() => assert.fail("it succeeded"), (error) => error);
  assert.ok(error instanceof APIError, String(error));
  assert.ok(!`${error} ${error.cause}`.includes("sk-canary"));
  return error;
}

test("refused", async () => {
  const taken = createServer();
  await new Promise((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address();
  await new Promise((resolve) => taken.close(resolve));
  const error = await failure(ask(once(`http://127.0.0.1:${port}`)));
  assert.equal(error.constructor, APIConnectionError);
  assert.match(error.message, /start one with `forefront serve`/);
});

test("no such host", async () => {
  const error = await failure(ask(once("http://no-such-host.invalid")));
  assert.equal(error.constructor, APIConnectionError);
  assert.match(error.message, /Check the host name/);
});

test("TLS where there is none", async () => {
  await served((_, response) => response.end(), async (url) => {
    const error = await failure(ask(once(url.replace("http:", "https:"))));
    assert.equal(error.constructor, APIConnectionError);
    assert.match(error.message, /https:\/\//);
  });
});

test("silence before the answer", async () => {
  await served(() => {}, async (url) => {
    const error = await failure(ask(once(url), { timeout: 60 }));
    assert.equal(error.constructor, APITimeoutError);
    assert.match(error.message, /No data from .* for 0.06 s/);
  });
});

test("silence within a stream", async () => {
  const handle = (_, response) => response.writeHead(200, EVENTS).write(event("a"));
  await served(handle, async (url) => {
    const seen = [];
    const reading = (async () => {
      for await (const chunk of await stream(once(url), { timeout: 400 })) {
        seen.push(chunk.choices[0].delta.content);
      }
    })();
    assert.equal((await failure(reading)).constructor, APITimeoutError);
    assert.deepEqual(seen, ["a"]);
  });
});

test("a stream that drips is stopped by the total, not by the silence", async () => {
  const handle = (_, response) => {
    response.writeHead(200, EVENTS);
    const timer = setInterval(() => response.write(": ping\n\n"), 20);
    response.on("close", () => clearInterval(timer));
  };
  await served(handle, async (url) => {
    const error = await failure(stream(once(url), { timeout: { read: 5000, total: 200 } }).then(collect));
    assert.equal(error.constructor, APITimeoutError);
    assert.ok(error.total);
  });
});

test("a body that is cut off", async () => {
  const cut = (head) => (_, response) => {
    response.writeHead(200, head);
    response.write(head === EVENTS ? event("a") : '{"choices"');
    setTimeout(() => response.destroy(), 20);
  };
  const whole = { "content-type": "application/json", "content-length": 500 };
  await served(cut(whole), async (url) => {
    assert.equal((await failure(ask(once(url)))).constructor, APIConnectionError);
  });
  await served(cut(EVENTS), async (url) => {
    assert.equal((await failure(stream(once(url)).then(collect))).constructor, APIConnectionError);
  });
});

test("a proxy's page", async () => {
  const page = (status) => (_, response) =>
    response.writeHead(status, { "content-type": "text/html" }).end(`<html>${"nginx ".repeat(9999)}`);
  await served(page(502), async (url) => {
    const error = await failure(ask(once(url)));
    assert.ok(error instanceof InternalServerError);
    assert.ok(/HTML page/.test(error.message) && error.message.length < 200);
  });
  await served(page(200), async (url) => {
    assert.match((await failure(ask(once(url)))).message, /answered with text\/html, not with a chat completion/);
    assert.match((await failure(stream(once(url)))).message, /not with a stream of events/);
  });
});

test("a redirect is not followed", async () => {
  let requests = 0;
  const handle = (_, response) => {
    requests++;
    response.writeHead(307, { location: "/elsewhere" }).end();
  };
  await served(handle, async (url) => {
    assert.match((await failure(ask(once(url)))).message, /a redirect, which is not followed/);
    assert.equal(requests, 1);
  });
});

test("the caller's signal", async () => {
  const handle = (_, response) => response.writeHead(200, EVENTS).write(event("a"));
  await served(handle, async (url) => {
    const aborted = AbortSignal.abort();
    assert.equal((await failure(ask(once(url), { signal: aborted }))).constructor, APIUserAbortError);
    const controller = new AbortController();
    const reading = (async () => {
      for await (const _ of await stream(once(url), { signal: controller.signal })) {
        controller.abort();
      }
    })();
    assert.equal((await failure(reading)).constructor, APIUserAbortError);
  });
  await served((_, response) => response.writeHead(500).end(), async (url) => {
    const signal = AbortSignal.timeout(100); // while it waits to try again
    assert.equal((await failure(ask(once(url, { maxRetries: 9 }), { signal }))).constructor, APIUserAbortError);
  });
});

test("leaving a stream closes its connection; ending one keeps it", async () => {
  let closed;
  const gone = new Promise((resolve) => (closed = resolve));
  const ports = new Set();
  const handle = (request, response) => {
    ports.add(request.socket.remotePort);
    response.writeHead(200, EVENTS);
    if (request.headers["x-endless"]) {
      const timer = setInterval(() => response.write(event("a")), 5);
      response.on("close", () => closed(clearInterval(timer)));
    } else {
      response.write(event("a") + DONE);
      setTimeout(() => response.end(), 5);
    }
  };
  await served(handle, async (url) => {
    const client = once(url);
    for (let i = 0; i < 5; i++) {
      assert.equal((await stream(client).then(collect)).length, 1);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    // One more, because the pool may not yet have heard of an end that we have seen.
    assert.ok(ports.size <= 2, `${ports.size} connections`);
    for await (const _ of await stream(client, { headers: { "x-endless": "1" } })) {
      break;
    }
    await gone;
  });
});

test("a stream is over at [DONE], whether or not the server ends the body", async () => {
  let closed;
  const gone = new Promise((resolve) => (closed = resolve));
  const handle = (_, response) => {
    response.writeHead(200, EVENTS).write(event("a") + DONE);
    response.on("close", closed);
  };
  await served(handle, async (url) => {
    assert.equal((await stream(once(url), { timeout: 30_000 }).then(collect)).length, 1);
    await gone;
  });
});

test("a stream that is forgotten closes its connection", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc");
  let closed = false;
  const handle = (_, response) => {
    response.writeHead(200, EVENTS).write(event("a"));
    response.on("close", () => (closed = true));
  };
  await served(handle, async (url) => {
    await (async () => {
      const forgotten = await stream(once(url));
      assert.ok((await forgotten[Symbol.asyncIterator]().next()).value);
    })();
    for (let round = 0; round < 200 && !closed; round++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(closed);
    // A stream that is read stays, even if only its loop refers to it.
    const seen = [];
    const dripping = (_, response) => {
      response.writeHead(200, EVENTS).write(event("a"));
      setTimeout(() => response.end(event("b") + DONE), 100);
    };
    await served(dripping, async (other) => {
      for await (const chunk of await stream(once(other))) {
        seen.push(chunk.choices[0].delta.content);
        for (let round = 0; round < 5; round++) {
          gc();
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
    });
    assert.deepEqual(seen, ["a", "b"]);
  });
});

test("many at once", async () => {
  const handle = (request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(COMPLETION)));
  };
  await served(handle, async (url) => {
    const client = once(url);
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(client)));
    assert.ok(answers.every((answer) => answer.message.content === "Hi"));
  });
});
