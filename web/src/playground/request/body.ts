import type { Message } from "../conversation/message";
import { SAMPLING_FIELDS, type Settings, type ToolDefinition } from "./settings";

export type RequestBody = Record<string, unknown> & { readonly model: string; readonly messages: readonly unknown[] };

/** The settings cannot be sent in a request. The message is for the user. */
export class SettingsError extends Error {}

export const ALTERNATIVES = 5;

/** The body of `POST /v1/chat/completions` for an answer after `history` that begins with `prefix`. Throws
 * `SettingsError`. */
export function buildBody(settings: Settings, history: readonly Message[], prefix = ""): RequestBody {
  const body: Record<string, unknown> = { model: settings.model, messages: buildMessages(settings, history, prefix) };
  for (const { name } of SAMPLING_FIELDS) {
    if (settings.sampling[name] !== null) body[name] = settings.sampling[name];
  }
  if (settings.stop.length) body["stop"] = settings.stop;
  if (settings.reasoning) body["reasoning_effort"] = settings.reasoning;
  if (settings.tools.length) {
    body["tools"] = settings.tools.map(buildTool);
    if (settings.toolChoice !== "auto") body["tool_choice"] = buildChoice(settings.toolChoice);
  }
  if (settings.format === "json_object") body["response_format"] = { type: "json_object" };
  if (settings.format === "json_schema") {
    const schema = parseObject(settings.schema, "The schema of the answer");
    body["response_format"] = { type: "json_schema", json_schema: { name: "answer", schema } };
  }
  if (settings.logprobs) Object.assign(body, { logprobs: true, top_logprobs: ALTERNATIVES });
  return { ...body, stream: true, stream_options: { include_usage: true } } as unknown as RequestBody;
}

function buildMessages(settings: Settings, history: readonly Message[], prefix: string): unknown[] {
  const messages: unknown[] = [];
  if (settings.system.trim()) messages.push({ role: "system", content: settings.system });
  for (const message of history) messages.push(buildMessage(message));
  if (prefix) messages.push({ role: "assistant", content: prefix });
  return messages;
}

function buildMessage(message: Message): unknown {
  if (message.role === "tool") return { role: "tool", tool_call_id: message.call, content: message.text };
  if (message.role === "user") {
    if (!message.images.length) return { role: "user", content: message.text };
    const images = message.images.map((url) => ({ type: "image_url", image_url: { url } }));
    return { role: "user", content: message.text ? [{ type: "text", text: message.text }, ...images] : images };
  }
  if (!message.calls.length) return { role: "assistant", content: message.text };
  const calls = message.calls.map(({ id, name, arguments: text }) => ({
    id,
    type: "function",
    function: { name, arguments: text },
  }));
  return { role: "assistant", content: message.text || null, tool_calls: calls };
}

function buildTool(tool: ToolDefinition): unknown {
  const definition: Record<string, unknown> = { name: tool.name };
  if (tool.description) definition["description"] = tool.description;
  if (tool.parameters.trim()) definition["parameters"] = parseObject(tool.parameters, `The parameters of ${tool.name}`);
  return { type: "function", function: definition };
}

function buildChoice(choice: string): unknown {
  if (choice === "none" || choice === "required") return choice;
  return { type: "function", function: { name: choice } };
}

function parseObject(text: string, subject: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    throw new SettingsError(`${subject}: this is not valid JSON.`);
  }
  throw new SettingsError(`${subject}: this is no JSON object.`);
}
