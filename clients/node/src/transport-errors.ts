/** Translation of errors of `fetch` into the SDK's, with a hint for the user. */
import { APIConnectionError, type APIError, APITimeoutError } from "./errors.js";
import { show } from "./json-body.js";

/** The error for a connection to `url` that failed or broke. */
export function connectionError(url: string, error: unknown): APIError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = codeOf(cause);
  const details = { cause: error };
  if (/^UND_ERR_.*_TIMEOUT$|^ETIMEDOUT$/.test(code)) {
    const verb = code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT" ? "get data from" : "connect to";
    return new APITimeoutError(`Cannot ${verb} ${url} within the platform's time limit.`, details);
  }
  const reason = ((cause instanceof Error && (cause.message || code || cause.name)) || show(cause)).replace(/\.$/, "");
  const hint = hintFor(code, reason);
  return hint
    ? new APIConnectionError(`Cannot connect to ${url}: ${reason}. ${hint}`, details)
    : new APIConnectionError(`The connection to ${url} broke: ${reason}.`, details);
}

function codeOf(cause: unknown): string {
  try {
    return show((cause as { code?: unknown } | null | undefined)?.code ?? "");
  } catch {
    return ""; // a getter of a foreign `fetch`'s error
  }
}

/** A hint for a connection that failed; undefined for one that broke later. */
function hintFor(code: string, reason: string): string | undefined {
  if (/^(ENOTFOUND|EAI_\w+)$/.test(code)) {
    return "Check the host name in the base URL.";
  }
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code) || /certificate|ssl|tls/i.test(reason)) {
    return "Check that the server speaks https://, and that its certificate is trusted here.";
  }
  if (/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/.test(code)) {
    return "If no server is running, start one with `forefront serve`.";
  }
  return undefined;
}
