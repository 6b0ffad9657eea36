/**
 * What the SDK throws, in one tree; the Python SDK has the same.
 *
 *     ForefrontError                        all of it; itself for settings that cannot work
 *     ├── ParseError                        an answer came, but is not what `parse` was asked for
 *     └── APIError                          a request that did not succeed
 *         ├── APIUserAbortError             stopped by the caller's AbortSignal
 *         ├── APIConnectionError            no whole answer came: refused, no such host, cut off
 *         │   └── APITimeoutError           … none within the time allowed
 *         └── APIStatusError                the server answered with an error
 *             ├── BadRequestError           400  malformed, incomplete, or asks for what cannot be done
 *             │   └── UnprocessableEntityError  422  a field has the wrong type, is out of range or misspelt, or an idempotency key is used again
 *             ├── AuthenticationError       401  no valid key
 *             ├── PermissionDeniedError     403  out of credits
 *             ├── NotFoundError             404  unknown model or path
 *             ├── ConflictError             409  it clashes with another request
 *             ├── RateLimitError            429  over a limit
 *             └── InternalServerError       5xx  the server's fault
 *
 * Arguments that cannot be sent at all are a `TypeError`.
 */
import type { ChatCompletion } from "./answers.js";

/** Everything that this package throws of its own. */
export class ForefrontError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The answer is not what `parse` was asked for: no JSON, cut off by `max_tokens`, or refused by `validate`. */
export class ParseError extends ForefrontError {
  constructor(
    message: string,
    /** The answer as it came. */
    readonly completion: ChatCompletion,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The facts about a failed request. */
export interface Facts {
  code?: string | null | undefined;
  param?: string | null | undefined;
  requestID?: string | null | undefined;
  cause?: unknown;
}

/**
 * A request that did not succeed. `detail` is what went wrong and `code` (`model_not_found`) says it to programs;
 * `param` names the request's field that is to blame, as a path (`messages[0].role`); `requestID` finds the request in
 * the server's log. `message` is all of that in one line.
 */
export class APIError extends ForefrontError {
  readonly status: number | undefined;
  readonly code: string | null;
  readonly param: string | null;
  readonly requestID: string | null;

  constructor(
    readonly detail: string,
    facts: Facts = {},
    kind: string = facts.code ?? "",
    status?: number,
  ) {
    const shown = [kind, facts.requestID ? `request ${facts.requestID}` : ""].filter(Boolean).join(", ");
    super(shown ? `${detail} (${shown})` : detail, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.status = status;
    this.code = facts.code ?? null;
    this.param = facts.param ?? null;
    this.requestID = facts.requestID ?? null;
  }
}

/** Stopped by the caller's `AbortSignal`. */
export class APIUserAbortError extends APIError {}

/** No whole answer came: the connection was refused, the host not found, or the answer cut off. */
export class APIConnectionError extends APIError {}

/** Nothing came within the time allowed. `total`: the time for the whole call is over, so there was no other try. */
export class APITimeoutError extends APIConnectionError {
  constructor(
    detail: string,
    facts: Facts = {},
    readonly total: boolean = false,
  ) {
    super(detail, facts);
  }
}

/**
 * The server answered with an error. `status` is the HTTP status; an error inside a stream, which began with 200, has
 * the status of its code. `body` is the response's body: what its JSON says, else its text. `retryAfter` is how many
 * seconds the server asks to wait, null when it does not say.
 */
export class APIStatusError extends APIError {
  declare readonly status: number;
  readonly retryAfter: number | null;

  constructor(
    detail: string,
    status: number,
    readonly body: unknown = undefined,
    readonly headers: Headers = new Headers(),
    facts: Facts = {},
  ) {
    const retryAfter = readRetryAfter(headers);
    const kind = [
      facts.code ? `${status} ${facts.code}` : `${status}`,
      ...(retryAfter === null ? [] : [`retry after ${Number(retryAfter.toFixed(3))} s`]),
    ].join(", ");
    super(detail, facts, kind, status);
    this.retryAfter = retryAfter;
  }
}

export class BadRequestError extends APIStatusError {}
export class AuthenticationError extends APIStatusError {}
export class PermissionDeniedError extends APIStatusError {}
export class NotFoundError extends APIStatusError {}
export class ConflictError extends APIStatusError {}
export class UnprocessableEntityError extends BadRequestError {}
export class RateLimitError extends APIStatusError {}
export class InternalServerError extends APIStatusError {}

const BY_STATUS: Record<number, typeof APIStatusError> = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  422: UnprocessableEntityError,
  429: RateLimitError,
};

/** The class that stands for an HTTP status. */
export function errorFor(status: number): typeof APIStatusError {
  return BY_STATUS[status] ?? (status >= 500 ? InternalServerError : APIStatusError);
}

/** Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date); null when neither says. */
function readRetryAfter(headers: Headers): number | null {
  const ms = decimal(headers.get("retry-after-ms"));
  if (ms !== null) {
    return ms / 1000;
  }
  const value = headers.get("retry-after");
  const seconds = decimal(value);
  if (seconds !== null || value === null) {
    return seconds;
  }
  const date = /[a-z]/i.test(value) ? Date.parse(value) : Number.NaN; // else it would take -1 for the year 2001
  return Number.isNaN(date) ? null : Math.max(0, (date - Date.now()) / 1000);
}

function decimal(text: string | null): number | null {
  return text !== null && /^\s*\d{1,12}(\.\d{0,9})?\s*$/.test(text) ? Number(text) : null;
}
