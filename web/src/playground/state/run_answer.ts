import type { ApiClient } from "../../api/client";
import { explain } from "../../api/errors";
import { AnswerAccumulator } from "../answer/accumulate";
import { parseComment, type Progress } from "../answer/progress";
import type { AnswerMessage } from "../conversation/message";
import type { RequestBody } from "../request/body";

export type AnswerChange = Partial<AnswerMessage>;

export interface RunHandlers {
  onChange(change: AnswerChange): void;
  onProgress(progress: Progress): void;
}

const HEADERS: readonly (readonly [string, string])[] = [
  ["x-ignored-params", "Parameters without effect"],
  ["x-unenforced-keywords", "Schema keywords without effect"],
];

/**
 * Runs one request and reports the growing answer, at most once in each frame. The last change has the final status:
 * what has arrived is part of it. Returns the error of an answer that failed, else null.
 */
export async function runAnswer(
  client: ApiClient,
  body: RequestBody,
  prefix: string,
  signal: AbortSignal,
  handlers: RunHandlers,
): Promise<unknown> {
  const answer = new AnswerAccumulator(prefix);
  const sent = performance.now();
  let first: number | null = null;
  let last = 0;
  const change = (): AnswerChange => ({ ...answer.fields(), timing: first === null ? null : { first, last } });
  const frames = new Frames(() => handlers.onChange({ ...change(), status: "streaming" }));
  try {
    await client.stream("/v1/chat/completions", body, signal, {
      onOpen: ({ headers }) => {
        const notes = HEADERS.filter(([name]) => headers.get(name)).map(([name, label]) => `${label}: ${headers.get(name)}`);
        if (notes.length) handlers.onChange({ notes });
      },
      onEvent: (data) => {
        answer.add(data);
        if (!answer.begun) return;
        last = performance.now() - sent;
        first ??= last;
        frames.request();
      },
      onComment: (comment) => {
        const progress = parseComment(comment);
        if (progress) handlers.onProgress(progress);
      },
    });
    handlers.onChange({ ...change(), status: "complete" });
    return null;
  } catch (error) {
    if (signal.aborted) {
      handlers.onChange({ ...change(), status: "stopped" });
      return null;
    }
    const problem = error instanceof SyntaxError ? "The server sent an unreadable event." : explain(error);
    handlers.onChange({ ...change(), status: "failed", problem });
    return error;
  } finally {
    frames.cancel();
  }
}

/** Calls back once in the next frame; within a quarter of a second in a tab that is not shown. */
class Frames {
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly callback: () => void) {}

  request(): void {
    if (this.timer !== null) return;
    this.frame = requestAnimationFrame(() => this.call());
    this.timer = setTimeout(() => this.call(), 250);
  }

  cancel(): void {
    cancelAnimationFrame(this.frame);
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private call(): void {
    this.cancel();
    this.callback();
  }
}
