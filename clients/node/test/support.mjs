// Servers of a few lines, real and made of functions.
import { createServer } from "node:http";
import Forefront from "forefront";

export const USER = [{ role: "user", content: "Hello" }];
export const DONE = ": message\ndata: [DONE]\n\n";
export const COMPLETION = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, logprobs: null, finish_reason: "stop" }],
  usage: { prompt_tokens: 2, completion_tokens: 1, input_tokens: 2, output_tokens: 1, total_tokens: 3 },
  message: { role: "assistant", content: "Hi" },
};

export function frame(payload) {
  return `: message\ndata: ${JSON.stringify(payload)}\n\n`;
}

export function event(content, more = {}) {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }];
  return frame({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices, ...more });
}

export function json(body, status = 200, headers = {}) {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
}

export function streamed(...pieces) {
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) {
        controller.enqueue(typeof piece === "string" ? encoder.encode(piece) : piece);
      }
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
}

/** A client whose requests are kept in `sent` and answered by `answers` in turn, the last again and again. */
export function fake(answers, options = {}) {
  const sent = [];
  const fetch = async (url, init) => {
    sent.push({ url, ...init, headers: Object.fromEntries(init.headers), json: init.body && JSON.parse(init.body) });
    const answer = answers[Math.min(sent.length, answers.length) - 1];
    if (answer instanceof Error) {
      throw answer;
    }
    return answer.clone();
  };
  const client = new Forefront({ apiKey: "sk-canary", baseURL: "http://host", defaultModel: "m", fetch, ...options });
  return { client, sent };
}

/** Run `work` with the URL of a real server that `handle` answers for. */
export async function served(handle, work) {
  const server = createServer(handle);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await work(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

export async function collect(iterable) {
  const items = [];
  for await (const item of iterable) {
    items.push(item);
  }
  return items;
}
