// Answers every request at once, with a fixed completion or a stream of as many chunks as `max_tokens` asks for.
import { createServer } from "node:http";

const base = { id: "chatcmpl-1", created: 1, model: "m", system_fingerprint: "fp" };
const usage = { prompt_tokens: 2, completion_tokens: 1, input_tokens: 2, output_tokens: 1, total_tokens: 3 };
const message = { role: "assistant", content: "Hello" };
const choice = { index: 0, message, logprobs: null, finish_reason: "stop" };
const WHOLE = JSON.stringify({ ...base, object: "chat.completion", choices: [choice], usage, message });
const delta = { index: 0, delta: { content: " word" }, logprobs: null, finish_reason: null };
const CHUNK = `: message\ndata: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices: [delta] })}\n\n`;

const server = createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    const { stream, max_tokens: count } = JSON.parse(body);
    if (!stream) {
      response.writeHead(200, { "content-type": "application/json" }).end(WHOLE);
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let sent = 0; sent < count; sent++) {
      response.write(CHUNK);
    }
    response.end(": message\ndata: [DONE]\n\n");
  });
});
server.listen(0, "127.0.0.1", () => process.send(server.address().port));
process.on("disconnect", () => process.exit());
