/** Building calls: what is asked of the server, as plain data. */
import type { Settings } from "./settings.js";
import type { Call, RequestOptions } from "./transport.js";

/** A `POST` with the model filled in. Throws `TypeError` for what is missing or JSON cannot say. */
export function postCall(settings: Settings, path: string, params: object, options: RequestOptions): Call {
  const fields: Record<string, unknown> = { ...params, ...options.extraBody };
  for (const [name, value] of Object.entries(fields)) {
    // JSON has no NaN and would say null: a value left out instead of an error.
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw new TypeError(`\`${name}\` must be a finite number, not ${value}`);
    }
    if (value === null) {
      delete fields[name];
    }
  }
  fields["model"] ||= settings.defaultModel;
  if (!fields["model"]) {
    throw new TypeError("create() needs a `model`, because the client has no `defaultModel`");
  }
  return { method: "POST", path, body: JSON.stringify(fields), stream: fields["stream"] === true };
}

/** The call that asks for a chat completion. */
export function chatCall(settings: Settings, params: { messages: readonly unknown[] }, options: RequestOptions): Call {
  if (!Array.isArray(params?.messages)) {
    throw new TypeError('`messages` must be an array of messages: [{ role: "user", content: "…" }]');
  }
  return postCall(settings, "/v1/chat/completions", params, options);
}
