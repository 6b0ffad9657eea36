/** Streamed responses. */
import { APIConnectionError, APIError } from "./errors.js";
import { isObject, readJSON, streamError } from "./error-parsing.js";
import type { ResponseStream } from "./response-stream.js";
import { show } from "./json-body.js";
import { EventTooLongError, SSEDecoder } from "./sse.js";

/**
 * Closes streams without references. It registers the generator, because a `for await` holds only that. In engines
 * without the registry, the time limit releases the connection.
 */
const abandoned =
  typeof FinalizationRegistry === "undefined"
    ? undefined
    : new FinalizationRegistry<ResponseStream>((response) => response.close());

/** Makes an item of the stream from an event's JSON. */
export type Read<T> = (body: Record<string, unknown>) => T;

/**
 * The chunks of a response as they arrive. Read it once, with `for await`.
 *
 * The connection is released at the end of the stream, at an error, when the loop is left, by `close()`, and when the
 * stream is garbage collected. Throws `APIError` in place of the item where the error occurs, also when the connection
 * ends before the response is complete.
 */
export class Stream<T> implements AsyncIterable<T> {
  private readonly items: AsyncGenerator<T, void, undefined>;

  constructor(
    private readonly response: ResponseStream,
    read: Read<T>,
    isLast?: (item: T) => boolean,
  ) {
    this.items = iterate(response, read, isLast);
    abandoned?.register(this.items, response);
  }

  /** Its abort ends the stream without an error and releases the connection; the server then stops generating. */
  get controller(): AbortController {
    return this.response.controller;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, void, undefined> {
    return this.items;
  }

  /** Stop the response and release the connection. */
  close(): void {
    this.response.close();
  }
}

async function* iterate<T>(
  response: ResponseStream,
  read: Read<T>,
  isLast?: (item: T) => boolean,
): AsyncGenerator<T, void, undefined> {
  let decoder = new SSEDecoder();
  try {
    for (;;) {
      const piece = await nextPiece(response, decoder);
      if (piece === "aborted") {
        return;
      }
      if (piece === "resumed") {
        const { lastID } = decoder;
        decoder = new SSEDecoder();
        decoder.lastID = lastID;
        continue;
      }
      for (const data of events(decoder, piece, response.requestID)) {
        if (data.trim() === "[DONE]") {
          response.finish();
          return;
        }
        const made = item(data, read, response.requestID);
        yield made;
        if (isLast?.(made)) {
          response.finish();
          return;
        }
        if (response.controller.signal.aborted) {
          break; // the next part is its reason
        }
      }
    }
  } finally {
    response.close();
  }
}

/** The next part of the body. Where it ends too early, the stream is resumed after the last event with an id. */
async function nextPiece(response: ResponseStream, decoder: SSEDecoder): Promise<Uint8Array | "aborted" | "resumed"> {
  let failure: unknown;
  try {
    const piece = await response.next();
    if (piece) {
      return piece;
    }
    if (response.controller.signal.aborted) {
      return "aborted";
    }
    const details = { requestID: response.requestID };
    failure = new APIConnectionError("The connection ended before the response was complete.", details);
  } catch (error) {
    failure = error;
  }
  await response.resume(decoder.lastID, failure);
  return "resumed";
}

function* events(decoder: SSEDecoder, piece: Uint8Array, id: string | null): Generator<string, void, undefined> {
  try {
    yield* decoder.feed(piece);
  } catch (error) {
    throw error instanceof EventTooLongError
      ? new APIError("The stream has an event of excessive length.", { requestID: id })
      : error;
  }
}

function item<T>(data: string, read: Read<T>, id: string | null): T {
  const body = readJSON(data);
  if (!isObject(body)) {
    throw new APIError("The stream has an event that is not a JSON object.", { requestID: id });
  }
  const error = body["type"] === "error" && "message" in body ? body : body["error"];
  if (error) {
    throw streamError(error, id);
  }
  try {
    return read(body);
  } catch (error) {
    throw new APIError(`The stream has an event that cannot be read: ${show(error)}.`, { requestID: id, cause: error });
  }
}
