/** Calls: requests as plain data, before anything is sent. */
import { InvalidArgumentError } from "./errors.js";
import { encodeBody } from "./json-body.js";
import { checkObject, readArguments, type Settings } from "./settings.js";
import type { Call, RequestOptions } from "./transport.js";

/** A `POST` to a model, with the default model filled in. Throws `InvalidArgumentError`. */
export function postCall(settings: Settings, path: string, params: object, options: RequestOptions): Call {
  const fields = bodyFields(params, options);
  fields["model"] ||= settings.defaultModel;
  if (!fields["model"]) {
    throw new InvalidArgumentError("create() needs a `model`, because the client has no `defaultModel`");
  }
  return { method: "POST", path, body: encodeBody(fields), stream: fields["stream"] === true };
}

/** A `POST`. Throws `InvalidArgumentError`. */
export function bodyCall(path: string, params: object, options: RequestOptions): Call {
  return { method: "POST", path, body: encodeBody(bodyFields(params, options)), stream: false };
}

function bodyFields(params: object, options: RequestOptions): Record<string, unknown> {
  const fields: Record<string, unknown> = readArguments(() => {
    checkObject("extraBody", options?.extraBody ?? {});
    return { ...params, ...options?.extraBody };
  });
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) {
      delete fields[name];
    }
  }
  return fields;
}

/** A call without a body. Parameters that are null or undefined are left out of the query. */
export function queryCall(method: "GET" | "POST" | "DELETE", path: string, query: Record<string, unknown> = {}): Call {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return { method, path: `${path}${search && `?${search}`}`, stream: query["stream"] === true };
}

/** An id as one part of a path. Throws `InvalidArgumentError`: a dot segment would change the path. */
export function pathPart(name: string, id: string): string {
  if (typeof id !== "string" || ["", ".", ".."].includes(id) || /\p{Surrogate}/u.test(id)) {
    throw new InvalidArgumentError(`\`${name}\` must be an id, and must not be empty`);
  }
  return encodeURIComponent(id);
}

/** The call for a chat completion. Throws `InvalidArgumentError`. */
export function chatCall(settings: Settings, params: { messages: readonly unknown[] }, options: RequestOptions): Call {
  if (!readArguments(() => Array.isArray(params?.messages))) {
    throw new InvalidArgumentError('`messages` must be an array of messages: [{ role: "user", content: "…" }]');
  }
  return postCall(settings, "/v1/chat/completions", params, options);
}
