import type { AnswerMessage, Receipt, TokenLogprob, ToolCall, Usage } from "../conversation/message";

interface Chunk {
  choices?: {
    index: number;
    delta?: {
      content?: string | null;
      reasoning_content?: string | null;
      reasoning?: string | null;
      tool_calls?: { index: number; id?: string; function?: { name?: string; arguments?: string } }[];
    };
    logprobs?: { content?: TokenLogprob[] | null } | null;
    finish_reason?: string | null;
  }[];
  usage?: Usage | null;
  receipt?: Receipt | null;
}

type Fields = Pick<AnswerMessage, "text" | "reasoning" | "calls" | "finish" | "logprobs" | "usage" | "receipt">;

/** The parts of an answer so far, from the chunks of its stream. Adding a chunk takes time linear in its length. */
export class AnswerAccumulator {
  private text: string;
  private reasoning = "";
  private readonly calls: { id: string; name: string; arguments: string }[] = [];
  private readonly logprobs: TokenLogprob[] = [];
  private finish: string | null = null;
  private usage: Usage | null = null;
  private receipt: Receipt | null = null;
  /** Whether anything of the answer has arrived. */
  begun = false;

  constructor(prefix: string) {
    this.text = prefix;
  }

  /** Throws `SyntaxError` for data that is no JSON. */
  add(data: string): void {
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.usage) this.usage = chunk.usage;
    if (chunk.receipt) this.receipt = chunk.receipt;
    for (const { delta, logprobs, finish_reason } of chunk.choices ?? []) {
      this.text += delta?.content ?? "";
      this.reasoning += delta?.reasoning_content ?? delta?.reasoning ?? "";
      for (const call of delta?.tool_calls ?? []) this.addCall(call.index, call.id, call.function);
      for (const token of logprobs?.content ?? []) this.logprobs.push(token);
      this.finish = finish_reason ?? this.finish;
      this.begun ||= Boolean(delta?.content || delta?.reasoning_content || delta?.reasoning || delta?.tool_calls);
    }
  }

  /** The same arrays each time for what only grows. */
  fields(): Fields {
    const { text, reasoning, finish, logprobs, usage, receipt } = this;
    const calls: ToolCall[] = this.calls.filter(Boolean).map((call) => ({ ...call }));
    return { text, reasoning, calls, finish, logprobs, usage, receipt };
  }

  private addCall(index: number, id: string | undefined, delta: { name?: string; arguments?: string } | undefined): void {
    if (!Number.isInteger(index) || index < 0 || index > 1000) return;
    const call = (this.calls[index] ??= { id: "", name: "", arguments: "" });
    call.id = id ?? call.id;
    call.name += delta?.name ?? "";
    call.arguments += delta?.arguments ?? "";
  }
}
