/** The bytes of a streamed response. */
import type { AbortTimeout } from "./abort-timeout.js";
import { requestID } from "./error-parsing.js";
import { connectionError } from "./transport-errors.js";

/** Wait for the end of the body after the end of the stream, in milliseconds. */
const END_TIMEOUT = 1000;

/** A response with a body to read. */
export class ResponseStream {
  readonly requestID: string | null;
  /** Its abort releases the connection; the server then stops generating. */
  readonly controller: AbortController;
  private reader!: ReadableStreamDefaultReader<Uint8Array> | undefined;
  private finished = false;

  /** `reopen` requests a response that continues after the event with an id. It also returns its time limit. */
  constructor(
    private readonly baseURL: string,
    response: Response,
    private timeout: AbortTimeout,
    private readonly reopen?: (lastID: string, failure: unknown) => Promise<{ response: Response; timeout: AbortTimeout }>,
  ) {
    this.requestID = requestID(response.headers);
    this.controller = timeout.controller;
    this.read(response, timeout);
  }

  private read(response: Response, timeout: AbortTimeout): void {
    const reader = response.body?.getReader();
    this.reader = reader;
    this.timeout = timeout;
    // A `fetch` of the caller's may ignore the signal while it reads the body.
    timeout.controller.signal.addEventListener("abort", () => reader?.cancel().catch(() => {}));
    timeout.unref();
  }

  /** After `failure`, read a new body that continues after the event with that id. Throws `failure` if there is none. */
  async resume(lastID: string | null, failure: unknown): Promise<void> {
    if (!this.reopen || lastID === null || this.controller.signal.aborted) {
      throw failure;
    }
    this.timeout.close();
    const { response, timeout } = await this.reopen(lastID, failure);
    if (timeout.controller !== this.controller) {
      this.controller.signal.addEventListener("abort", () => timeout.controller.abort());
    }
    this.read(response, timeout);
    if (this.controller.signal.aborted) {
      timeout.controller.abort();
      throw failure;
    }
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
