/** A refusal or failure of the server: its error object with the HTTP status. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly param: string | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** Whether another key is needed: unknown, expired or revoked. */
  get needsKey(): boolean {
    return this.status === 401 || this.code === "invalid_api_key";
  }
}

/** The server did not answer, or the connection broke within an answer. */
export class ConnectionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConnectionError";
  }
}

/** The error that a response body or an error event describes. Bodies of proxies need not be JSON. */
export function parseError(status: number, text: string, retryAfter: string | null = null): ApiError {
  // A date in its place, which proxies send, is left out.
  const seconds = /^\d+(\.\d+)?$/.test(retryAfter ?? "") ? Number(retryAfter) : null;
  try {
    const { error } = JSON.parse(text) as { error: { code?: unknown; message?: unknown; param?: unknown } };
    const param = typeof error.param === "string" ? error.param : null;
    return new ApiError(status, String(error.code ?? "unknown"), String(error.message ?? text), param, seconds);
  } catch {
    const message = status ? `The server answered with status ${status}.` : "The server sent an unreadable error.";
    return new ApiError(status, "unknown", message, null, seconds);
  }
}

/** One sentence for the reader of the page. */
export function explain(error: unknown): string {
  if (error instanceof ApiError) {
    if (error.needsKey) return "The server does not accept this API key: it is wrong, has expired or was revoked.";
    if (error.status === 429 && error.retryAfter !== null) {
      return `${error.message} Try again in ${Math.ceil(error.retryAfter)} s.`;
    }
    return error.message;
  }
  return error instanceof Error ? error.message : String(error);
}
