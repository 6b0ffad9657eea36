// The same in TypeScript: everything is typed, and `stream: true` changes what comes back.
import Forefront, { type ChatCompletionChunk, type Message } from "forefront";

const client = new Forefront({ defaultModel: "forefront-mini" });
const messages: Message[] = [{ role: "user", content: "Write a recipe for an italian dinner" }];

function textOf(chunk: ChatCompletionChunk): string {
  return chunk.choices[0]?.delta.content ?? "";
}

const whole: string | null = (await client.chat.completions.create({ messages, temperature: 0 })).message.content;
let streamed = "";
for await (const chunk of await client.chat.completions.create({ messages, temperature: 0, stream: true })) {
  streamed += textOf(chunk);
}
console.log(streamed === whole ? whole : "They differ.");
