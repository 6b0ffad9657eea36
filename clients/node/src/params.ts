/** Parameters of requests. */
import type { ToolCall } from "./types.js";

export interface TextPart {
  type: "text";
  text: string;
}

export interface SystemMessage {
  role: "system" | "developer";
  content: string | TextPart[];
  name?: string;
}

export interface UserMessage {
  role: "user";
  content: string | TextPart[];
  name?: string;
}

/** Without `tool_calls` it needs `content`. As the last message, it is continued. */
export interface AssistantMessage {
  role: "assistant";
  content?: string | TextPart[] | null;
  name?: string;
  tool_calls?: ToolCall[] | null;
  /** The model's earlier reasoning, for templates that show it. */
  reasoning_content?: string | null;
  reasoning?: string | null;
  refusal?: string | null;
  /** The older form of `tool_calls`. */
  function_call?: { name: string; arguments: string } | null;
}

/** The result of the `function_call` before it. */
export interface FunctionMessage {
  role: "function";
  name: string;
  content: string | TextPart[];
}

/** The result of the call that `tool_call_id` names. */
export interface ToolMessage {
  role: "tool";
  content: string | TextPart[];
  tool_call_id: string;
}

/** A turn of the conversation. The message of an earlier completion is one too. */
export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage;

/** A JSON schema, as a plain object. */
export type JSONSchema = { [keyword: string]: unknown };

export interface Tool {
  type: "function";
  function: {
    name: string;
    description?: string;
    parameters?: JSONSchema;
    strict?: boolean | null;
  };
}

/** The default is `auto` if there are tools. */
export type ToolChoice = "none" | "auto" | "required" | { type: "function"; function: { name: string } };

export type ResponseFormat =
  | { type: "text" }
  | { type: "json_object" }
  | {
      type: "json_schema";
      json_schema: { name?: string; description?: string; schema: JSONSchema; strict?: boolean | null };
    };

/** A context-free grammar, in llguidance's dialect of Lark or in llama.cpp's GBNF. */
export interface Grammar {
  syntax: "lark" | "gbnf";
  definition: string;
}

/** Parameters of both endpoints for completions. `null` equals an omitted field. */
interface Sampling {
  /** Needed unless the client has a `defaultModel`. */
  model?: string | null;
  /** From 0, the most likely tokens, to 2. */
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  /** Up to 16 strings that end the completion; they are not part of it. */
  stop?: string | readonly string[] | null;
  /** Token ids that end the completion; they are not part of it. */
  stop_token_ids?: readonly number[] | null;
  /** The minimum number of tokens of the completion. */
  min_tokens?: number | null;
  /** True: the model's end token does not end the completion. */
  ignore_eos?: boolean | null;
  seed?: number | null;
  /** The number of choices. */
  n?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  repetition_penalty?: number | null;
  /** Numbers added to logits, by token id. */
  logit_bias?: Record<string, number> | null;
  /** The format of the completion. */
  response_format?: ResponseFormat | null;
  /** A regular expression that the whole completion matches. */
  regex?: string | null;
  /** A grammar for the whole completion; a string is Lark or GBNF. */
  grammar?: string | Grammar | null;
  /** The time limit of the completion; a completion cut off by it has the finish reason `deadline`. */
  deadline_ms?: number | null;
  /** With `include_usage`, a last chunk without choices carries the usage. */
  stream_options?: { include_usage?: boolean | null } | null;
  /** Labels without effect on the completion. */
  user?: string | null;
  metadata?: Record<string, string> | null;
  service_tier?: string | null;
  prompt_cache_key?: string | null;
}

export interface ChatCompletionCreateParamsBase extends Sampling {
  messages: readonly Message[];
  /** The maximum number of tokens of the completion. */
  max_tokens?: number | null;
  /** Another name for `max_tokens`. */
  max_completion_tokens?: number | null;
  logprobs?: boolean | null;
  /** The most likely tokens to report at each position, up to 20; needs `logprobs`. */
  top_logprobs?: number | null;
  tools?: readonly Tool[] | null;
  tool_choice?: ToolChoice | null;
  /** False: at most one call. */
  parallel_tool_calls?: boolean | null;
  /** The older form of `tools`. */
  functions?: readonly Tool["function"][] | null;
  /** The older form of `tool_choice`. */
  function_call?: "none" | "auto" | { name: string } | null;
  /** For models whose template knows it. */
  reasoning_effort?: "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max" | null;
  /** The expected completion, which is faster where it is correct. */
  prediction?: { type: "content"; content: string | readonly { type: "text"; text: string }[] } | null;
}

export interface ChatCompletionCreateParamsNonStreaming extends ChatCompletionCreateParamsBase {
  stream?: false | null;
}

export interface ChatCompletionCreateParamsStreaming extends ChatCompletionCreateParamsBase {
  stream: true;
}

export interface ChatCompletionCreateParams extends ChatCompletionCreateParamsBase {
  stream?: boolean | null;
}

export interface CompletionCreateParamsBase extends Sampling {
  /** A text, token ids, or several of either. */
  prompt: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  /** 16 unless given; 0 needs `echo`. */
  max_tokens?: number | null;
  /** Whether the text begins with the prompt. */
  echo?: boolean | null;
  /** The most likely tokens to report at each position, up to 20. */
  logprobs?: number | null;
}

export interface CompletionCreateParamsNonStreaming extends CompletionCreateParamsBase {
  stream?: false | null;
}

export interface CompletionCreateParamsStreaming extends CompletionCreateParamsBase {
  stream: true;
}

export interface CompletionCreateParams extends CompletionCreateParamsBase {
  stream?: boolean | null;
}

export interface EmbeddingCreateParams {
  model?: string | null;
  /** A text, token ids, or several of either. */
  input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  encoding_format?: "float" | "base64" | null;
  /** Fewer numbers in a vector, for models that are trained for it. */
  dimensions?: number | null;
  user?: string | null;
}

export interface RerankCreateParams {
  model?: string | null;
  query: string;
  documents: readonly (string | { text: string })[];
  top_n?: number | null;
  /** Whether the result has the documents' texts. */
  return_documents?: boolean | null;
}

/** `prompt`, or `messages` with `tools`. */
export interface TokenizeParams {
  model?: string | null;
  prompt?: string | null;
  messages?: ChatCompletionCreateParamsBase["messages"] | null;
  tools?: ChatCompletionCreateParamsBase["tools"];
  add_special_tokens?: boolean | null;
  /** Whether the result has the text of each token. */
  return_token_strs?: boolean | null;
}

export interface DetokenizeParams {
  model?: string | null;
  tokens: readonly number[];
}
