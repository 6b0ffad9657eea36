/** Sending calls over `fetch`: tries, time limits, and errors made ours. */
import { APIConnectionError, APIError, APITimeoutError, APIUserAbortError } from "./errors.js";
import { mediaType, type Reply, requestID, statusFailure, unreadable } from "./failure.js";
import { waitBeforeRetry } from "./retry.js";
import { checkRetries, type Settings, settleTimeout, type Timeout } from "./settings.js";
import { VERSION } from "./version.js";
import { Watch } from "./watch.js";

/** How one call differs from the client's settings. */
export interface RequestOptions {
  /** Stops the call, and the stream that it opened, with `APIUserAbortError`. */
  signal?: AbortSignal | null | undefined;
  timeout?: number | null | Timeout | undefined;
  maxRetries?: number | undefined;
  headers?: Record<string, string> | undefined;
  /** Names the call, so that the server runs it once however often it is sent. One is made up if none is given. */
  idempotencyKey?: string | undefined;
}

/** One HTTP request, but for what every request of a client has in common. */
export interface Call {
  method: "GET" | "POST";
  path: string;
  body?: string;
  stream: boolean;
}

/** Send and read the whole answer. Throws `APIError` when it is not a success. */
export function send(
  settings: Settings,
  call: Call,
  options: RequestOptions,
): Promise<{ response: Response; reply: Reply }> {
  return withRetries(settings, call, options, async (response, watch) => {
    const reply = await readWhole(settings, response);
    watch.close();
    if (!response.ok) {
      throw statusFailure(reply);
    }
    return { response, reply };
  });
}

/** Send and wait for the head of a stream of events. Throws `APIError` when it is none. */
export function open(
  settings: Settings,
  call: Call,
  options: RequestOptions,
): Promise<{ response: Response; incoming: Incoming }> {
  return withRetries(settings, call, options, async (response, watch) => {
    if (!response.ok || (mediaType(response.headers) || "text/event-stream") !== "text/event-stream") {
      const reply = await readWhole(settings, response);
      throw response.ok ? unreadable(reply, "a stream of events") : statusFailure(reply);
    }
    return { response, incoming: new Incoming(settings, response, watch) };
  });
}

/** A response whose body is still to come. */
export class Incoming {
  readonly requestID: string | null;
  private readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(
    private readonly settings: Settings,
    response: Response,
    private readonly watch: Watch,
  ) {
    this.requestID = requestID(response.headers);
    this.reader = response.body?.getReader();
    // A `fetch` of the caller's own may not obey the signal within the body.
    watch.controller.signal.addEventListener("abort", () => this.reader?.cancel().catch(() => {}));
    watch.relax();
  }

  /** Aborting it lets the connection go; the server then stops generating. */
  get controller(): AbortController {
    return this.watch.controller;
  }

  /** The next piece of the body; undefined at its end, and when `controller` has been aborted. Throws `APIError`. */
  async next(): Promise<Uint8Array | undefined> {
    try {
      const item = await this.reader?.read();
      if (this.watch.failure) {
        throw this.watch.failure;
      }
      this.watch.heard();
      return item?.value;
    } catch (error) {
      if (this.controller.signal.aborted && !this.watch.failure) {
        return undefined;
      }
      throw this.watch.failure ?? connectionFailure(this.settings, error);
    }
  }

  /** Let the connection go; harmless when repeated. If the body was read to its end, other calls can use it. */
  close(): void {
    this.watch.close();
    this.controller.abort();
  }
}

async function withRetries<T>(
  settings: Settings,
  call: Call,
  options: RequestOptions,
  receive: (response: Response, watch: Watch) => Promise<T>,
): Promise<T> {
  const timeout = settleTimeout(options.timeout, settings.timeout);
  const maxRetries = checkRetries(options.maxRetries ?? settings.maxRetries);
  const signal = options.signal ?? null;
  const end = timeout.total === null ? null : performance.now() + timeout.total;
  // Made once: every try bears the same idempotency key, so a server that has it answers from its first run.
  const request = makeRequest(settings, call, options);
  for (let attempt = 0; ; attempt++) {
    const watch = new Watch(settings.baseURL, timeout.read, end, signal);
    try {
      const response = await settings.fetch(settings.baseURL + call.path, {
        ...request,
        signal: watch.controller.signal,
      });
      watch.heard();
      return await receive(response, watch);
    } catch (error) {
      watch.close();
      const failure = watch.failure ?? (error instanceof APIError ? error : connectionFailure(settings, error));
      const wait = waitBeforeRetry(failure, attempt, maxRetries, Math.random());
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
  if (!("window" in globalThis)) {
    headers.set("user-agent", `forefront-node/${VERSION}`); // browsers send their own
  }
  if (call.method === "POST") {
    headers.set("content-type", "application/json");
    headers.set("idempotency-key", options.idempotencyKey ?? `ff-${crypto.randomUUID()}`);
  }
  for (const [name, value] of Object.entries({ ...settings.headers, ...options.headers })) {
    headers.set(name, value);
  }
  // Redirects are not followed: they would be given the key.
  return { method: call.method, headers, redirect: "manual", ...(call.body === undefined ? {} : { body: call.body }) };
}

async function readWhole(settings: Settings, response: Response): Promise<Reply> {
  const text = await response.text();
  return { baseURL: settings.baseURL, status: response.status, headers: response.headers, text };
}

/** What `fetch` threw, as ours. */
function connectionFailure(settings: Settings, error: unknown): APIError {
  const url = settings.baseURL;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = String((cause as { code?: unknown } | null)?.code ?? "");
  const facts = { cause: error };
  if (/^UND_ERR_.*_TIMEOUT$|^ETIMEDOUT$/.test(code)) {
    const what = code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT" ? "hear from" : "connect to";
    return new APITimeoutError(`Cannot ${what} ${url} within the platform's time limit.`, facts);
  }
  const reason = (cause instanceof Error && (cause.message || code || cause.name)) || String(cause);
  const advice = adviceFor(code, reason);
  if (advice) {
    return new APIConnectionError(`Cannot connect to ${url}: ${reason.replace(/\.$/, "")}. ${advice}`, facts);
  }
  return new APIConnectionError(`The connection to ${url} broke: ${reason.replace(/\.$/, "")}.`, facts);
}

/** What to do about a connection that could not be made; undefined for one that broke later. */
function adviceFor(code: string, reason: string): string | undefined {
  if (/^(ENOTFOUND|EAI_\w+)$/.test(code)) {
    return "Check the host name in the base URL.";
  }
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code) || /certificate|ssl|tls/i.test(reason)) {
    return "Check that the base URL's https:// is right, and that its certificate is trusted here.";
  }
  if (/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/.test(code)) {
    return "If no server is running, start one with `forefront serve`.";
  }
  return undefined;
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
