/** Streams that accumulate a completion. */
import type { Accumulator } from "./accumulate.js";
import type { Stream } from "./stream.js";
import type { ChatCompletion, ChatCompletionChunk, ResponseMessage } from "./types.js";

/**
 * A streamed completion: its chunks, its text, and the completion that they add up to. Read it once, as chunks
 * (`for await (const chunk of stream)`) or as text (`for await (const piece of stream.text)`).
 */
export class ChatStream implements AsyncIterable<ChatCompletionChunk> {
  constructor(
    private readonly stream: Stream<ChatCompletionChunk>,
    private readonly accumulator: Accumulator,
  ) {}

  /** Its abort ends the stream without an error; the server then stops generating. */
  get controller(): AbortController {
    return this.stream.controller;
  }

  /** The first choice's text as it arrives. */
  get text(): AsyncIterable<string> {
    return texts(this.stream);
  }

  /** The completion so far. */
  get completion(): ChatCompletion {
    return this.accumulator.completion();
  }

  /** The message of the first choice so far. */
  get message(): ResponseMessage {
    return this.completion.message;
  }

  [Symbol.asyncIterator](): AsyncIterator<ChatCompletionChunk, void, undefined> {
    return this.stream[Symbol.asyncIterator]();
  }

  /** Read the rest and return the whole completion, with its usage. */
  async finalCompletion(): Promise<ChatCompletion> {
    for await (const _ of this.stream) {
      // The accumulator sees each chunk as it is read.
    }
    return this.completion;
  }

  /** Stop the response and release the connection. */
  close(): void {
    this.stream.close();
  }
}

async function* texts(stream: Stream<ChatCompletionChunk>): AsyncGenerator<string, void, undefined> {
  for await (const chunk of stream) {
    // Any part may be missing, or have another type.
    for (const choice of Array.isArray(chunk.choices) ? chunk.choices : []) {
      const content: unknown = choice?.delta?.content;
      if ((choice?.index ?? 0) === 0 && typeof content === "string" && content) {
        yield content;
      }
    }
  }
}
