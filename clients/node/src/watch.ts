/** The time limits of one try, and the caller's wish to stop it. */
import { type APIError, APITimeoutError, APIUserAbortError } from "./errors.js";

const LONGEST_TIMER = 2 ** 31 - 1;

/** Aborts `controller` when the server is silent for too long, the call takes too long, or the caller wants no more. */
export class Watch {
  readonly controller = new AbortController();
  /** Why it was aborted; undefined when it was not, or by whoever holds `controller`. */
  failure: APIError | undefined;
  private lastHeard = performance.now();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private relaxed = false;
  private readonly stop = () => this.fail(new APIUserAbortError("The request was aborted."));

  /** `read` is in milliseconds, `end` a time of `performance.now()`. */
  constructor(
    private readonly baseURL: string,
    private readonly read: number | null,
    private readonly end: number | null,
    private readonly signal: AbortSignal | null,
  ) {
    if (signal?.aborted) {
      this.stop();
      return;
    }
    signal?.addEventListener("abort", this.stop);
    this.check();
  }

  /** Something came from the server. */
  heard(): void {
    this.lastHeard = performance.now();
  }

  /** From now on, the timer alone does not keep the process alive: a stream may be forgotten by its owner. */
  relax(): void {
    this.relaxed = true;
    (this.timer as { unref?: () => void } | undefined)?.unref?.();
  }

  /** No more limits: the try is over. */
  close(): void {
    clearTimeout(this.timer);
    this.signal?.removeEventListener("abort", this.stop);
  }

  private readonly check = (): void => {
    const now = performance.now();
    const left = [
      this.read === null ? LONGEST_TIMER : this.lastHeard + this.read - now,
      this.end === null ? LONGEST_TIMER : this.end - now,
    ] as const;
    if (left[1] <= 0) {
      this.fail(new APITimeoutError(`The answer of ${this.baseURL} took longer than the time allowed.`, {}, true));
    } else if (left[0] <= 0) {
      this.fail(new APITimeoutError(`Nothing came from ${this.baseURL} for ${(this.read ?? 0) / 1000} s.`));
    } else {
      this.timer = setTimeout(this.check, Math.min(...left, LONGEST_TIMER));
      if (this.relaxed) {
        this.relax();
      }
    }
  };

  private fail(failure: APIError): void {
    this.close();
    this.failure ??= failure;
    this.controller.abort(this.failure);
  }
}
