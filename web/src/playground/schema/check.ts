import { Validator, type OutputUnit, type Schema } from "@cfworker/json-schema";
import { META_SCHEMA } from "./meta_schema";

/** A fault in a JSON text. `path` names the place as in `properties.age.type`; it is empty for the whole text. */
export interface Fault {
  readonly message: string;
  readonly path: readonly string[];
  /** The offset in the text, for text that is not JSON. */
  readonly offset: number | null;
}

/** The faults of a JSON schema in `text`. */
export function checkSchema(text: string): Fault[] {
  const parsed = parse(text);
  if ("fault" in parsed) return [parsed.fault];
  if (typeof parsed.value !== "object" || parsed.value === null || Array.isArray(parsed.value)) {
    return [{ message: "A schema is a JSON object.", path: [], offset: null }];
  }
  return faultsOf(META_SCHEMA, parsed.value);
}

function faultsOf(schema: Schema, value: unknown): Fault[] {
  let errors: OutputUnit[];
  try {
    errors = new Validator(schema, "2020-12", false).validate(value).errors;
  } catch (error) {
    return [{ message: error instanceof Error ? error.message : String(error), path: [], offset: null }];
  }
  // Each error is repeated by the keywords around it: only the innermost ones name the cause.
  const depth = Math.max(...errors.map((error) => error.instanceLocation.split("/").length));
  const innermost = errors.filter((error) => error.instanceLocation.split("/").length === depth);
  return innermost.slice(0, 20).map((error) => ({
    message: sentence(error),
    path: error.instanceLocation.split("/").slice(1).map(unescape),
    offset: null,
  }));
}

function sentence(error: OutputUnit): string {
  const place = error.instanceLocation.split("/").slice(1).map(unescape).join(".");
  return place ? `${place}: ${error.error}` : error.error;
}

function unescape(part: string): string {
  const raw = part.replaceAll("~1", "/").replaceAll("~0", "~");
  try {
    return decodeURIComponent(raw);
  } catch {
    return raw;
  }
}

function parse(text: string): { value: unknown } | { fault: Fault } {
  if (!text.trim()) return { fault: { message: "There is no JSON here yet.", path: [], offset: 0 } };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const position = /position (\d+)/.exec(message);
    const offset = position ? Math.min(Number(position[1]), text.length) : text.length;
    return { fault: { message: `This is not JSON: ${message.split(" in JSON")[0]}`, path: [], offset } };
  }
}
