// One answer. The key is in FOREFRONT_API_KEY, the server in FOREFRONT_BASE_URL.
import Forefront from "forefront";

const client = new Forefront();

const completion = await client.chat.completions.create({
  model: "forefront-mini",
  messages: [{ role: "user", content: "Write a recipe for an italian dinner" }],
  max_tokens: 256,
});
console.log(completion.message.content);
console.log(`${completion.usage.output_tokens} tokens`);
