/** The bytes of a streamed response. */
import type { AbortTimeout } from "./abort-timeout.js";
import { requestID } from "./error-parsing.js";
import { connectionError } from "./transport-errors.js";

/** Wait for the end of the body after the end of the stream, in milliseconds. */
const END_TIMEOUT = 1000;

/** A response with a body to read. */
export class ResponseStream {
  readonly requestID: string | null;
  private readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  private finished = false;

  constructor(
    private readonly baseURL: string,
    response: Response,
    private readonly timeout: AbortTimeout,
  ) {
    this.requestID = requestID(response.headers);
    this.reader = response.body?.getReader();
    // A `fetch` of the caller's may ignore the signal while it reads the body.
    timeout.controller.signal.addEventListener("abort", () => this.reader?.cancel().catch(() => {}));
    timeout.unref();
  }

  /** Its abort releases the connection; the server then stops generating. */
  get controller(): AbortController {
    return this.timeout.controller;
  }

  /** The next part of the body; undefined at its end, and after an abort of `controller`. Throws `APIError`. */
  async next(): Promise<Uint8Array | undefined> {
    try {
      const item = await this.reader?.read();
      if (this.timeout.failure) {
        throw this.timeout.failure;
      }
      this.timeout.dataReceived();
      return item?.value;
    } catch (error) {
      if (this.controller.signal.aborted && !this.timeout.failure) {
        return undefined;
      }
      throw this.timeout.failure ?? connectionError(this.baseURL, error);
    }
  }

  /** The stream is complete. A connection that reaches the body's end too can be reused. */
  finish(): void {
    this.finished = true;
    this.timeout.close();
    const timer = setTimeout(() => this.controller.abort(), END_TIMEOUT);
    const rest = this.reader?.read() ?? Promise.resolve({ done: true });
    rest.then(({ done }) => done || this.controller.abort(), () => {}).finally(() => clearTimeout(timer));
  }

  /** Release the connection. Has no effect when repeated, and after `finish`. */
  close(): void {
    if (!this.finished) {
      this.timeout.close();
      this.controller.abort();
    }
  }
}
