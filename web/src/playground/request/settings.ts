/** A tool that the model may call. `parameters` is JSON text, as the editor has it. */
export interface ToolDefinition {
  readonly name: string;
  readonly description: string;
  readonly parameters: string;
}

export type FormatKind = "text" | "json_object" | "json_schema";

/** The numbers of a request that the panel has a field for; null is the server's default. */
export interface Sampling {
  readonly temperature: number | null;
  readonly top_p: number | null;
  readonly top_k: number | null;
  readonly min_p: number | null;
  readonly max_tokens: number | null;
  readonly presence_penalty: number | null;
  readonly frequency_penalty: number | null;
  readonly repetition_penalty: number | null;
  readonly seed: number | null;
}

export type SamplingName = keyof Sampling;

/** A request without its messages. */
export interface Settings {
  readonly model: string;
  readonly system: string;
  readonly sampling: Sampling;
  readonly stop: readonly string[];
  readonly reasoning: string;
  readonly tools: readonly ToolDefinition[];
  readonly toolChoice: string;
  readonly format: FormatKind;
  /** JSON text of the schema, also while another format is chosen. */
  readonly schema: string;
  readonly logprobs: boolean;
}

export interface SamplingField {
  readonly name: SamplingName;
  readonly label: string;
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

export const SAMPLING_FIELDS: readonly SamplingField[] = [
  { name: "temperature", label: "Temperature", hint: "0 takes the likeliest token", min: 0, max: 2, step: 0.1 },
  { name: "max_tokens", label: "Maximum tokens", hint: "of the answer", min: 1, max: 1_000_000, step: 1 },
  { name: "top_p", label: "Top p", hint: "share of the probability", min: 0, max: 1, step: 0.05 },
  { name: "top_k", label: "Top k", hint: "number of tokens; 0: all", min: 0, max: 100_000, step: 1 },
  { name: "min_p", label: "Min p", hint: "share of the likeliest", min: 0, max: 1, step: 0.01 },
  { name: "seed", label: "Seed", hint: "makes answers repeatable", min: 0, max: 9_007_199_254_740_991, step: 1 },
  { name: "presence_penalty", label: "Presence penalty", hint: "−2 to 2", min: -2, max: 2, step: 0.1 },
  { name: "frequency_penalty", label: "Frequency penalty", hint: "−2 to 2", min: -2, max: 2, step: 0.1 },
  { name: "repetition_penalty", label: "Repetition penalty", hint: "1: none", min: 0.1, max: 10, step: 0.05 },
];

const NO_SAMPLING = Object.fromEntries(SAMPLING_FIELDS.map(({ name }) => [name, null])) as unknown as Sampling;

export const EXAMPLE_SCHEMA = `{
  "type": "object",
  "properties": {
    "name": { "type": "string" },
    "age": { "type": "integer" }
  },
  "required": ["name", "age"],
  "additionalProperties": false
}`;

export const EXAMPLE_TOOL: ToolDefinition = {
  name: "get_weather",
  description: "Get the weather of a city",
  parameters: `{
  "type": "object",
  "properties": {
    "city": { "type": "string" }
  },
  "required": ["city"]
}`,
};

export const DEFAULTS: Settings = {
  model: "",
  system: "",
  sampling: NO_SAMPLING,
  stop: [],
  reasoning: "",
  tools: [],
  toolChoice: "auto",
  format: "text",
  schema: EXAMPLE_SCHEMA,
  logprobs: false,
};

/** Settings of unknown origin (a file, storage of an older version), with defaults for missing and invalid values. */
export function normalise(value: unknown): Settings {
  const raw = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const text = (name: string, otherwise: string) => (typeof raw[name] === "string" ? raw[name] : otherwise);
  const list = (name: string): unknown[] => (Array.isArray(raw[name]) ? raw[name] : []);
  const sampling = (typeof raw["sampling"] === "object" && raw["sampling"]) || {};
  const numbers = SAMPLING_FIELDS.map(({ name }) => {
    const number: unknown = (sampling as Record<string, unknown>)[name];
    return [name, typeof number === "number" && Number.isFinite(number) ? number : null];
  });
  const format = text("format", "text");
  return {
    model: text("model", ""),
    system: text("system", ""),
    sampling: Object.fromEntries(numbers) as Sampling,
    stop: list("stop").filter((one) => typeof one === "string"),
    reasoning: text("reasoning", ""),
    tools: list("tools").flatMap((one) => {
      const tool = one as Partial<Record<keyof ToolDefinition, unknown>> | null;
      if (typeof tool?.name !== "string") return [];
      return [{ name: tool.name, description: String(tool.description ?? ""), parameters: String(tool.parameters ?? "") }];
    }),
    toolChoice: text("toolChoice", "auto"),
    format: format === "json_object" || format === "json_schema" ? format : "text",
    schema: text("schema", EXAMPLE_SCHEMA),
    logprobs: raw["logprobs"] === true,
  };
}
