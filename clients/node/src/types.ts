/** What goes over the wire: requests, answers, chunks, models. */

export interface TextPart {
  type: "text";
  text: string;
}

export interface ToolCall {
  id: string;
  type: "function";
  function: {
    name: string;
    /** JSON, as the model wrote it. */
    arguments: string;
  };
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

export interface AssistantMessage {
  role: "assistant";
  content?: string | TextPart[] | null;
  name?: string;
  tool_calls?: ToolCall[] | null;
}

export interface ToolMessage {
  role: "tool";
  content: string | TextPart[];
  tool_call_id: string;
}

/** A turn of the conversation. The message of an earlier completion is one too. */
export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

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

export type ToolChoice = "none" | "auto" | "required" | { type: "function"; function: { name: string } };

export type ResponseFormat =
  | { type: "text" }
  | { type: "json_object" }
  | {
      type: "json_schema";
      json_schema: { name: string; description?: string; schema: JSONSchema; strict?: boolean | null };
    };

/** What both endpoints for completions take. `null` means the same as leaving a field out. */
interface Sampling {
  /** Needed unless the client has a `defaultModel`. */
  model?: string | null;
  /** The most tokens that the answer may have. */
  max_tokens?: number | null;
  /** 0 for the likeliest answer, up to 2 for variety. */
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  /** Up to 16 strings that end the answer; they are not part of it. */
  stop?: string | readonly string[] | null;
  seed?: number | null;
  /** How many answers to give. */
  n?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  repetition_penalty?: number | null;
  /** From token ids to what is added to their logits. */
  logit_bias?: Record<string, number> | null;
  /** With `include_usage`, a last chunk without choices carries the usage. */
  stream_options?: { include_usage?: boolean | null } | null;
  /** The time for the answer; what there is when it is over has its own finish reason. */
  deadline_ms?: number | null;
  user?: string | null;
}

export interface ChatCompletionCreateParamsBase extends Sampling {
  messages: readonly Message[];
  max_completion_tokens?: number | null;
  logprobs?: boolean | null;
  /** The likeliest tokens to report at each position, up to 20; needs `logprobs`. */
  top_logprobs?: number | null;
  response_format?: ResponseFormat | null;
  /** A regular expression that the whole answer matches. */
  regex?: string | null;
  /** A grammar (Lark or GBNF) that the whole answer follows. */
  grammar?: string | null;
  tools?: readonly Tool[] | null;
  tool_choice?: ToolChoice | null;
  parallel_tool_calls?: boolean | null;
  reasoning_effort?: string | null;
  metadata?: Record<string, string> | null;
  store?: boolean | null;
  service_tier?: string | null;
  prompt_cache_key?: string | null;
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

/** Why an answer ended. Servers of other makes may have further reasons. */
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "deadline" | (string & {});

export interface TopLogprob {
  token: string;
  /** Natural logarithm of the model's own probability, before temperature and penalties. */
  logprob: number;
  bytes?: number[] | null;
}

export interface TokenLogprob extends TopLogprob {
  top_logprobs: TopLogprob[];
}

export interface ChoiceLogprobs {
  content: TokenLogprob[] | null;
}

export interface ResponseMessage {
  role: "assistant";
  /** Null when the model calls tools and says nothing. */
  content: string | null;
  tool_calls?: ToolCall[] | null;
  reasoning_content?: string | null;
}

export interface Choice {
  index: number;
  message: ResponseMessage;
  logprobs?: ChoiceLogprobs | null;
  finish_reason: FinishReason | null;
}

/** Tokens in and out, under both namings. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  prompt_tokens_details?: { cached_tokens: number } | null;
  completion_tokens_details?: { reasoning_tokens: number } | null;
}

/** The values that tokens were drawn with, defaults filled in. `seed`, sent back in a request, repeats the answer. */
export interface EffectiveSampling {
  temperature: number;
  top_p: number;
  top_k: number;
  min_p: number;
  presence_penalty: number;
  frequency_penalty: number;
  repetition_penalty: number;
  max_tokens: number;
  seed: number | null;
}

/** What made an answer. `weights` is a hash of the model. Times are in milliseconds. */
export interface Receipt {
  weights: string;
  quantization: string;
  engine: string;
  sampling: EffectiveSampling;
  /** Waiting for a turn. */
  queue_ms: number;
  /** Reading the prompt, until the first token. */
  prefill_ms: number;
  /** From the first token to the last. */
  decode_ms: number;
}

/** A whole answer. `message` repeats the first choice's. */
export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  system_fingerprint?: string | null;
  choices: Choice[];
  usage: Usage;
  message: ResponseMessage;
  receipt?: Receipt | null;
}

/** A whole answer, and what its text says once parsed. */
export interface ParsedCompletion<T> extends ChatCompletion {
  /** Of the first choice. */
  parsed: T;
}

export interface ToolCallDelta {
  index: number;
  id?: string | null;
  type?: "function" | null;
  function?: { name?: string | null; arguments?: string | null } | null;
}

/** What a chunk adds to a choice. */
export interface ChoiceDelta {
  role?: "assistant" | null;
  content?: string | null;
  tool_calls?: ToolCallDelta[] | null;
  reasoning_content?: string | null;
}

export interface ChunkChoice {
  index: number;
  delta: ChoiceDelta;
  logprobs?: ChoiceLogprobs | null;
  finish_reason?: FinishReason | null;
}

/** One event of a stream. */
export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  system_fingerprint?: string | null;
  choices: ChunkChoice[];
  /** On the last chunk alone, if `stream_options.include_usage` asks for it. */
  usage?: Usage | null;
  /** On the last chunk alone. */
  receipt?: Receipt | null;
}

/** What would become of a request, without running it. Counts are in tokens. */
export interface Preflight {
  model: string;
  /** The text that the model would be given. */
  prompt: string;
  prompt_tokens: number;
  /** Those of the prompt that are in the KV cache already. */
  cached_tokens: number;
  context_length: number;
  /** The most tokens that an answer could have. */
  max_tokens: number;
  fits: boolean;
}

export interface CompletionCreateParamsBase extends Sampling {
  prompt: string | readonly string[];
  /** Whether the text begins with the prompt. */
  echo?: boolean | null;
  /** The likeliest tokens to report at each position. */
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

export interface CompletionChoice {
  index: number;
  text: string;
  logprobs?: unknown;
  finish_reason: FinishReason | null;
}

/** A continued text, or in a stream a piece of it. */
export interface Completion {
  id: string;
  object: "text_completion";
  created: number;
  model: string;
  system_fingerprint?: string | null;
  choices: CompletionChoice[];
  usage?: Usage | null;
}

/** A model that can be named in a request. `context_length` is in tokens, prompt and answer together. */
export interface Model {
  id: string;
  object: "model";
  created: number;
  owned_by: string;
  context_length?: number | null;
}

export interface ModelList {
  object: "list";
  data: Model[];
}
