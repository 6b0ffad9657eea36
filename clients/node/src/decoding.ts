/** Lenient decoding of responses: unknown fields stay, fields that other servers leave out are filled in. */
import { isObject, readJSON, type HTTPResponse, unexpectedResponse } from "./error-parsing.js";
import type {
  CancelledCompletion,
  ChatCompletion,
  ChatCompletionChunk,
  Completion,
  DetokenizeResult,
  EmbeddingList,
  Model,
  ModelList,
  Preflight,
  RerankResult,
  TokenizeResult,
} from "./types.js";

import type {
  Conversation,
  DeletedConversation,
  DeletedResponse,
  ItemList,
  ListedItem,
  ModelResponse,
  ResponseStreamEvent,
} from "./response-types.js";

type Body = Record<string, unknown>;

/** A chat completion. Throws `APIError` for another body. */
export function readCompletion(response: HTTPResponse): ChatCompletion {
  return toCompletion(objectWith(response, "choices", "a chat completion"));
}

/** A chat completion from a response's body, or from accumulated chunks. */
export function toCompletion(body: Body): ChatCompletion {
  const choices = body["choices"] as unknown[];
  choices.forEach((choice, index) => {
    if (isObject(choice)) {
      choice["index"] ??= index;
    }
  });
  if (isObject(choices[0])) {
    body["message"] ??= choices[0]["message"];
  }
  if (isObject(body["message"])) {
    body["message"]["role"] ??= "assistant";
  }
  completeUsage(body);
  return body as unknown as ChatCompletion;
}

/** One event of a stream. */
export function readChunk(body: Body): ChatCompletionChunk {
  return withUsage(body) as unknown as ChatCompletionChunk;
}

/** A text completion. Throws `APIError` for another body. */
export function readTextCompletion(response: HTTPResponse): Completion {
  return withUsage(objectWith(response, "choices", "a completion")) as unknown as Completion;
}

/** One event of a stream of text. */
export function readTextChunk(body: Body): Completion {
  return withUsage(body) as unknown as Completion;
}

/** A cancelled completion. Throws `APIError` for another body. */
export function readCancelled(response: HTTPResponse): CancelledCompletion {
  return objectWithId(response, "a cancelled completion") as unknown as CancelledCompletion;
}

/** A preflight. Throws `APIError` for another body. */
export function readPreflight(response: HTTPResponse): Preflight {
  const body = readJSON(response.text);
  if (!isObject(body) || !("prompt_tokens" in body)) {
    throw unexpectedResponse(response, "a preflight");
  }
  return body as unknown as Preflight;
}

/** A response of the Responses API. Throws `APIError` for another body. */
export function readResponse(response: HTTPResponse): ModelResponse {
  return withOutputText(objectWith(response, "output", "a response"));
}

/** One event of a response's stream. */
export function readResponseEvent(body: Body): ResponseStreamEvent {
  if (isObject(body["response"])) {
    withOutputText(body["response"]);
  }
  return body as unknown as ResponseStreamEvent;
}

/** The confirmation of a deletion. Throws `APIError` for another body. */
export function readDeletedResponse(response: HTTPResponse): DeletedResponse {
  return objectWithId(response, "a deleted response") as unknown as DeletedResponse;
}

/** A page of items. Throws `APIError` for another body. */
export function readItemList(response: HTTPResponse): ItemList {
  return objectWith(response, "data", "a list of items") as unknown as ItemList;
}

/** One item. Throws `APIError` for another body. */
export function readItem(response: HTTPResponse): ListedItem {
  return objectWithId(response, "an item") as ListedItem;
}

/** A conversation. Throws `APIError` for another body. */
export function readConversation(response: HTTPResponse): Conversation {
  return objectWithId(response, "a conversation") as unknown as Conversation;
}

/** The confirmation of a deletion. Throws `APIError` for another body. */
export function readDeletedConversation(response: HTTPResponse): DeletedConversation {
  return objectWithId(response, "a deleted conversation") as unknown as DeletedConversation;
}

function objectWithId(response: HTTPResponse, what: string): Body {
  const body = readJSON(response.text);
  if (!isObject(body) || !("id" in body)) {
    throw unexpectedResponse(response, what);
  }
  return body;
}

function withOutputText(body: Body): ModelResponse {
  const output = Array.isArray(body["output"]) ? body["output"].filter(isObject) : [];
  const parts = output.flatMap((item) => (Array.isArray(item["content"]) ? item["content"].filter(isObject) : []));
  body["output_text"] = parts.filter((part) => part["type"] === "output_text").map((part) => part["text"]).join("");
  return body as unknown as ModelResponse;
}

/** The list of models. Throws `APIError` for another body. */
export function readModels(response: HTTPResponse): ModelList {
  return objectWith(response, "data", "a list of models") as unknown as ModelList;
}

/** One model. Throws `APIError` for another body. */
export function readModel(response: HTTPResponse): Model {
  return objectWithId(response, "a model") as unknown as Model;
}

/** Vectors as arrays of numbers. Throws `APIError` for another body. */
export function readEmbeddings(response: HTTPResponse): EmbeddingList {
  const body = objectWith(response, "data", "embeddings");
  for (const entry of body["data"] as unknown[]) {
    if (isObject(entry) && typeof entry["embedding"] === "string") {
      entry["embedding"] = numbers(response, entry["embedding"]);
    }
  }
  return body as unknown as EmbeddingList;
}

/** A ranking. Throws `APIError` for another body. */
export function readRanking(response: HTTPResponse): RerankResult {
  return objectWith(response, "results", "a ranking") as unknown as RerankResult;
}

/** The tokens of a text. Throws `APIError` for another body. */
export function readTokenized(response: HTTPResponse): TokenizeResult {
  return objectWith(response, "tokens", "tokens") as unknown as TokenizeResult;
}

/** The text of tokens. Throws `APIError` for another body. */
export function readDetokenized(response: HTTPResponse): DetokenizeResult {
  const body = readJSON(response.text);
  if (!isObject(body) || !("prompt" in body)) {
    throw unexpectedResponse(response, "a text");
  }
  return body as unknown as DetokenizeResult;
}

/** The little-endian float32 numbers that `text` holds in base64. */
function numbers(response: HTTPResponse, text: string): number[] {
  const bytes = decodeBase64(text);
  if (bytes === undefined || bytes.byteLength % 4 !== 0) {
    throw unexpectedResponse(response, "embeddings");
  }
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.byteLength / 4 }, (_, index) => view.getFloat32(4 * index, true));
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function objectWith(response: HTTPResponse, listName: string, what: string): Body {
  const body = readJSON(response.text);
  if (!isObject(body) || !Array.isArray(body[listName])) {
    throw unexpectedResponse(response, what);
  }
  return body;
}

function withUsage(body: Body): Body {
  completeUsage(body);
  return body;
}

/** Fill in the counts under both naming schemes (`prompt_tokens` and `input_tokens`). */
function completeUsage(body: Body): void {
  const usage = body["usage"];
  if (!isObject(usage)) {
    return;
  }
  usage["prompt_tokens"] ??= usage["input_tokens"];
  usage["input_tokens"] ??= usage["prompt_tokens"];
  usage["completion_tokens"] ??= usage["output_tokens"];
  usage["output_tokens"] ??= usage["completion_tokens"];
  const [input, output] = [usage["prompt_tokens"], usage["completion_tokens"]];
  if (typeof input === "number" && typeof output === "number") {
    usage["total_tokens"] ??= input + output;
  }
}
