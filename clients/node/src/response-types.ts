/** The Responses API: its response object, items and events. */
import type { Receipt, TokenLogprob } from "./types.js";

export type ResponseStatus = "queued" | "in_progress" | "completed" | "incomplete" | "failed" | "cancelled";
export type ItemStatus = "in_progress" | "completed" | "incomplete";

export interface OutputText {
  type: "output_text";
  text: string;
  annotations: unknown[];
  logprobs: TokenLogprob[];
}

export interface OutputMessage {
  type: "message";
  id: string;
  role: "assistant";
  status: ItemStatus;
  content: OutputText[];
}

export interface FunctionToolCall {
  type: "function_call";
  id: string;
  status: ItemStatus;
  call_id: string;
  name: string;
  arguments: string;
  namespace: string | null;
}

export interface CustomToolCall {
  type: "custom_tool_call";
  id: string;
  status: ItemStatus;
  call_id: string;
  name: string;
  input: string;
  namespace: string | null;
}

export interface OutputReasoning {
  type: "reasoning";
  id: string;
  status: ItemStatus;
  summary: { type: "summary_text"; text: string }[];
  content: { type: "reasoning_text"; text: string }[];
  encrypted_content: string | null;
}

export type OutputItem = OutputMessage | FunctionToolCall | CustomToolCall | OutputReasoning;

export interface ResponseUsage {
  input_tokens: number;
  input_tokens_details: { cached_tokens: number; cache_write_tokens: number };
  output_tokens: number;
  output_tokens_details: { reasoning_tokens: number };
  total_tokens: number;
}

/** A response. `output_text` is the text of all messages. */
export interface ModelResponse {
  id: string;
  object: "response";
  created_at: number;
  completed_at: number | null;
  status: ResponseStatus;
  background: boolean;
  error: { code: string; message: string } | null;
  incomplete_details: { reason: "max_output_tokens" | "deadline" } | null;
  instructions: string | null;
  model: string;
  output: OutputItem[];
  output_text: string;
  previous_response_id: string | null;
  conversation: { id: string } | null;
  store: boolean;
  usage: ResponseUsage | null;
  metadata: Record<string, string>;
  receipt: Receipt | null;
  [field: string]: unknown;
}

interface Numbered {
  sequence_number: number;
}

interface InItem extends Numbered {
  item_id: string;
  output_index: number;
}

export interface ResponseStateEvent extends Numbered {
  type:
    | "response.queued"
    | "response.created"
    | "response.in_progress"
    | "response.completed"
    | "response.incomplete"
    | "response.failed";
  response: ModelResponse;
}

export interface OutputItemEvent extends Numbered {
  type: "response.output_item.added" | "response.output_item.done";
  output_index: number;
  item: OutputItem;
}

export interface ContentPartEvent extends InItem {
  type: "response.content_part.added" | "response.content_part.done";
  content_index: number;
  part: OutputText | { type: "reasoning_text"; text: string };
}

export interface SummaryPartEvent extends InItem {
  type: "response.reasoning_summary_part.added" | "response.reasoning_summary_part.done";
  summary_index: number;
  part: { type: "summary_text"; text: string };
}

export interface DeltaEvent extends InItem {
  type:
    | "response.output_text.delta"
    | "response.reasoning_text.delta"
    | "response.reasoning_summary_text.delta"
    | "response.function_call_arguments.delta"
    | "response.custom_tool_call_input.delta";
  delta: string;
  logprobs?: TokenLogprob[];
}

export interface TextDoneEvent extends InItem {
  type: "response.output_text.done" | "response.reasoning_text.done" | "response.reasoning_summary_text.done";
  text: string;
}

export interface ArgumentsDoneEvent extends InItem {
  type: "response.function_call_arguments.done";
  name: string;
  arguments: string;
}

export interface InputDoneEvent extends InItem {
  type: "response.custom_tool_call_input.done";
  input: string;
}

export type ResponseStreamEvent =
  | ResponseStateEvent
  | OutputItemEvent
  | ContentPartEvent
  | SummaryPartEvent
  | DeltaEvent
  | TextDoneEvent
  | ArgumentsDoneEvent
  | InputDoneEvent;

/** An item as it is listed; `type` determines its fields. */
export type ListedItem = { id: string; type: string } & Record<string, unknown>;

/** A page of a stored response's input, or of a conversation's items. */
export interface ItemList {
  object: "list";
  data: ListedItem[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface DeletedResponse {
  id: string;
  object: "response";
  deleted: true;
}

/** A list of items on the server that responses read and extend. `created_at` is in seconds since 1970. */
export interface Conversation {
  id: string;
  object: "conversation";
  created_at: number;
  metadata: Record<string, string>;
}

export interface DeletedConversation {
  id: string;
  object: "conversation.deleted";
  deleted: true;
}

/** The parameters of `conversations.create`: the first items, at most 20, and labels. */
export interface ConversationCreateParams {
  items?: readonly object[] | null;
  metadata?: Record<string, string> | null;
}

/** The parameters of `conversations.update`: the labels in place of the old ones. */
export interface ConversationUpdateParams {
  metadata: Record<string, string>;
}

/** The parameters of `conversations.items.create`: the items to append, at most 20. */
export interface ItemCreateParams {
  items: readonly object[];
}

/** The parameters of `conversations.items.retrieve` and `.delete`. */
export interface ConversationItemParams {
  conversation_id: string;
}

/** The parameters of `responses.create`; `docs/responses.md` describes each. */
export interface ResponseCreateParams {
  model?: string | null;
  /** A text of the user, or items. */
  input?: string | readonly object[] | null;
  stream?: boolean | null;
  instructions?: string | null;
  tools?: readonly object[] | null;
  tool_choice?: string | object | null;
  parallel_tool_calls?: boolean | null;
  text?: object | null;
  reasoning?: object | null;
  max_output_tokens?: number | null;
  include?: readonly string[] | null;
  top_logprobs?: number | null;
  store?: boolean | null;
  previous_response_id?: string | null;
  conversation?: string | { id: string } | null;
  background?: boolean | null;
  temperature?: number | null;
  top_p?: number | null;
  stop?: string | readonly string[] | null;
  seed?: number | null;
  metadata?: Record<string, string> | null;
  [field: string]: unknown;
}

export interface ResponseCreateParamsStreaming extends ResponseCreateParams {
  stream: true;
}

export interface ResponseCreateParamsNonStreaming extends ResponseCreateParams {
  stream?: false | null;
}

export interface ResponseRetrieveParams {
  /** The events of a response in the background, again. */
  stream?: boolean;
  /** The number of the event after which they begin. */
  starting_after?: number;
}

export interface ItemListParams {
  limit?: number;
  order?: "asc" | "desc";
  after?: string;
  before?: string;
}
