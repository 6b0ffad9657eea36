// The same two jobs, an answer and a stream, by `fetch` alone, by this SDK and by `openai`.
import Forefront from "../../clients/node/dist/esm/index.js";
import OpenAI from "../../tests/interop/node/node_modules/openai/index.mjs";

const ASK = { model: "m", messages: [{ role: "user", content: "Hello" }] };

function byHand(url) {
  const headers = { "content-type": "application/json", authorization: "Bearer KEY" };
  const post = (body) => fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify(body) });
  return {
    whole: async () => (await (await post(ASK)).json()).choices[0].message.content,
    async stream(count) {
      const decoder = new TextDecoder();
      let [rest, chunks] = ["", 0];
      for await (const piece of (await post({ ...ASK, stream: true, max_tokens: count })).body) {
        const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          if (line.startsWith("data: ") && line !== "data: [DONE]") {
            chunks += JSON.parse(line.slice(6)).choices.length;
          }
        }
      }
      return chunks;
    },
  };
}

function bySDK(client) {
  return {
    whole: async () => (await client.chat.completions.create(ASK)).choices[0].message.content,
    async stream(count) {
      let chunks = 0;
      for await (const chunk of await client.chat.completions.create({ ...ASK, stream: true, max_tokens: count })) {
        chunks += chunk.choices.length;
      }
      return chunks;
    },
  };
}

export const clients = (url) => ({
  fetch: byHand(url),
  forefront: bySDK(new Forefront({ apiKey: "KEY", baseURL: url })),
  openai: bySDK(new OpenAI({ apiKey: "KEY", baseURL: `${url}/v1` })),
});
