/** The retry policy: the failures that are retried, and the waits. No I/O and no clock. */
import { APIConnectionError, APIStatusError, APITimeoutError } from "./errors.js";

/** The longest wait that a server may request, in seconds. For a longer one the error is thrown. */
export const MAX_WAIT = 60;

const FIRST_WAIT = 0.5;
const LONGEST_BACKOFF = 8;

/**
 * Seconds to wait after attempt number `attempt` (from 0), or null to give up and throw `error`.
 *
 * Retried: failed connections, 408, 429, 5xx, and responses with `x-should-retry: true`. `random` is from 0 to 1; it
 * shortens waits that the server did not choose, so that clients do not retry in step.
 */
export function waitBeforeRetry(error: unknown, attempt: number, maxRetries: number, random: number): number | null {
  if (attempt >= maxRetries || !isRetryable(error)) {
    return null;
  }
  if (error instanceof APIStatusError && error.retryAfter !== null) {
    return error.retryAfter <= MAX_WAIT ? error.retryAfter : null;
  }
  return Math.min(FIRST_WAIT * 2 ** attempt, LONGEST_BACKOFF) * (1 - random / 4);
}

function isRetryable(error: unknown): boolean {
  if (error instanceof APIStatusError) {
    const advice = error.headers.get("x-should-retry");
    if (advice === "true" || advice === "false") {
      return advice === "true";
    }
    return error.status === 408 || error.status === 429 || error.status >= 500;
  }
  return error instanceof APIConnectionError && !(error instanceof APITimeoutError && error.total);
}
