/** A stream's bytes, and how its connection is let go. */
import { requestID } from "./failure.js";
import { connectionFailure } from "./unreachable.js";
import type { Watch } from "./watch.js";

/** How long the end of a body may take after the stream's own end, in milliseconds. */
const LINGER = 1000;

/** A response whose body is still to come. */
export class Incoming {
  readonly requestID: string | null;
  private readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  private finished = false;

  constructor(
    private readonly baseURL: string,
    response: Response,
    private readonly watch: Watch,
  ) {
    this.requestID = requestID(response.headers);
    this.reader = response.body?.getReader();
    // A `fetch` of the caller's own may not obey the signal within the body.
    watch.controller.signal.addEventListener("abort", () => this.reader?.cancel().catch(() => {}));
    watch.relax();
  }

  /** Aborting it lets the connection go; the server then stops generating. */
  get controller(): AbortController {
    return this.watch.controller;
  }

  /** The next piece of the body; undefined at its end, and when `controller` has been aborted. Throws `APIError`. */
  async next(): Promise<Uint8Array | undefined> {
    try {
      const item = await this.reader?.read();
      if (this.watch.failure) {
        throw this.watch.failure;
      }
      this.watch.heard();
      return item?.value;
    } catch (error) {
      if (this.controller.signal.aborted && !this.watch.failure) {
        return undefined;
      }
      throw this.watch.failure ?? connectionFailure(this.baseURL, error);
    }
  }

  /** The stream has said that it is complete. A connection that comes to its body's end too can be used again. */
  finish(): void {
    this.finished = true;
    this.watch.close();
    const timer = setTimeout(() => this.controller.abort(), LINGER);
    const rest = this.reader?.read() ?? Promise.resolve({ done: true });
    rest.then(({ done }) => done || this.controller.abort(), () => {}).finally(() => clearTimeout(timer));
  }

  /** Let the connection go; harmless when repeated, and after `finish`. */
  close(): void {
    if (!this.finished) {
      this.watch.close();
      this.controller.abort();
    }
  }
}
