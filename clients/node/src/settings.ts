/** What a client is made with: where the server is, the key, and the defaults of its requests. */
import { ForefrontError } from "./errors.js";

export const DEFAULT_BASE_URL = "http://127.0.0.1:8000";
const DEFAULT_TIMEOUT = 600_000;

/** A `fetch` like the platform's. */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/**
 * Limits in milliseconds, null for none. `read`: the longest silence of the server (600,000 by default). `total`: the
 * whole call, with its retries and, when it streams, its stream (none by default).
 */
export interface Timeout {
  read?: number | null;
  total?: number | null;
}

/** What a client can be made with. What is left out comes from the environment, then from the defaults. */
export interface ClientOptions {
  /** Else the environment's `FOREFRONT_API_KEY`. */
  apiKey?: string | undefined;
  /** For requests that name no model. */
  defaultModel?: string | undefined;
  /** Else `FOREFRONT_BASE_URL`, else `http://127.0.0.1:8000`. With or without `/v1` at its end, it is the same. */
  baseURL?: string | undefined;
  /** A number is `{ read: number }`. */
  timeout?: number | null | Timeout | undefined;
  /** How often a failed call is tried again (default 2). */
  maxRetries?: number | undefined;
  /** Sent with every request. */
  headers?: Record<string, string> | undefined;
  /** Sends the requests; the platform's by default. */
  fetch?: Fetch | undefined;
}

/** Settled and checked. `baseURL` ends before `/v1`. */
export interface Settings {
  apiKey: string;
  defaultModel: string | undefined;
  baseURL: string;
  timeout: Required<Timeout>;
  maxRetries: number;
  headers: Record<string, string>;
  fetch: Fetch;
}

const KNOWN = ["apiKey", "defaultModel", "baseURL", "timeout", "maxRetries", "headers", "fetch"];

/** Fill in what was left out. Throws `ForefrontError` for a missing or unusable key, URL or number. */
export function settle(options: ClientOptions): Settings {
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) {
      const near = KNOWN.find((known) => known.toLowerCase() === name.replace(/_/g, "").toLowerCase());
      throw new TypeError(`Forefront has no option \`${name}\`${near ? `; did you mean \`${near}\`?` : ""}`);
    }
  }
  const apiKey = checkKey((options.apiKey || environment("FOREFRONT_API_KEY") || "").trim());
  const settings = {
    defaultModel: options.defaultModel || undefined,
    baseURL: checkURL((options.baseURL || environment("FOREFRONT_BASE_URL") || DEFAULT_BASE_URL).trim()),
    timeout: settleTimeout(options.timeout, { read: DEFAULT_TIMEOUT, total: null }),
    maxRetries: checkRetries(options.maxRetries ?? 2),
    headers: { ...options.headers },
    // Bound, because browsers refuse a `fetch` that is called as a method of something else.
    fetch: options.fetch ?? ((input: string, init?: RequestInit) => globalThis.fetch(input, init)),
  };
  // Not enumerable, so that printing a client does not show its key.
  return Object.defineProperty(settings, "apiKey", { value: apiKey }) as Settings;
}

/** What was given over the defaults. Throws `TypeError` for what is no duration. */
export function settleTimeout(given: number | null | Timeout | undefined, base: Required<Timeout>): Required<Timeout> {
  if (given === undefined) {
    return base;
  }
  const timeout = typeof given === "number" || given === null ? { read: given } : given;
  for (const name of Object.keys(timeout)) {
    if (!(name in base)) {
      const why = name === "connect" ? "; `fetch` does not tell when it has connected" : "";
      throw new TypeError(`\`timeout\` has no \`${name}\`, only \`read\` and \`total\`${why}`);
    }
  }
  const settled = { ...base, ...timeout };
  for (const value of [settled.read, settled.total]) {
    if (value !== null && !(typeof value === "number" && value > 0)) {
      throw new TypeError(`\`timeout\` must be a positive number of milliseconds, or null for no limit, not ${value}`);
    }
  }
  return settled;
}

export function checkRetries(value: number): number {
  if (!Number.isInteger(value) || value < 0) {
    throw new TypeError(`\`maxRetries\` must be a whole number, 0 or more, not ${value}`);
  }
  return value;
}

function environment(name: string): string | undefined {
  // Reached through globalThis, because browsers and edge runtimes have no `process`.
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name];
}

function checkKey(key: string): string {
  if (!key) {
    throw new ForefrontError("There is no API key: pass `apiKey` or set the environment variable FOREFRONT_API_KEY.");
  }
  // Refused here because the complaint of `fetch` about the header would quote the key.
  if (!/^[!-~]+$/.test(key)) {
    throw new ForefrontError("The API key holds white space or characters beyond ASCII; it is not shown here.");
  }
  return key;
}

function checkURL(url: string): string {
  let parts: URL;
  try {
    parts = new URL(url);
    if (!/^https?:$/.test(parts.protocol) || parts.port === "0") {
      throw new TypeError();
    }
  } catch {
    // A URL with a password in it would be shown here.
    const shown = url.includes("@") ? "It" : `\`${url}\``;
    throw new ForefrontError(`The base URL must look like \`${DEFAULT_BASE_URL}\`. ${shown} does not.`);
  }
  if (parts.username || parts.password || /[?#]/.test(url)) {
    throw new ForefrontError("The base URL must have no user name, password, query or fragment.");
  }
  return url.replace(/\/+$/, "").replace(/\/v1$/, "").replace(/\/+$/, "");
}
