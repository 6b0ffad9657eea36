/** Sending calls over `fetch`: tries, time limits, and errors made ours. */
import { APIError, APIUserAbortError } from "./errors.js";
import { mediaType, type Reply, requestID, statusFailure, unreadable } from "./failure.js";
import { Incoming } from "./incoming.js";
import type { WithResponse } from "./promise.js";
import { waitBeforeRetry } from "./retry.js";
import { checkRetries, type Settings, settleTimeout, type Timeout } from "./settings.js";
import { connectionFailure } from "./unreachable.js";
import { VERSION } from "./version.js";
import { Watch } from "./watch.js";

const NODE = Boolean((globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node);

/** How one call differs from the client's settings. */
export interface RequestOptions {
  /** Stops the call, and the stream that it opened, with `APIUserAbortError`. */
  signal?: AbortSignal | null | undefined;
  timeout?: number | null | Timeout | undefined;
  maxRetries?: number | undefined;
  headers?: Record<string, string> | undefined;
  /** Names the call, so that the server runs it once however often it is sent. One is made up if none is given. */
  idempotencyKey?: string | undefined;
  /** Fields that the types do not know: what servers of other makes take. */
  extraBody?: Record<string, unknown> | undefined;
}

/** One HTTP request, but for what every request of a client has in common. */
export interface Call {
  method: "GET" | "POST";
  path: string;
  body?: string;
  stream: boolean;
}

/** Send and `read` the whole answer. Throws `APIError` when it is not a success. */
export async function send<T>(
  settings: Settings,
  call: Call,
  options: RequestOptions,
  read: (reply: Reply) => T,
): Promise<WithResponse<T>> {
  const { got, ...facts } = await withRetries(settings, call, options, async (response, watch) => {
    const reply = await readWhole(settings, response);
    watch.close();
    if (!response.ok) {
      throw statusFailure(reply);
    }
    return reply;
  });
  return { data: read(got), ...facts };
}

/** Send, wait for the head of a stream of events, and `make` something of it. Throws `APIError` when it is none. */
export async function open<T>(
  settings: Settings,
  call: Call,
  options: RequestOptions,
  make: (incoming: Incoming) => T,
): Promise<WithResponse<T>> {
  const { got, ...facts } = await withRetries(settings, call, options, async (response, watch) => {
    if (!response.ok || (mediaType(response.headers) || "text/event-stream") !== "text/event-stream") {
      const reply = await readWhole(settings, response);
      throw response.ok ? unreadable(reply, "a stream of events") : statusFailure(reply);
    }
    return new Incoming(settings.baseURL, response, watch);
  });
  return { data: make(got), ...facts };
}

/** What `receive` got in the end, and how. */
interface Got<T> extends Omit<WithResponse<T>, "data"> {
  got: T;
}

async function withRetries<T>(
  settings: Settings,
  call: Call,
  options: RequestOptions,
  receive: (response: Response, watch: Watch) => Promise<T>,
): Promise<Got<T>> {
  const timeout = settleTimeout(options.timeout, settings.timeout);
  const maxRetries = checkRetries(options.maxRetries ?? settings.maxRetries);
  const signal = options.signal ?? null;
  const end = timeout.total === null ? null : performance.now() + timeout.total;
  // Made once: every try bears the same idempotency key, so a server that has it answers from its first run.
  const request = makeRequest(settings, call, options);
  for (let retries = 0; ; retries++) {
    const watch = new Watch(settings.baseURL, timeout.read, end, signal);
    try {
      const response = await settings.fetch(settings.baseURL + call.path, {
        ...request,
        signal: watch.controller.signal,
      });
      watch.heard();
      return { got: await receive(response, watch), response, requestID: requestID(response.headers), retries };
    } catch (error) {
      watch.close();
      const failure = watch.failure ?? (error instanceof APIError ? error : connectionFailure(settings.baseURL, error));
      const wait = waitBeforeRetry(failure, retries, maxRetries, Math.random());
      if (wait === null || (end !== null && performance.now() + wait * 1000 >= end)) {
        throw failure;
      }
      await pause(wait * 1000, signal);
    }
  }
}

function makeRequest(settings: Settings, call: Call, options: RequestOptions): RequestInit {
  const headers = new Headers({
    accept: call.stream ? "text/event-stream" : "application/json",
    authorization: `Bearer ${settings.apiKey}`,
  });
  if (NODE) {
    headers.set("user-agent", `forefront-node/${VERSION}`); // browsers send their own, or ask the server whether they may
  }
  if (call.method === "POST") {
    headers.set("content-type", "application/json");
    headers.set("idempotency-key", options.idempotencyKey ?? newKey());
  }
  for (const [name, value] of Object.entries({ ...settings.headers, ...options.headers })) {
    headers.set(name, value);
  }
  // Redirects are not followed: they would be given the key.
  return { method: call.method, headers, redirect: "manual", ...(call.body === undefined ? {} : { body: call.body }) };
}

/** 128 random bits. (`randomUUID` is missing on pages that came without TLS.) */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `ff-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function readWhole(settings: Settings, response: Response): Promise<Reply> {
  const text = await response.text();
  return { baseURL: settings.baseURL, status: response.status, headers: response.headers, text };
}

function pause(milliseconds: number, signal: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new APIUserAbortError("The request was aborted."));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) {
      stop();
    }
  });
}
