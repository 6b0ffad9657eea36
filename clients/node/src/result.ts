/** Reading answers, leniently: what a newer server adds stays, what one of another make leaves out is filled in. */
import { isObject, readJSON, type Reply, unreadable } from "./failure.js";
import type { ChatCompletion, ChatCompletionChunk, Completion, Model, ModelList, Preflight } from "./answers.js";

type Body = Record<string, unknown>;

/** A whole answer. Throws `APIError` when the body is none. */
export function readCompletion(reply: Reply): ChatCompletion {
  return complete(objectWith(reply, "choices", "a chat completion"));
}

/** A whole answer from what was sent as one, or put together from chunks. */
export function complete(body: Body): ChatCompletion {
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

/** A continued text. Throws `APIError` when the body is none. */
export function readText(reply: Reply): Completion {
  return withUsage(objectWith(reply, "choices", "a completion")) as unknown as Completion;
}

/** One event of a stream of text. */
export function readTextChunk(body: Body): Completion {
  return withUsage(body) as unknown as Completion;
}

/** What would become of a request. Throws `APIError` when the body does not say. */
export function readPreflight(reply: Reply): Preflight {
  const body = readJSON(reply.text);
  if (!isObject(body) || !("prompt_tokens" in body)) {
    throw unreadable(reply, "a preflight");
  }
  return body as unknown as Preflight;
}

/** The list of models. Throws `APIError` when the body is none. */
export function readModels(reply: Reply): ModelList {
  return objectWith(reply, "data", "a list of models") as unknown as ModelList;
}

/** One model. Throws `APIError` when the body is none. */
export function readModel(reply: Reply): Model {
  const body = readJSON(reply.text);
  if (!isObject(body) || !("id" in body)) {
    throw unreadable(reply, "a model");
  }
  return body as unknown as Model;
}

function objectWith(reply: Reply, listName: string, what: string): Body {
  const body = readJSON(reply.text);
  if (!isObject(body) || !Array.isArray(body[listName])) {
    throw unreadable(reply, what);
  }
  return body;
}

function withUsage(body: Body): Body {
  completeUsage(body);
  return body;
}

/** Give the counts under both namings, whichever of the two the server uses. */
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
