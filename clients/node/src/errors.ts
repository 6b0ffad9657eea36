/**
 * The errors of the SDK, in one tree; the Python SDK has the same.
 *
 *     ForefrontError                        base class; itself for a setup that cannot work
 *     ├── InvalidArgumentError              an argument that cannot be sent
 *     ├── ParseError                        the completion does not match the format given to `parse`
 *     └── APIError                          a failed request
 *         ├── APIUserAbortError             aborted by the caller's AbortSignal
 *         ├── APIConnectionError            no complete response: connection refused, unknown host, cut off
 *         │   └── APITimeoutError           no complete response within the time limit
 *         └── APIStatusError                the server responded with an error
 *             ├── BadRequestError           400  malformed, incomplete or unsupported
 *             │   └── UnprocessableEntityError  422  wrong type, out of range or misspelt field
 *             ├── AuthenticationError       401  missing or invalid key
 *             ├── PermissionDeniedError     403  out of credits
 *             ├── NotFoundError             404  unknown model or path
 *             ├── ConflictError             409  conflict with another request
 *             ├── RateLimitError            429  rate limit exceeded
 *             └── InternalServerError       5xx  server error
 */
import type { ChatCompletion } from "./types.js";

/** Base class of all errors of this package. Thrown itself for a setup that cannot work, such as a missing API key. */
export class ForefrontError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** An argument has the wrong type, an unusable value, or no JSON form. Nothing was sent. */
export class InvalidArgumentError extends ForefrontError {}

/** The completion does not match the format given to `parse`: not JSON, cut off by `max_tokens`, or another schema. */
export class ParseError extends ForefrontError {
  constructor(
    message: string,
    /** The whole completion. */
    readonly completion: ChatCompletion,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Details of a failed request. */
export interface ErrorDetails {
  code?: string | null | undefined;
  param?: string | null | undefined;
  requestID?: string | null | undefined;
  cause?: unknown;
}

/**
 * A failed request. `detail` is for humans, `code` (`model_not_found`) for programs. `param` is the path of the faulty
 * field (`messages[0].role`). `requestID` identifies the request in the server's log. `message` has all of that.
 */
export class APIError extends ForefrontError {
  readonly status: number | undefined;
  readonly code: string | null;
  readonly param: string | null;
  readonly requestID: string | null;

  constructor(
    readonly detail: string,
    details: ErrorDetails = {},
    kind: string = details.code ?? "",
    status?: number,
  ) {
    const shown = [kind, details.requestID ? `request ${details.requestID}` : ""].filter(Boolean).join(", ");
    super(shown ? `${detail} (${shown})` : detail, details.cause === undefined ? undefined : { cause: details.cause });
    this.status = status;
    this.code = details.code ?? null;
    this.param = details.param ?? null;
    this.requestID = details.requestID ?? null;
  }
}

/** Aborted by the caller's `AbortSignal`. */
export class APIUserAbortError extends APIError {}

/** No complete response: the connection was refused, the host is unknown, or the response was cut off. */
export class APIConnectionError extends APIError {}

/** No complete response within the time limit. `total`: the total timeout has passed, so there was no retry. */
export class APITimeoutError extends APIConnectionError {
  constructor(
    detail: string,
    details: ErrorDetails = {},
    readonly total: boolean = false,
  ) {
    super(detail, details);
  }
}

/**
 * The server responded with an error. `status` is the HTTP status; for an error inside a stream, which began with 200, the
 * status of its code. `body` is the response's body: the value of its JSON, else its text. `retryAfter` is the wait in
 * seconds that the server requests, or null.
 */
export class APIStatusError extends APIError {
  declare readonly status: number;
  readonly retryAfter: number | null;

  constructor(
    detail: string,
    status: number,
    readonly body: unknown = undefined,
    readonly headers: Headers = new Headers(),
    details: ErrorDetails = {},
  ) {
    const retryAfter = readRetryAfter(headers);
    const kind = [
      details.code ? `${status} ${details.code}` : `${status}`,
      ...(retryAfter === null ? [] : [`retry after ${Number(retryAfter.toFixed(3))} s`]),
    ].join(", ");
    super(detail, details, kind, status);
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

/** The error class for an HTTP status. */
export function errorFor(status: number): typeof APIStatusError {
  return BY_STATUS[status] ?? (status >= 500 ? InternalServerError : APIStatusError);
}

/** Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date); null without either. */
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
