/** Errors of the server as exceptions. */
import { APIError, type APIStatusError, errorFor } from "./errors.js";

/** A whole HTTP response as plain data. */
export interface HTTPResponse {
  baseURL: string;
  status: number;
  headers: Headers;
  text: string;
}

type Detail = { code?: unknown; type?: unknown; [name: string]: unknown };

const MAX_SHOWN = 300;
const STATUS_BY_TYPE: Record<string, number> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  rate_limit_error: 429,
  server_error: 500,
};
/** The server's codes; a test compares them with the server's table. */
export const STATUS_BY_CODE: Record<string, number> = {
  invalid_http: 400,
  invalid_json: 400,
  missing_parameter: 400,
  unsupported_parameter: 400,
  context_length_exceeded: 400,
  incomplete_body: 400,
  invalid_api_key: 401,
  insufficient_credits: 403,
  insufficient_scope: 403,
  storage_full: 403,
  model_not_allowed: 403,
  not_found: 404,
  model_not_found: 404,
  unknown_url: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  deadline_exceeded: 408,
  request_cancelled: 409,
  headers_too_large: 431,
  body_too_large: 413,
  target_too_long: 414,
  unsupported_media_type: 415,
  invalid_type: 422,
  invalid_value: 422,
  form_failed: 422,
  unknown_parameter: 422,
  idempotency_key_reused: 422,
  rate_limit_exceeded: 429,
  internal_error: 500,
  engine_failed: 500,
  upstream_failed: 502,
  upstream_unavailable: 503,
  overloaded: 503,
  not_ready: 503,
  model_unavailable: 503,
  store_unavailable: 503,
  shutting_down: 503,
};

/** The value of a body, or undefined when it is not JSON. */
export function readJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The error for a response that is not a success. */
export function statusError(response: HTTPResponse): APIStatusError {
  const body = readJSON(response.text);
  const detail = findDetail(body);
  const message = text(detail["message"]) || text(detail["detail"]) || describe(response);
  return new (errorFor(response.status))(message, response.status, body ?? response.text, response.headers, {
    code: text(detail["code"]),
    param: text(detail["param"]),
    requestID: requestID(response.headers),
  });
}

/** The error for a successful response of an unexpected format. */
export function unexpectedResponse(response: HTTPResponse, wanted: string): APIError {
  const body = readJSON(response.text);
  if (isObject(body) && body["error"]) {
    return streamError(body["error"], requestID(response.headers));
  }
  const kind = mediaType(response.headers) || "something else";
  return new APIError(`${response.baseURL} answered with ${kind}, not with ${wanted}.`, {
    requestID: requestID(response.headers),
  });
}

/** The error for an `error` object in a successful response, such as a stream. */
export function streamError(error: unknown, id: string | null): APIError {
  const detail = findDetail({ error });
  const message = text(detail["message"]) || "The server reported an error without a message.";
  const details = { code: text(detail["code"]), param: text(detail["param"]), requestID: id };
  const status = statusOf(detail);
  if (status === undefined) {
    return new APIError(message, details);
  }
  return new (errorFor(status))(message, status, { error }, new Headers(), details);
}

export function requestID(headers: Headers): string | null {
  return headers.get("x-request-id");
}

export function mediaType(headers: Headers): string {
  return (headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
}

/** The error object, in the shapes that common servers send. */
function findDetail(body: unknown): Detail {
  if (!isObject(body)) {
    return {};
  }
  const error = "error" in body ? body["error"] : body;
  return isObject(error) ? error : { message: error };
}

function statusOf(detail: Detail): number | undefined {
  const { code, type } = detail;
  if (typeof code === "number" && Number.isInteger(code) && code >= 400 && code < 600) {
    return code; // how some servers send the status
  }
  return ownValue(STATUS_BY_CODE, code) ?? ownValue(STATUS_BY_TYPE, type);
}

/** The value of a property that the object itself has: servers choose the names. */
function ownValue<T>(table: Record<string, T>, name: unknown): T | undefined {
  return typeof name === "string" && Object.hasOwn(table, name) ? table[name] : undefined;
}

/** A sentence for a body of another format, with at most its first words. */
function describe(response: HTTPResponse): string {
  const what = `${response.baseURL} answered ${response.status}`;
  if (response.status === 0 || (response.status >= 300 && response.status < 400)) {
    return `${what}, a redirect, which is not followed because it would be given the key. Check the base URL.`;
  }
  const kind = mediaType(response.headers);
  if (kind === "text/html") {
    return `${what} with an HTML page, probably from a proxy or another server. Check the base URL.`;
  }
  const words = response.text.slice(0, 4 * MAX_SHOWN).split(/\s+/).filter(Boolean).join(" ");
  return kind === "text/plain" && words ? `${what}: ${words.slice(0, MAX_SHOWN)}` : `${what} and did not say why.`;
}

function text(value: unknown): string | null {
  return value === null || value === undefined || typeof value === "object" ? null : String(value);
}
