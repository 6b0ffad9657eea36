/** Accumulates the chunks of a stream into a completion, without knowledge of their fields. */
import { APIError } from "./errors.js";
import { isObject } from "./error-parsing.js";
import { show } from "./json-body.js";
import { toCompletion } from "./decoding.js";
import type { ChatCompletion } from "./types.js";

type Body = Record<string, unknown>;

/** Each chunk has the whole value of these; other strings arrive in parts. */
const WHOLE = new Set(["role", "id", "type", "name"]);

/** The completion so far, from chunks as parsed JSON. */
export class Accumulator {
  private readonly top: Body = Object.create(null);
  private readonly choices = new Map<number, Body>();

  add(chunk: Body): void {
    for (const [name, value] of Object.entries(chunk)) {
      if (name !== "choices" && name !== "object" && value !== null) {
        this.top[name] = value;
      }
    }
    for (const choice of Array.isArray(chunk["choices"]) ? chunk["choices"] : []) {
      if (isObject(choice)) {
        this.addChoice(choice);
      }
    }
  }

  /** A copy of the completion so far. Throws `APIError` for one that nests too deeply. */
  completion(): ChatCompletion {
    try {
      return this.copy();
    } catch (error) {
      throw new APIError(`The completion cannot be copied: ${show(error)}.`, { cause: error });
    }
  }

  private copy(): ChatCompletion {
    const choices = [...this.choices.entries()].sort(([a], [b]) => a - b).map(([, choice]) => withoutIndexes(choice));
    return toCompletion({
      ...structuredClone({ ...this.top }),
      object: "chat.completion",
      choices,
      usage: structuredClone(this.top["usage"]) ?? null,
      message: choices[0]?.["message"] ?? { role: "assistant", content: "" },
    });
  }

  private addChoice({ index, delta, message: _, ...rest }: Body): void {
    const position = typeof index === "number" ? index : 0;
    const choice = this.choices.get(position) ?? {
      index: position,
      message: { role: "assistant", content: null },
      logprobs: null,
      finish_reason: null,
    };
    this.choices.set(position, choice);
    if (isObject(delta)) {
      merge(choice["message"] as Body, delta);
    }
    merge(choice, rest, new Set(Object.keys(rest)));
  }
}

/** Merge `delta` into `whole`. Strings are appended, except those named in `fixed`, which are replaced. */
function merge(whole: Body, delta: Body, fixed: ReadonlySet<string> = WHOLE): void {
  for (const [name, value] of Object.entries(delta)) {
    if (name === "__proto__") {
      continue; // it would reach the prototype that all objects share
    }
    const known = Object.hasOwn(whole, name) ? whole[name] : undefined;
    if (value === null || value === undefined) {
      whole[name] ??= null;
    } else if (typeof value === "string" && typeof known === "string" && !fixed.has(name)) {
      whole[name] = known + value;
    } else if (Array.isArray(value)) {
      whole[name] = extend(Array.isArray(known) ? known : [], value);
    } else if (isObject(value)) {
      const inner = isObject(known) ? known : {};
      merge(inner, value);
      whole[name] = inner;
    } else {
      whole[name] = value;
    }
  }
}

/** Merge items that have an index into the item with that index; append the others. */
function extend(list: unknown[], items: unknown[]): unknown[] {
  for (const item of items) {
    if (isObject(item) && typeof item["index"] === "number") {
      let whole = list.find((other) => isObject(other) && other["index"] === item["index"]) as Body | undefined;
      if (!whole) {
        whole = { index: item["index"] };
        list.push(whole);
      }
      merge(whole, item);
    } else {
      list.push(item);
    }
  }
  return list;
}

/** The choice as in a response without streaming: tool calls without index; content unless there are tool calls. */
function withoutIndexes(choice: Body): Body {
  const copy = structuredClone(choice);
  const message = copy["message"] as Body;
  const calls = message["tool_calls"];
  if (Array.isArray(calls)) {
    message["tool_calls"] = calls.map((call: unknown) => {
      if (!isObject(call)) {
        return call;
      }
      const { index: _, ...rest } = call;
      return rest;
    });
  } else {
    message["content"] ??= "";
  }
  return copy;
}
