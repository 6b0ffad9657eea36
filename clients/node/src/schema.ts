/** The form of an answer: what is asked of the model, and how its text is checked. */
import { ParseError } from "./errors.js";
import { isObject } from "./failure.js";
import type { ChatCompletion, ParsedCompletion } from "./answers.js";
import type { JSONSchema, ResponseFormat } from "./params.js";

/** A schema object of a library that follows Standard Schema and Standard JSON Schema: Zod 4.2 and later, ArkType … */
export interface StandardSchema<T> {
  readonly "~standard": {
    readonly validate: (value: unknown) => Verdict<T> | Promise<Verdict<T>>;
    /** Of what is validated: the model writes what transformations start from. */
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

/** Keywords whose values are no schemas, or not to be closed. */
const OPAQUE = new Set(["allOf", "const", "default", "enum", "examples"]);

type Check = (value: unknown) => unknown;

/** A form that can be sent, and what it makes of a value; that throws for a value of another form. */
export interface Form {
  format: ResponseFormat;
  check: Check | undefined;
}

/** The form that `given` stands for: a schema object, a whole `response_format`, or a bare JSON schema. */
export function readForm(given: unknown): Form {
  if (!isObject(given)) {
    throw new TypeError("`response_format` must be a JSON schema, or a schema object of a library such as Zod");
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
    throw new TypeError(
      "this schema object does not give its JSON schema; pass that as `response_format` and the object's `parse` as `validate`",
    );
  }
  return { format: given["type"] === "json_schema" ? (given as ResponseFormat) : asFormat(given), check: undefined };
}

/** The answer with what its text says. Throws `ParseError` when it is not JSON, or refused by `check`. */
export async function parseAnswer<T>(completion: ChatCompletion, check: Check | undefined): Promise<ParsedCompletion<T>> {
  const choice = completion.choices[0];
  const cut = choice?.finish_reason === "length" ? " It was cut off: no more tokens were allowed." : "";
  let value: unknown;
  try {
    value = JSON.parse(choice?.message.content ?? "");
  } catch (error) {
    throw new ParseError(`The answer is not JSON.${cut}`, completion, { cause: error });
  }
  try {
    return { ...completion, parsed: (check ? await check(value) : value) as T };
  } catch (error) {
    throw new ParseError(`The answer is not of the form that was asked for.${cut}`, completion, { cause: error });
  }
}

function asFormat(schema: object): ResponseFormat {
  const title = (schema as JSONSchema)["title"];
  const name = String(title ?? "answer").replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 64);
  return { type: "json_schema", json_schema: { name, schema: schema as JSONSchema, strict: true } };
}

/**
 * The schema with its objects closed to properties that it does not name: validation would drop these, but the model
 * need not write them first. Parts of an `allOf` stay open, since each part sees the properties of the others.
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
