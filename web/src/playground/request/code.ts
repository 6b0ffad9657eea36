import type { RequestBody } from "./body";

export const LANGUAGES = ["Python", "Node", "openai", "cURL"] as const;
export type Language = (typeof LANGUAGES)[number];

/** The highlighter's name of each language. */
export const HIGHLIGHT: Record<Language, string> = { Python: "python", Node: "javascript", openai: "python", cURL: "bash" };

/** Parameters of the `openai` package; all others go into `extra_body`. */
const OPENAI = new Set(
  ("model messages temperature top_p max_tokens presence_penalty frequency_penalty stop seed n logprobs top_logprobs " +
    "tools tool_choice response_format reasoning_effort stream stream_options").split(" "),
);

/** A program that sends the same request to the server at `base` and prints the answer. */
export function codeFor(language: Language, body: RequestBody, base: string): string {
  switch (language) {
    case "Python":
      return python(body, base);
    case "Node":
      return node(body, base);
    case "openai":
      return openai(body, base);
    case "cURL":
      return curl(body, base);
  }
}

const PYTHON_LOOP = `for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
`;

function python(body: RequestBody, base: string): string {
  return `import os

from forefront import ForefrontClient

client = ForefrontClient(api_key=os.environ["FOREFRONT_API_KEY"], base_url=${pythonLiteral(base)})
stream = client.chat.completions.create(
${pythonArguments(Object.entries(body))}
)
${PYTHON_LOOP}`;
}

function openai(body: RequestBody, base: string): string {
  const entries = Object.entries(body);
  const extra = entries.filter(([name]) => !OPENAI.has(name));
  const known = entries.filter(([name]) => OPENAI.has(name));
  if (extra.length) known.push(["extra_body", Object.fromEntries(extra)]);
  return `import os

from openai import OpenAI

client = OpenAI(api_key=os.environ["FOREFRONT_API_KEY"], base_url=${pythonLiteral(`${base}/v1`)})
stream = client.chat.completions.create(
${pythonArguments(known)}
)
${PYTHON_LOOP}`;
}

function pythonArguments(entries: [string, unknown][]): string {
  return entries.map(([name, value]) => `    ${name}=${pythonLiteral(value, "    ")},`).join("\n");
}

function node(body: RequestBody, base: string): string {
  const text = JSON.stringify(body, null, 2).replace(/[\u2028\u2029]/g, escapeCode);
  return `import Forefront from "forefront";

const client = new Forefront({ apiKey: process.env.FOREFRONT_API_KEY, baseURL: ${JSON.stringify(base)} });
const stream = await client.chat.completions.create(${text});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
}
console.log();
`;
}

function curl(body: RequestBody, base: string): string {
  return `curl --no-buffer ${shellQuote(`${base}/v1/chat/completions`)} \\
  --header 'content-type: application/json' \\
  --header "authorization: Bearer $FOREFRONT_API_KEY" \\
  --data-binary @- <<'JSON'
${JSON.stringify(body, null, 2)}
JSON
`;
}

function shellQuote(text: string): string {
  return /^[\w:/.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A value of JSON as a literal of Python. */
export function pythonLiteral(value: unknown, indent = ""): string {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return pythonString(value);
  if (typeof value !== "object") return String(value);
  const inner = `${indent}    `;
  const members = Array.isArray(value)
    ? value.map((member) => pythonLiteral(member, inner))
    : Object.entries(value).map(([name, member]) => `${pythonString(name)}: ${pythonLiteral(member, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const line = `${open}${members.join(", ")}${close}`;
  if (line.length + indent.length <= 90 && !line.includes("\n")) return line;
  return `${open}\n${members.map((member) => `${inner}${member},\n`).join("")}${indent}${close}`;
}

/** JSON's escapes are Python's too, but for pairs of surrogates, which JSON leaves unescaped, and single ones. */
function pythonString(text: string): string {
  return JSON.stringify(text).replace(/[\x7f-\x9f\u2028\u2029\ufeff]/g, escapeCode);
}

function escapeCode(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
