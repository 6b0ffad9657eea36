/** Answers that come piece by piece. */
import { APIConnectionError, APIError } from "./errors.js";
import { isObject, readJSON, streamFailure } from "./failure.js";
import type { Incoming } from "./incoming.js";
import { EventTooLong, SSEDecoder } from "./sse.js";

/**
 * Closes streams that nobody will ever read to their end. What is watched is the generator, because a `for await` holds
 * that alone; engines without the registry let the connection go at the time limit.
 */
const forgotten =
  typeof FinalizationRegistry === "undefined"
    ? undefined
    : new FinalizationRegistry<Incoming>((incoming) => incoming.close());

/** From an event's JSON to an item of the stream. */
export type Read<T> = (body: Record<string, unknown>) => T;

/**
 * An answer's chunks as they come, to be read once, with `for await`.
 *
 * The connection is given back at the end of the stream, at an error, when the loop is left, by `close()`, and when
 * the stream is garbage collected. Throws `APIError` at whatever item it occurs, also when the connection ends before
 * the answer is complete.
 */
export class Stream<T> implements AsyncIterable<T> {
  private readonly items: AsyncGenerator<T, void, undefined>;

  constructor(
    private readonly incoming: Incoming,
    read: Read<T>,
  ) {
    this.items = iterate(incoming, read);
    forgotten?.register(this.items, incoming);
  }

  /** Aborting it ends the stream without an error and lets the connection go; the server then stops generating. */
  get controller(): AbortController {
    return this.incoming.controller;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, void, undefined> {
    return this.items;
  }

  /** Stop the answer and let the connection go. */
  close(): void {
    this.incoming.close();
  }
}

async function* iterate<T>(incoming: Incoming, read: Read<T>): AsyncGenerator<T, void, undefined> {
  const decoder = new SSEDecoder();
  try {
    for (let piece = await incoming.next(); piece; piece = await incoming.next()) {
      for (const data of events(decoder, piece, incoming.requestID)) {
        if (data.trim() === "[DONE]") {
          incoming.finish();
          return;
        }
        yield item(data, read, incoming.requestID);
        if (incoming.controller.signal.aborted) {
          break;
        }
      }
    }
    if (!incoming.controller.signal.aborted) {
      const facts = { requestID: incoming.requestID };
      throw new APIConnectionError("The connection ended before the answer was complete.", facts);
    }
  } finally {
    incoming.close();
  }
}

function* events(decoder: SSEDecoder, piece: Uint8Array, id: string | null): Generator<string, void, undefined> {
  try {
    yield* decoder.feed(piece);
  } catch (error) {
    throw error instanceof EventTooLong
      ? new APIError("The stream holds an event of excessive length.", { requestID: id })
      : error;
  }
}

function item<T>(data: string, read: Read<T>, id: string | null): T {
  const body = readJSON(data);
  if (!isObject(body)) {
    throw new APIError("The stream holds an event that is not a JSON object.", { requestID: id });
  }
  if (body["error"]) {
    throw streamFailure(body["error"], id);
  }
  return read(body);
}
