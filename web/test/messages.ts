import type { AnswerMessage, UserMessage } from "../src/playground/conversation/message";
import { DEFAULTS } from "../src/playground/request/settings";

export function user(id: string, parent: string | null, sequence: number, text = id): UserMessage {
  return { id, parent, sequence, conversation: "c", created: 0, role: "user", text, images: [] };
}

export function answer(id: string, parent: string, sequence: number, more: Partial<AnswerMessage> = {}): AnswerMessage {
  return {
    id,
    parent,
    sequence,
    conversation: "c",
    created: 0,
    role: "assistant",
    settings: { ...DEFAULTS, model: "m" },
    prefix: "",
    pair: null,
    text: id,
    reasoning: "",
    calls: [],
    status: "complete",
    finish: "stop",
    problem: null,
    logprobs: [],
    usage: null,
    receipt: null,
    timing: null,
    notes: [],
    ...more,
  };
}
