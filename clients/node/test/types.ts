// Compiled, not run: what the types promise.
import Forefront, {
  type ChatCompletion,
  type ChatCompletionChunk,
  RateLimitError,
  type StandardSchema,
  type Stream,
} from "forefront";

const client = new Forefront("YOUR_API_KEY");

// The documented example, as printed.
const completion = await client.chat.completions.create({
  model: "MODEL_STRING",
  messages: [
    {
      role: "user",
      content: "Write a recipe for an italian dinner",
    },
  ],
  max_tokens: 256,
  stream: false,
});
const text: string | null = completion.message.content;
const whole: ChatCompletion = completion;

const stream: Stream<ChatCompletionChunk> = await client.chat.completions.create({
  model: "m",
  messages: [{ role: "system", content: "s" }, completion.message],
  stream: true,
  stop: "stop",
  tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }],
  tool_choice: { type: "function", function: { name: "f" } },
});
for await (const chunk of stream) {
  const piece: string | null | undefined = chunk.choices[0]?.delta.content;
  void piece;
}

declare const either: boolean;
const both: ChatCompletion | Stream<ChatCompletionChunk> = await client.chat.completions.create({
  messages: [],
  stream: either,
});

const parsed = await client.chat.completions.parse({
  messages: [],
  response_format: { type: "object" },
  validate: (value): { title: string } => value as { title: string },
});
const title: string = parsed.parsed.title;

// Objects of schema libraries say what comes out.
declare const standard: StandardSchema<{ n: number }>;
declare const parsing: { toJSONSchema(): { type: "object" }; parse(value: unknown): { s: string } };
const n: number = (await client.chat.completions.parse({ messages: [], response_format: standard })).parsed.n;
const s: string = (await client.chat.completions.parse({ messages: [], response_format: parsing })).parsed.s;

const positional = new Forefront("KEY", "model", "http://host");
const optional = new Forefront({ apiKey: "KEY", timeout: { total: 5 }, maxRetries: 1, fetch: (url, init) => fetch(url, init) });
const { response, requestID } = await optional.models.list().withResponse();
const status: number = response.status;

try {
  await positional.completions.create({ prompt: "Once", stream: false });
} catch (error) {
  if (error instanceof RateLimitError) {
    const seconds: number | null = error.retryAfter;
    const code: number = error.status;
    void [seconds, code];
  }
}

// @ts-expect-error misspelt
client.chat.completions.create({ messages: [], temprature: 1 });
// @ts-expect-error no such role
client.chat.completions.create({ messages: [{ role: "wizard", content: "" }] });
// @ts-expect-error no messages
client.chat.completions.create({ model: "m" });
// @ts-expect-error a number
new Forefront(3);

void [n, s, text, whole, both, title, requestID, status];
