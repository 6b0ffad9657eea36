/** A streamed answer that is put together while it comes. */
import type { Accumulator } from "./accumulate.js";
import type { Stream } from "./stream.js";
import type { ChatCompletion, ChatCompletionChunk, ResponseMessage } from "./answers.js";

/**
 * A streamed answer: its chunks, its text, and the completion that they make. To be read once, as chunks
 * (`for await (const chunk of stream)`) or as text (`for await (const piece of stream.text)`).
 */
export class ChatStream implements AsyncIterable<ChatCompletionChunk> {
  constructor(
    private readonly stream: Stream<ChatCompletionChunk>,
    private readonly accumulator: Accumulator,
  ) {}

  /** Aborting it ends the stream without an error; the server then stops generating. */
  get controller(): AbortController {
    return this.stream.controller;
  }

  /** The first choice's text, as it comes. */
  get text(): AsyncIterable<string> {
    return texts(this.stream);
  }

  /** What has come so far. */
  get completion(): ChatCompletion {
    return this.accumulator.completion();
  }

  /** What has come of the first choice so far. */
  get message(): ResponseMessage {
    return this.completion.message;
  }

  [Symbol.asyncIterator](): AsyncIterator<ChatCompletionChunk, void, undefined> {
    return this.stream[Symbol.asyncIterator]();
  }

  /** Read what is left; the whole completion, with its usage. */
  async finalCompletion(): Promise<ChatCompletion> {
    for await (const _ of this.stream) {
      // The accumulator sees each chunk as it is read.
    }
    return this.completion;
  }

  /** Stop the answer and let the connection go. */
  close(): void {
    this.stream.close();
  }
}

async function* texts(stream: Stream<ChatCompletionChunk>): AsyncGenerator<string, void, undefined> {
  for await (const chunk of stream) {
    for (const choice of chunk.choices) {
      if ((choice.index ?? 0) === 0 && choice.delta?.content) {
        yield choice.delta.content;
      }
    }
  }
}
