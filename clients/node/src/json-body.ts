/** Request bodies: from parameters to JSON, or to an error that gives the path of the faulty value. */
import { InvalidArgumentError } from "./errors.js";

/** `body` as JSON. Throws `InvalidArgumentError` for what JSON cannot express, or would change without notice. */
export function encodeBody(body: object): string {
  try {
    check(body, "", []);
    return JSON.stringify(body);
  } catch (error) {
    if (error instanceof InvalidArgumentError) {
      throw error;
    }
    const reason = error instanceof RangeError ? "it nests too deeply" : show(error);
    throw new InvalidArgumentError(`an argument cannot be sent as JSON: ${reason}`, { cause: error });
  }
}

/** A short text for an argument in an error. */
export function show(value: unknown): string {
  try {
    return (value instanceof Error ? value.message : String(value)).slice(0, 60).replace(/\p{Surrogate}/gu, "\ufffd");
  } catch {
    return typeof value;
  }
}

function check(given: unknown, path: string, parents: unknown[]): void {
  const { toJSON } = (given ?? {}) as { toJSON?: unknown };
  const value: unknown = typeof toJSON === "function" ? toJSON.call(given, path) : given;
  const problem = problemOf(value);
  const name = path ? `\`${show(path)}\`` : "an argument";
  if (problem) {
    throw new InvalidArgumentError(`${name} ${problem}`);
  }
  if (typeof value === "object" && value !== null) {
    if (parents.includes(value)) {
      throw new InvalidArgumentError(`${name} contains itself`);
    }
    parents.push(value);
    for (const [key, item] of Object.entries(value)) {
      check(key, path, parents);
      check(item, Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key, parents);
    }
    parents.pop();
  }
}

function problemOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return /\p{Surrogate}/u.test(value)
        ? "has a lone surrogate (half of a character beyond U+FFFF), which UTF-8 cannot encode"
        : undefined;
    case "number":
      return Number.isFinite(value) ? undefined : `must be a finite number, not ${value}`;
    case "bigint":
    case "function":
    case "symbol":
      return `is a ${typeof value}, which has no JSON form`;
    case "object":
      // JSON would make `{}` of these.
      return value instanceof Map || value instanceof Set || value instanceof RegExp || value instanceof Promise ||
        ArrayBuffer.isView(value) || value instanceof ArrayBuffer
        ? `is a ${value.constructor.name}, which has no JSON form`
        : undefined;
    default:
      return undefined;
  }
}
