/** Results: completions, chunks, models. */

export interface ToolCall {
  id: string;
  type: "function";
  function: {
    name: string;
    /** JSON, as the model wrote it. */
    arguments: string;
  };
}

/** Why a completion ended. Other servers may have further reasons. */
export type FinishReason = "stop" | "length" | "tool_calls" | "function_call" | "content_filter" | "deadline" | (string & {});

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
  /** Null for tool calls without text. */
  content: string | null;
  refusal?: string | null;
  tool_calls?: ToolCall[] | null;
  /** The call of a completion with `functions`, the older form of `tools`. */
  function_call?: { name: string; arguments: string } | null;
  /** The model's reasoning; `reasoning` is the same. */
  reasoning_content?: string | null;
  reasoning?: string | null;
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
  completion_tokens_details?: {
    reasoning_tokens: number;
    /** With a `prediction`: tokens of the completion that came from it. */
    accepted_prediction_tokens?: number;
    /** With a `prediction`: its rejected tokens, which `completion_tokens` does not count. */
    rejected_prediction_tokens?: number;
  } | null;
}

/**
 * The sampling parameters, with defaults. A request with this `seed` repeats the completion. For a model with an upstream,
 * null is the upstream's default.
 */
export interface EffectiveSampling {
  temperature: number | null;
  top_p: number | null;
  top_k: number | null;
  min_p: number | null;
  presence_penalty: number | null;
  frequency_penalty: number | null;
  repetition_penalty: number | null;
  max_tokens: number | null;
  seed: number | null;
}

/** The server that answered for a model with an upstream (`big/1`), and the model's name there. */
export interface UpstreamReceipt {
  name: string;
  model: string;
}

/** The provenance of a completion. `weights` is a hash of the model. Times are in milliseconds. */
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
  upstream?: UpstreamReceipt | null;
  /** The fallback that answered in place of the requested model. */
  served_by?: string | null;
  /** How often the answer moved to another replica of a cluster. */
  moves?: number | null;
}

/** A chat completion. `message` is the first choice's. */
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

/** A chat completion with the parsed value of its text. */
export interface ParsedCompletion<T> extends ChatCompletion {
  /** Of the first choice. */
  parsed: T;
}

/** The addition of a chunk to a call: first its `id` and name, then pieces of its arguments. */
export interface ToolCallDelta {
  index: number;
  id?: string | null;
  type?: "function" | null;
  function?: { name?: string | null; arguments?: string | null } | null;
}

/** The addition of a chunk to a choice. */
export interface ChoiceDelta {
  role?: "assistant" | null;
  content?: string | null;
  refusal?: string | null;
  tool_calls?: ToolCallDelta[] | null;
  function_call?: { name?: string | null; arguments?: string | null } | null;
  reasoning_content?: string | null;
  reasoning?: string | null;
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
  /** Only on the last chunk, if `stream_options.include_usage` is set. */
  usage?: Usage | null;
  /** Only on the last chunk. */
  receipt?: Receipt | null;
}

/** A running completion has been cancelled. */
export interface CancelledCompletion {
  id: string;
  object: "chat.completion.cancelled";
  cancelled: true;
}

/** The size and the wait of a request, without running it. Counts are in tokens. */
export interface Preflight {
  object: "chat.completion.preflight";
  model: string;
  /** The prompt that the model would read, as text. */
  prompt: string;
  prompt_tokens: number;
  /** Prompt tokens that are already in the KV cache. */
  cached_tokens: number;
  context_length: number;
  /** The maximum number of tokens of the completion. */
  max_tokens: number;
  /** Whether the requested completion fits into the context. */
  fits: boolean;
  /** The number of tokens by which it does not fit. */
  excess: number;
  /** The number of requests that would run before it. */
  ahead: number;
  wait_seconds: number;
}

/** One entry for each token. */
export interface CompletionLogprobs {
  tokens: string[];
  /** Natural logarithms; null for a prompt's first token. */
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[] | null;
  /** The index in `text` of each token's first character. */
  text_offset: number[];
}

/** One continuation of one prompt; prompt p's are those from p × `n` on. */
export interface CompletionChoice {
  index: number;
  text: string;
  logprobs?: CompletionLogprobs | null;
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
  receipt?: Receipt | null;
}

/** A model that can be named in a request. `context_length` is in tokens, prompt and completion together. */
export interface Model {
  id: string;
  object: "model";
  created: number;
  owned_by: string;
  context_length?: number | null;
  /** vLLM's name for `context_length`. */
  max_model_len?: number | null;
  root?: string | null;
  /** A model that is not loaded is loaded for its next request. */
  state?: "unloaded" | "loading" | "loaded" | "unloading" | "failed" | null;
  /** Bytes of memory that it takes when it is loaded. */
  size?: number | null;
  /** Inputs besides text: `images`, `audio`, `files`. */
  capabilities?: string[] | null;
}

export interface ModelList {
  object: "list";
  data: Model[];
}

/** The vector of input number `index`. */
export interface Embedding {
  object: "embedding";
  index: number;
  embedding: number[];
}

/** One vector for each input. */
export interface EmbeddingList {
  id?: string;
  object: "list";
  model: string;
  data: Embedding[];
  usage: EmbeddingUsage;
}

export interface EmbeddingUsage {
  prompt_tokens: number;
  total_tokens: number;
}

/** Document number `index` of the request with its score; higher is more relevant. */
export interface RankedDocument {
  index: number;
  relevance_score: number;
  document?: { text: string } | null;
}

/** The most relevant documents, best first. */
export interface RerankResult {
  id?: string;
  object?: "list";
  model: string;
  results: RankedDocument[];
  usage?: EmbeddingUsage;
}

/** The ids of the tokens and their number (`count`). `max_model_len` is the model's context in tokens. */
export interface TokenizeResult {
  model?: string;
  count: number;
  max_model_len: number;
  tokens: number[];
  token_strs?: string[] | null;
}

/** The text of tokens, control tokens by their names. */
export interface DetokenizeResult {
  model?: string;
  prompt: string;
  content?: string;
}
