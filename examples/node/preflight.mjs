// What would become of a request, before it costs anything.
import Forefront from "forefront";

const client = new Forefront();

const preflight = await client.chat.completions.preflight({
  model: "forefront-mini",
  messages: [{ role: "user", content: "Write a recipe for an italian dinner" }],
  max_tokens: 256,
});
console.log(`${preflight.prompt_tokens} of ${preflight.context_length} tokens, fits: ${preflight.fits}`);
