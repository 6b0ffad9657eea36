/** Structured output: a schema as `response_format`, and the check of the text. */
import { InvalidArgumentError, ParseError } from "./errors.js";
import { show } from "./json-body.js";
import { isObject } from "./error-parsing.js";
import type { ChatCompletion, ParsedCompletion } from "./types.js";
import type { JSONSchema, ResponseFormat } from "./params.js";

/** A schema object of a library that follows Standard Schema and Standard JSON Schema: Zod 4.2 and later, ArkType … */
export interface StandardSchema<T> {
  readonly "~standard": {
    readonly validate: (value: unknown) => Verdict<T> | Promise<Verdict<T>>;
    /** The input schema: the model generates the input of transformations. */
    readonly jsonSchema: { readonly input: (options: { target: "draft-2020-12" }) => object };
  };
}

/** A schema object that knows its JSON schema and parses values, or throws. */
export interface ParsingSchema<T> {
  toJSONSchema(): object;
  parse(value: unknown): T;
}

/** An object of a schema library. */
export type Schema<T> = StandardSchema<T> | ParsingSchema<T>;

type Verdict<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] };

/** Keywords whose values are not schemas, or must stay open. */
const OPAQUE = new Set(["allOf", "const", "default", "enum", "examples"]);

type Check = (value: unknown) => unknown;

/** A `response_format`, and its validator, which returns the value or throws. */
export interface ParsedFormat {
  format: ResponseFormat;
  check: Check | undefined;
}

/** The format of a schema object, a whole `response_format`, or a bare JSON schema. Throws `InvalidArgumentError`. */
export function resolveFormat(given: unknown): ParsedFormat {
  try {
    return resolve(given);
  } catch (error) {
    if (error instanceof InvalidArgumentError) {
      throw error;
    }
    throw new InvalidArgumentError(`\`response_format\` has no JSON schema: ${show(error)}`, { cause: error });
  }
}

function resolve(given: unknown): ParsedFormat {
  if (!isObject(given)) {
    throw new InvalidArgumentError("`response_format` must be a JSON schema, or a schema object of a library such as Zod");
  }
  const standard = given["~standard"];
  if (isObject(standard) && isObject(standard["jsonSchema"])) {
    const { validate, jsonSchema } = (given as unknown as StandardSchema<unknown>)["~standard"];
    return { format: asFormat(closed(jsonSchema.input({ target: "draft-2020-12" }))), check: asCheck(validate) };
  }
  if (typeof given["toJSONSchema"] === "function" && typeof given["parse"] === "function") {
    const schema = given as unknown as ParsingSchema<unknown>;
    return { format: asFormat(schema.toJSONSchema()), check: (value) => schema.parse(value) };
  }
  if (standard !== undefined || typeof given["parse"] === "function") {
    throw new InvalidArgumentError(
      "this schema object does not give its JSON schema; pass that as `response_format` and the object's `parse` as `validate`",
    );
  }
  return { format: given["type"] === "json_schema" ? (given as ResponseFormat) : asFormat(given), check: undefined };
}

/** The completion with the parsed value of its text. Throws `ParseError` for text that is not JSON, or fails `check`. */
export async function parseCompletion<T>(completion: ChatCompletion, check: Check | undefined): Promise<ParsedCompletion<T>> {
  const choice = completion.choices[0];
  const cut = choice?.finish_reason === "length" ? " It was cut off by `max_tokens`." : "";
  let value: unknown;
  try {
    value = JSON.parse(choice?.message.content ?? "");
  } catch (error) {
    throw new ParseError(`The completion is not JSON.${cut}`, completion, { cause: error });
  }
  try {
    return { ...completion, parsed: (check ? await check(value) : value) as T };
  } catch (error) {
    throw new ParseError(`The completion does not match the requested schema.${cut}`, completion, { cause: error });
  }
}

function asFormat(schema: object): ResponseFormat {
  const title = (schema as JSONSchema)["title"];
  const name = String(title ?? "answer").replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 64);
  return { type: "json_schema", json_schema: { name, schema: schema as JSONSchema, strict: true } };
}

/**
 * The schema with its objects closed to additional properties: validation would drop them, so the model need not
 * generate them. Parts of an `allOf` stay open, since each part sees the properties of the others.
 */
function closed<T>(schema: T): T {
  if (Array.isArray(schema)) {
    return schema.map(closed) as T;
  }
  if (!isObject(schema)) {
    return schema;
  }
  const entries = Object.entries(schema).map(([name, value]) => [name, OPAQUE.has(name) ? value : closed(value)]);
  const open = schema["type"] === "object" && isObject(schema["properties"]) && !("additionalProperties" in schema);
  return { ...Object.fromEntries(entries), ...(open ? { additionalProperties: false } : {}) };
}

function asCheck<T>(validate: (value: unknown) => Verdict<T> | Promise<Verdict<T>>): Check {
  return async (value) => {
    const verdict = await validate(value);
    if (verdict.issues) {
      throw new TypeError(verdict.issues.map(({ message }) => message).join("; "));
    }
    return verdict.value;
  };
}
