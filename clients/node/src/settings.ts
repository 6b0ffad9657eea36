/** Client settings: the server's URL, the API key, and the defaults of all requests. */
import { ForefrontError, InvalidArgumentError } from "./errors.js";
import { show } from "./json-body.js";

export const DEFAULT_BASE_URL = "http://127.0.0.1:8000";
const DEFAULT_TIMEOUT = 600_000;

/** A `fetch` like the platform's. */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/**
 * Time limits in milliseconds; null for no limit. `read` is the time between two parts of the response (600,000 by
 * default), `total` the whole call with its retries and, if it streams, its stream (no limit by default).
 */
export interface Timeout {
  read?: number | null;
  total?: number | null;
}

/** Options of a client. Missing ones come from the environment, then from the defaults. */
export interface ClientOptions {
  /** `FOREFRONT_API_KEY` by default. */
  apiKey?: string | undefined;
  /** The model of requests that name none. */
  defaultModel?: string | undefined;
  /** The server, with or without `/v1`; `FOREFRONT_BASE_URL`, else `http://127.0.0.1:8000`, by default. */
  baseURL?: string | undefined;
  /** A number is `{ read: number }`. */
  timeout?: number | null | Timeout | undefined;
  /** Retries of a failed call (2 by default). */
  maxRetries?: number | undefined;
  /** Sent with every request. */
  headers?: Record<string, string> | undefined;
  /** Sends the requests; the platform's by default. */
  fetch?: Fetch | undefined;
}

/** Resolved and checked. `baseURL` has no `/v1`. */
export interface Settings {
  apiKey: string;
  defaultModel: string | undefined;
  baseURL: string;
  timeout: Required<Timeout>;
  maxRetries: number;
  headers: Record<string, string>;
  fetch: Fetch;
}

const OPTIONS = ["apiKey", "defaultModel", "baseURL", "timeout", "maxRetries", "headers", "fetch"];

/** Fill in missing options. Throws `ForefrontError` for a missing or unusable key or URL, or another unusable option. */
export function resolveSettings(options: ClientOptions): Settings {
  checkObject("options", options);
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      const near = OPTIONS.find((known) => known.toLowerCase() === name.replace(/_/g, "").toLowerCase());
      const hint = near ? `; did you mean \`${near}\`?` : "";
      throw new InvalidArgumentError(`Forefront has no option \`${show(name)}\`${hint}`);
    }
  }
  const apiKey = checkKey((checkString("apiKey", options.apiKey) || environment("FOREFRONT_API_KEY") || "").trim());
  const baseURL = checkString("baseURL", options.baseURL) || environment("FOREFRONT_BASE_URL") || DEFAULT_BASE_URL;
  if (options.fetch && typeof options.fetch !== "function") {
    throw new InvalidArgumentError("`fetch` must be a function");
  }
  const settings = {
    defaultModel: checkString("defaultModel", options.defaultModel) || undefined,
    baseURL: checkURL(baseURL.trim()),
    timeout: resolveTimeout(options.timeout, { read: DEFAULT_TIMEOUT, total: null }),
    maxRetries: checkRetries(options.maxRetries ?? 2),
    headers: checkHeaders(options.headers),
    // Bound, because browsers refuse a `fetch` that is called as a method of another object.
    fetch: options.fetch ?? ((input: string, init?: RequestInit) => globalThis.fetch(input, init)),
  };
  // Not enumerable, so that printing a client does not show its key.
  return Object.defineProperty(settings, "apiKey", { value: apiKey }) as Settings;
}

