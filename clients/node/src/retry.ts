/** When a failed call is tried again, and after how long. No I/O and no clock. */
import { APIConnectionError, APIStatusError, APITimeoutError } from "./errors.js";

/** The longest that a server can make a call wait, in seconds; asked for more, the error is thrown instead. */
export const MAX_WAIT = 60;

const FIRST_WAIT = 0.5;
const LONGEST_BACKOFF = 8;

/**
 * Seconds to wait before try number `attempt` + 1 (the first is 0), or null to give up and throw `error`.
 *
 * Tried again: connections that failed, 408, 429, 5xx, and whatever the server marks with `x-should-retry: true`.
 * `random` is from 0 to 1; it shortens waits that the server did not choose, so that clients do not come back in step.
 */
export function waitBeforeRetry(error: unknown, attempt: number, maxRetries: number, random: number): number | null {
  if (attempt >= maxRetries || !worthwhile(error)) {
    return null;
  }
  if (error instanceof APIStatusError && error.retryAfter !== null) {
    return error.retryAfter <= MAX_WAIT ? error.retryAfter : null;
  }
  return Math.min(FIRST_WAIT * 2 ** attempt, LONGEST_BACKOFF) * (1 - random / 4);
}

function worthwhile(error: unknown): boolean {
  if (error instanceof APIStatusError) {
    const advice = error.headers.get("x-should-retry");
    if (advice === "true" || advice === "false") {
      return advice === "true";
    }
    return error.status === 408 || error.status === 429 || error.status >= 500;
  }
  return error instanceof APIConnectionError && !(error instanceof APITimeoutError && error.total);
}
