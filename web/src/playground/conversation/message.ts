import type { Settings } from "../request/settings";

/** A message of a conversation. Messages form a tree by `parent`; an edit or another answer is a sibling. */
export type Message = UserMessage | AnswerMessage | ToolResult;

interface Node {
  readonly id: string;
  readonly conversation: string;
  readonly parent: string | null;
  /** Milliseconds since 1970 by the clock of this computer, for display alone: order is that of `sequence`. */
  readonly created: number;
  readonly sequence: number;
}

export interface UserMessage extends Node {
  readonly role: "user";
  readonly text: string;
  /** Attached images as `data:` addresses. */
  readonly images: readonly string[];
}

export interface ToolResult extends Node {
  readonly role: "tool";
  readonly call: string;
  readonly name: string;
  readonly text: string;
}

export interface AnswerMessage extends Node {
  readonly role: "assistant";
  /** The settings that the request had, from which its body can be built again. */
  readonly settings: Settings;
  /** The text that the answer had to begin with; it is a part of `text`. */
  readonly prefix: string;
  /** Answers of one side-by-side prompt have the same pair. */
  readonly pair: string | null;
  readonly text: string;
  readonly reasoning: string;
  readonly calls: readonly ToolCall[];
  readonly status: AnswerStatus;
  readonly finish: string | null;
  /** The reason why the answer failed or is incomplete. */
  readonly problem: string | null;
  readonly logprobs: readonly TokenLogprob[];
  readonly usage: Usage | null;
  readonly receipt: Receipt | null;
  readonly timing: Timing | null;
  /** Notes of the server: fields and schema keywords without effect. */
  readonly notes: readonly string[];
}

export type AnswerStatus = "waiting" | "streaming" | "complete" | "stopped" | "failed";

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

export interface Alternative {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
}

export interface TokenLogprob extends Alternative {
  readonly top_logprobs: readonly Alternative[];
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens: number } | null;
  readonly completion_tokens_details?: { readonly reasoning_tokens: number } | null;
}

export type Receipt = Readonly<Record<string, unknown>>;

/** Milliseconds since the request was sent, by a monotonic clock. */
export interface Timing {
  readonly first: number;
  readonly last: number;
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly created: number;
  /** Orders the list: greater than that of any other change known at the time, also where the clock runs backwards. */
  readonly updated: number;
  /** The chosen child of each message with several; the key of the first level is the empty string. */
  readonly chosen: Readonly<Record<string, string>>;
}

/** A conversation with its messages, as exported and imported. */
export interface Transcript {
  readonly conversation: Conversation;
  readonly messages: readonly Message[];
}

/** A random id of 128 bits. `crypto.randomUUID` is missing on plain HTTP, but for addresses of this computer. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