/** `given` over the defaults. Throws `InvalidArgumentError` for anything but a duration. */
export function resolveTimeout(given: number | null | Timeout | undefined, base: Required<Timeout>): Required<Timeout> {
  if (given === undefined) {
    return base;
  }
  const timeout = typeof given === "number" || given === null ? { read: given } : given;
  checkObject("timeout", timeout);
  for (const name of Object.keys(timeout)) {
    if (!Object.hasOwn(base, name)) {
      const why = name === "connect" ? "; `fetch` does not report when it has connected" : "";
      throw new InvalidArgumentError(`\`timeout\` has no \`${show(name)}\`, only \`read\` and \`total\`${why}`);
    }
  }
  const resolved = { ...base, ...timeout };
  for (const value of [resolved.read, resolved.total]) {
    if (value !== null && !(typeof value === "number" && value > 0)) {
      throw new InvalidArgumentError(
        `\`timeout\` must be a positive number of milliseconds, or null for no limit, not ${show(value)}`,
      );
    }
  }
  return resolved;
}

export function checkRetries(value: number): number {
  if (!Number.isInteger(value) || value < 0) {
    throw new InvalidArgumentError(`\`maxRetries\` must be a whole number, 0 or more, not ${show(value)}`);
  }
  return value;
}

/** The headers as a plain object. Throws `InvalidArgumentError` for names and values that HTTP does not allow. */
export function checkHeaders(headers: Record<string, string> | null | undefined): Record<string, string> {
  if (headers === null || headers === undefined) {
    return {};
  }
  checkObject("headers", headers);
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
      throw new InvalidArgumentError(`\`headers\` has an invalid header name: ${JSON.stringify(show(name))}`);
    }
    checkHeaderValue(`headers[${JSON.stringify(name)}]`, value);
  }
  return { ...headers };
}

/** Throws `InvalidArgumentError` unless `value` is a string of printable ASCII. It is not quoted: it may be secret. */
export function checkHeaderValue(argument: string, value: unknown): string {
  if (typeof value !== "string" || !/^[\t -~]*$/.test(value)) {
    throw new InvalidArgumentError(`\`${argument}\` must be a string of printable ASCII characters, without line breaks`);
  }
  return value;
}

/** The result of `read`. Throws `InvalidArgumentError` when an argument's own code fails, such as a getter. */
export function readArguments<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ForefrontError) {
      throw error;
    }
    throw new InvalidArgumentError(`an argument cannot be read: ${show(error)}`, { cause: error });
  }
}

/** Throws `InvalidArgumentError` unless `value` is a plain object, or a class instance with properties. */
export function checkObject(argument: string, value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Map) {
    throw new InvalidArgumentError(`\`${argument}\` must be an object, not ${show(value)}`);
  }
}

function checkString(argument: string, value: unknown): string | undefined {
  if (value === undefined || value === null || typeof value === "string") {
    return value ?? undefined;
  }
  throw new InvalidArgumentError(`\`${argument}\` must be a string, not ${typeof value}`);
}

function environment(name: string): string | undefined {
  // Reached through globalThis, because browsers and edge runtimes have no `process`.
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  try {
    return process?.env?.[name];
  } catch {
    return undefined; // a runtime that asks for permission
  }
}

function checkKey(key: string): string {
  if (!key) {
    throw new ForefrontError("There is no API key: pass `apiKey` or set the environment variable FOREFRONT_API_KEY.");
  }
  // Checked here because the error of `fetch` would quote the key.
  if (!/^[!-~]+$/.test(key)) {
    throw new ForefrontError("The API key has whitespace or characters beyond ASCII; it is not shown here.");
  }
  return key;
}

function checkURL(url: string): string {
  let parts: URL;
  try {
    parts = new URL(url);
    if (!/^https?:\/\//i.test(url) || !/^https?:$/.test(parts.protocol) || parts.port === "0" || /[\0-\x20\x7f\\]/.test(url)) {
      throw new TypeError();
    }
  } catch {
    // The URL may hold a password.
    const shown = url.includes("@") ? "It" : `\`${show(url)}\``;
    throw new ForefrontError(`The base URL must look like \`${DEFAULT_BASE_URL}\`. ${shown} does not.`);
  }
  if (parts.username || parts.password || /[?#@]/.test(url)) {
    throw new ForefrontError("The base URL must have no user name, password, query or fragment.");
  }
  return url.replace(/\/+$/, "").replace(/\/v1$/, "").replace(/\/+$/, "");
}
