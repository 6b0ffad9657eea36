/** From the chunks of a stream to the completion that they make, without knowing their fields. */
import { isObject } from "./failure.js";
import { complete } from "./result.js";
import type { ChatCompletion } from "./answers.js";

type Body = Record<string, unknown>;

/** Said whole, though maybe more than once; other strings come in pieces. */
const WHOLE = new Set(["role", "id", "type", "name"]);

/** Takes in chunks as their JSON came; knows the completion so far. */
export class Accumulator {
  private readonly top: Body = {};
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

  /** A copy of its own: later chunks do not change it. */
  completion(): ChatCompletion {
    const choices = [...this.choices.entries()].sort(([a], [b]) => a - b).map(([, choice]) => finished(choice));
    return complete({
      ...structuredClone(this.top),
      object: "chat.completion",
      choices,
      usage: structuredClone(this.top["usage"]) ?? null,
      message: choices[0]?.["message"] ?? { role: "assistant", content: "" },
    });
  }

  private addChoice({ index, delta, ...rest }: Body): void {
    const place = typeof index === "number" ? index : 0;
    const choice = this.choices.get(place) ?? {
      index: place,
      message: { role: "assistant", content: null },
      logprobs: null,
      finish_reason: null,
    };
    this.choices.set(place, choice);
    if (isObject(delta)) {
      merge(choice["message"] as Body, delta);
    }
    merge(choice, rest, new Set(Object.keys(rest)));
  }
}

/** Add what `delta` says to `whole`; of the `fixed` strings, the last stands. */
function merge(whole: Body, delta: Body, fixed: ReadonlySet<string> = WHOLE): void {
  for (const [name, value] of Object.entries(delta)) {
    const known = whole[name];
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

/** Items that bear an index belong to the item with that index; others are further ones. */
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

/** The choice as an unstreamed answer has it: calls without their index, and content unless there are calls. */
function finished(choice: Body): Body {
  const copy = structuredClone(choice);
  const message = copy["message"] as Body;
  const calls = message["tool_calls"];
  if (Array.isArray(calls)) {
    message["tool_calls"] = calls.map(({ index: _, ...call }) => call);
  } else {
    message["content"] ??= "";
  }
  return copy;
}
