import { normalise as normaliseSettings } from "../request/settings";
import { newId, type AnswerMessage, type Conversation, type Message, type ToolCall, type Transcript } from "./message";

const FORMAT = "forefront-conversations";
const VERSION = 1;

/** A file of conversations could not be read. */
export class ImportError extends Error {}

export function exportText(transcripts: readonly Transcript[]): string {
  return JSON.stringify({ format: FORMAT, version: VERSION, conversations: transcripts }, null, 1);
}

/**
 * The conversations of an exported file, with new ids, so that an import replaces nothing. Every field is checked: files
 * are untrusted. Throws `ImportError`.
 */
export function importText(text: string): Transcript[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    throw new ImportError("The file is not JSON.");
  }
  if (!isObject(file) || file["format"] !== FORMAT || !Array.isArray(file["conversations"])) {
    throw new ImportError("The file has no conversations that this page exported.");
  }
  if (file["version"] !== VERSION) throw new ImportError("The file was exported by another version of this page.");
  return file["conversations"].map(readTranscript);
}

function readTranscript(value: unknown): Transcript {
  if (!isObject(value) || !isObject(value["conversation"]) || !Array.isArray(value["messages"])) {
    throw new ImportError("A conversation of the file has no messages.");
  }
  const raw = value["conversation"];
  const id = newId();
  const ids = new Map<string, string>();
  for (const message of value["messages"]) {
    if (!isObject(message) || typeof message["id"] !== "string") throw new ImportError("A message has no id.");
    ids.set(message["id"], newId());
  }
  const conversation: Conversation = {
    id,
    title: text(raw["title"]).slice(0, 200) || "Imported conversation",
    created: number(raw["created"]),
    updated: number(raw["updated"]),
    chosen: Object.fromEntries(
      Object.entries(isObject(raw["chosen"]) ? raw["chosen"] : {}).flatMap(([parent, child]) => {
        const [from, to] = [parent === "" ? "" : ids.get(parent), ids.get(text(child))];
        return from === undefined || to === undefined ? [] : [[from, to]];
      }),
    ),
  };
  return { conversation, messages: value["messages"].map((message, at) => readMessage(message, at, id, ids)) };
}

function readMessage(
  raw: Record<string, unknown>,
  sequence: number,
  conversation: string,
  ids: ReadonlyMap<string, string>,
): Message {
  const parent = typeof raw["parent"] === "string" ? (ids.get(raw["parent"]) ?? null) : null;
  const node = { id: ids.get(raw["id"] as string)!, conversation, parent, created: number(raw["created"]), sequence };
  const common = { ...node, text: text(raw["text"]) };
  if (raw["role"] === "user") {
    const images = list(raw["images"]).filter((image): image is string => /^data:image\//.test(text(image)));
    return { ...common, role: "user", images };
  }
  if (raw["role"] === "tool") return { ...common, role: "tool", call: text(raw["call"]), name: text(raw["name"]) };
  if (raw["role"] !== "assistant") throw new ImportError("A message has an unknown role.");
  return {
    ...common,
    role: "assistant",
    settings: normaliseSettings(raw["settings"]),
    prefix: text(raw["prefix"]),
    pair: typeof raw["pair"] === "string" ? raw["pair"] : null,
    reasoning: text(raw["reasoning"]),
    calls: list(raw["calls"]).filter(isCall),
    status: raw["status"] === "complete" ? "complete" : "stopped",
    finish: typeof raw["finish"] === "string" ? raw["finish"] : null,
    problem: typeof raw["problem"] === "string" ? raw["problem"] : null,
    logprobs: list(raw["logprobs"]).filter(isLogprob),
    usage: isUsage(raw["usage"]) ? raw["usage"] : null,
    receipt: isReceipt(raw["receipt"]) ? raw["receipt"] : null,
    timing: isTiming(raw["timing"]) ? raw["timing"] : null,
    notes: [...new Set(list(raw["notes"]).map(text))].filter(Boolean),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCall(value: unknown): value is ToolCall {
  return isObject(value) && ["id", "name", "arguments"].every((name) => typeof value[name] === "string");
}

function isAlternative(value: unknown): boolean {
  if (!isObject(value) || typeof value["token"] !== "string" || typeof value["logprob"] !== "number") return false;
  return value["bytes"] == null || (Array.isArray(value["bytes"]) && value["bytes"].every(Number.isInteger));
}

function isLogprob(value: unknown): value is AnswerMessage["logprobs"][number] {
  return isAlternative(value) && list((value as Record<string, unknown>)["top_logprobs"]).every(isAlternative);
}

function isUsage(value: unknown): value is NonNullable<AnswerMessage["usage"]> {
  if (!isObject(value)) return false;
  const details = value["prompt_tokens_details"];
  const cached = isObject(details) ? details["cached_tokens"] : 0;
  return [value["prompt_tokens"], value["completion_tokens"], cached].every((count) => typeof count === "number");
}

/** Objects within each other, to the depth of those of a server. */
function isReceipt(value: unknown, depth = 3): value is NonNullable<AnswerMessage["receipt"]> {
  if (!isObject(value)) return false;
  return Object.values(value).every((member) => typeof member !== "object" || member === null || (depth > 0 && isReceipt(member, depth - 1)));
}

function isTiming(value: unknown): value is NonNullable<AnswerMessage["timing"]> {
  return isObject(value) && ["first", "last"].every((name) => typeof value[name] === "number");
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function list(value: unknown): any[] {
  return Array.isArray(value) ? value : [];
}
