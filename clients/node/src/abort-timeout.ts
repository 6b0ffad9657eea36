/** Time limits of one attempt, and its abort by the caller. */
import { type APIError, APITimeoutError, APIUserAbortError } from "./errors.js";

const MAX_TIMER = 2 ** 31 - 1;

/** Aborts `controller` at the read timeout, at the end of the call's time, and when the caller's signal aborts. */
export class AbortTimeout {
  readonly controller = new AbortController();
  /** The reason; undefined without an abort, and when the owner of `controller` aborted it. */
  failure: APIError | undefined;
  private lastData = performance.now();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private unreferenced = false;
  private readonly abort = () => this.fail(new APIUserAbortError("The request was aborted."));

  /** `read` is in milliseconds, `end` a time of `performance.now()`. */
  constructor(
    private readonly baseURL: string,
    private readonly read: number | null,
    private readonly end: number | null,
    private readonly signal: AbortSignal | null,
  ) {
    if (signal?.aborted) {
      this.abort();
      return;
    }
    signal?.addEventListener("abort", this.abort);
    this.check();
  }

  /** Data has arrived: the read timeout starts again. */
  dataReceived(): void {
    this.lastData = performance.now();
  }

  /** The timer no longer keeps the process alive: the stream may have no reader any more. */
  unref(): void {
    this.unreferenced = true;
    (this.timer as { unref?: () => void } | undefined)?.unref?.();
  }

  /** The attempt is over: no more limits. */
  close(): void {
    clearTimeout(this.timer);
    this.signal?.removeEventListener("abort", this.abort);
  }

  private readonly check = (): void => {
    const now = performance.now();
    const readLeft = this.read === null ? MAX_TIMER : this.lastData + this.read - now;
    const totalLeft = this.end === null ? MAX_TIMER : this.end - now;
    if (totalLeft <= 0) {
      const text = `The response from ${this.baseURL} took longer than the total timeout.`;
      this.fail(new APITimeoutError(text, {}, true));
    } else if (readLeft <= 0) {
      this.fail(new APITimeoutError(`No data from ${this.baseURL} for ${(this.read ?? 0) / 1000} s.`));
    } else {
      this.timer = setTimeout(this.check, Math.min(readLeft, totalLeft, MAX_TIMER));
      if (this.unreferenced) {
        this.unref();
      }
    }
  };

  private fail(failure: APIError): void {
    this.close();
    this.failure ??= failure;
    this.controller.abort(this.failure);
  }
}
