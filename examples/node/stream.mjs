// An answer as it is written, and then the whole of it.
import Forefront from "forefront";

const client = new Forefront();

const stream = await client.chat.completions.stream({
  model: "forefront-mini",
  messages: [{ role: "user", content: "Write a recipe for an italian dinner" }],
});
for await (const text of stream.text) {
  process.stdout.write(text);
}
const { usage, choices } = await stream.finalCompletion();
console.log(`\n${usage.output_tokens} tokens, ${choices[0].finish_reason}`);
