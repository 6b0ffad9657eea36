// Stop an answer: by leaving the loop, or from anywhere with an AbortSignal.
import Forefront, { APIUserAbortError } from "forefront";

const client = new Forefront({ defaultModel: "forefront-mini" });
const messages = [{ role: "user", content: "Write a recipe for an italian dinner" }];

for await (const chunk of await client.chat.completions.create({ messages, stream: true })) {
  if (chunk.choices[0]?.delta.content) {
    console.log(`It begins with ${JSON.stringify(chunk.choices[0].delta.content)}`);
    break; // the server stops generating
  }
}
const request = client.chat.completions.create({ messages }, { signal: AbortSignal.timeout(1) });
await request.catch((error) => console.log(error instanceof APIUserAbortError ? "stopped" : error));
