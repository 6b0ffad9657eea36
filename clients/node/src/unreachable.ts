/** From what `fetch` throws to the exception that says what to do about it. */
import { APIConnectionError, type APIError, APITimeoutError } from "./errors.js";

/** The error for a connection to `url` that could not be made, or broke. */
export function connectionFailure(url: string, error: unknown): APIError {
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
