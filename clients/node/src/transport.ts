/** Sending calls over `fetch`, with retries and time limits. */
import { AbortTimeout } from "./abort-timeout.js";
import { type HTTPResponse, mediaType, requestID, statusError, unexpectedResponse } from "./error-parsing.js";
import { APIStatusError, APIUserAbortError, ForefrontError, InvalidArgumentError } from "./errors.js";
import type { WithResponse } from "./promise.js";
import { ResponseStream } from "./response-stream.js";
import { waitBeforeRetry } from "./retry.js";
import { checkHeaders, checkHeaderValue, checkObject, checkRetries, readArguments, resolveTimeout, type Settings, type Timeout } from "./settings.js";
import { connectionError } from "./transport-errors.js";
import { VERSION } from "./version.js";

const NODE = Boolean((globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node);

/** Options of one call. */
export interface RequestOptions {
  /** Aborts the call and its stream with `APIUserAbortError`. */
  signal?: AbortSignal | null | undefined;
  timeout?: number | null | Timeout | undefined;
  maxRetries?: number | undefined;
  headers?: Record<string, string> | undefined;
  /** Identifies the call, so that the server runs it once however often it is sent. Random by default. */
  idempotencyKey?: string | undefined;
  /** Fields that this SDK does not know. */
  extraBody?: Record<string, unknown> | undefined;
}

/** One HTTP request, without what all requests of a client share. */
export interface Call {
  method: "GET" | "POST" | "DELETE";
  path: string;
  body?: string;
  stream: boolean;
}

/** Send, and `read` the whole response. Throws `APIError` unless it is a success. */
export async function send<T>(
  settings: Settings,
  call: Call,
  options: RequestOptions,
  read: (response: HTTPResponse) => T,
): Promise<WithResponse<T>> {
  const plan = readPlan(settings, call, options);
  const { result, ...details } = await withRetries(settings, plan, async (response, timeout) => {
    const whole = await readWhole(settings, response);
    timeout.close();
    if (!response.ok) {
      throw statusError(whole);
    }
    return whole;
  });
  return { data: read(result), ...details };
}

/** Send, and `make` a stream of a response with server-sent events. Throws `APIError` for any other response. */
export async function open<T>(
  settings: Settings,
  call: Call,
  options: RequestOptions,
  make: (response: ResponseStream) => T,
): Promise<WithResponse<T>> {
  const plan = readPlan(settings, call, options);
  const { result, ...details } = await withRetries(settings, plan, async (response, timeout) => {
    await requireEvents(settings, response);
    return new ResponseStream(settings.baseURL, response, timeout, makeReopen(settings, plan));
  });
  return { data: make(result), ...details };
}

/** Requests responses that continue after an event of a stream, `plan.maxRetries` times at most. Each throws the failure if
 * it is not one to retry, and if the server does not hold the stream any more. */
function makeReopen(settings: Settings, plan: Plan) {
  let resumptions = 0;
  return async (lastID: string, failure: unknown) => {
    if (waitBeforeRetry(failure, resumptions, plan.maxRetries, 0) === null) {
      throw failure;
    }
    resumptions++;
    const headers = new Headers(plan.request.headers);
    headers.set("last-event-id", lastID);
    try {
      const resumed = { ...plan, request: { ...plan.request, headers } };
      const { result } = await withRetries(settings, resumed, async (response, timeout) => {
        await requireEvents(settings, response);
        return { response, timeout };
      });
      return result;
    } catch (error) {
      throw error instanceof APIStatusError ? failure : error;
    }
  };
}

async function requireEvents(settings: Settings, response: Response): Promise<void> {
  if (!response.ok || (mediaType(response.headers) || "text/event-stream") !== "text/event-stream") {
    const whole = await readWhole(settings, response);
    throw response.ok ? unexpectedResponse(whole, "a stream of events") : statusError(whole);
  }
}

/** The result of `receive`, with the response. */
interface Received<T> extends Omit<WithResponse<T>, "data"> {
  result: T;
}

/** State that all attempts of a call share, including the idempotency key, so that the server runs the request once. */
type Plan = ReturnType<typeof readOptions> & { end: number | null };

function readPlan(settings: Settings, call: Call, options: RequestOptions): Plan {
  const read = readArguments(() => readOptions(settings, call, options));
  return { ...read, end: read.limits.total === null ? null : performance.now() + read.limits.total };
}

async function withRetries<T>(
  settings: Settings,
  { url, limits, maxRetries, signal, request, end }: Plan,
  receive: (response: Response, timeout: AbortTimeout) => Promise<T>,
): Promise<Received<T>> {
  for (let retries = 0; ; retries++) {
    const timeout = new AbortTimeout(settings.baseURL, limits.read, end, signal);
    try {
      const response = await settings.fetch(url, { ...request, signal: timeout.controller.signal });
      timeout.dataReceived();
      return { result: await receive(response, timeout), response, requestID: requestID(response.headers), retries };
    } catch (error) {
      timeout.close();
      const failure =
        timeout.failure ?? (error instanceof ForefrontError ? error : connectionError(settings.baseURL, error));
      const wait = waitBeforeRetry(failure, retries, maxRetries, Math.random());
      if (wait === null || (end !== null && performance.now() + wait * 1000 >= end)) {
        throw failure;
      }
      await pause(wait * 1000, signal);
    }
  }
}

function readOptions(settings: Settings, call: Call, options: RequestOptions) {
  checkObject("options", options);
  return {
    url: settings.baseURL + call.path,
    limits: resolveTimeout(options.timeout, settings.timeout),
    maxRetries: checkRetries(options.maxRetries ?? settings.maxRetries),
    signal: checkSignal(options.signal ?? null),
    request: buildRequest(settings, call, options),
  };
}

function checkSignal(signal: AbortSignal | null): AbortSignal | null {
  if (signal !== null && typeof signal.addEventListener !== "function") {
    throw new InvalidArgumentError("`signal` must be an AbortSignal");
  }
  return signal;
}

function buildRequest(settings: Settings, call: Call, options: RequestOptions): RequestInit {
  const headers = new Headers({
    accept: call.stream ? "text/event-stream" : "application/json",
    authorization: `Bearer ${settings.apiKey}`,
  });
  if (NODE) {
    headers.set("user-agent", `forefront-node/${VERSION}`); // browsers send their own
  }
  if (call.method === "POST") {
    headers.set("content-type", "application/json");
    headers.set("idempotency-key", checkHeaderValue("idempotencyKey", options.idempotencyKey ?? randomKey()));
  }
  for (const [name, value] of Object.entries({ ...settings.headers, ...checkHeaders(options.headers) })) {
    headers.set(name, value);
  }
  // A redirect would pass the key on to another server.
  return { method: call.method, headers, redirect: "manual", ...(call.body === undefined ? {} : { body: call.body }) };
}

/** 128 random bits. (`randomUUID` is missing on pages without TLS.) */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `ff-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function readWhole(settings: Settings, response: Response): Promise<HTTPResponse> {
  const text = await response.text();
  return { baseURL: settings.baseURL, status: response.status, headers: response.headers, text };
}

function pause(milliseconds: number, signal: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(new APIUserAbortError("The request was aborted."));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) {
      abort();
    }
  });
}
