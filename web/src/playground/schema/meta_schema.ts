import type { Schema } from "@cfworker/json-schema";

const SCHEMA: Schema = { $ref: "#" };
const SCHEMAS: Schema = { type: "array", items: SCHEMA, minItems: 1 };
const SCHEMA_MAP: Schema = { type: "object", additionalProperties: SCHEMA };
const COUNT: Schema = { type: "integer", minimum: 0 };
const NAMES: Schema = { type: "array", items: { type: "string" } };
const TYPE: Schema = { enum: ["array", "boolean", "integer", "null", "number", "object", "string"] };

/** The form of JSON Schema 2020-12 and draft 7: the keywords of both. */
export const META_SCHEMA: Schema = {
  type: ["object", "boolean"],
  properties: {
    $ref: { type: "string" },
    $defs: SCHEMA_MAP,
    definitions: SCHEMA_MAP,
    title: { type: "string" },
    description: { type: "string" },
    type: { anyOf: [TYPE, { type: "array", items: TYPE, minItems: 1, uniqueItems: true }] },
    enum: { type: "array" },
    multipleOf: { type: "number", exclusiveMinimum: 0 },
    maximum: { type: "number" },
    exclusiveMaximum: { type: "number" },
    minimum: { type: "number" },
    exclusiveMinimum: { type: "number" },
    maxLength: COUNT,
    minLength: COUNT,
    pattern: { type: "string", format: "regex" },
    format: { type: "string" },
    items: { anyOf: [SCHEMA, SCHEMAS] },
    prefixItems: SCHEMAS,
    additionalItems: SCHEMA,
    contains: SCHEMA,
    maxItems: COUNT,
    minItems: COUNT,
    uniqueItems: { type: "boolean" },
    maxProperties: COUNT,
    minProperties: COUNT,
    required: NAMES,
    properties: SCHEMA_MAP,
    patternProperties: SCHEMA_MAP,
    additionalProperties: SCHEMA,
    propertyNames: SCHEMA,
    dependentRequired: { type: "object", additionalProperties: NAMES },
    dependentSchemas: SCHEMA_MAP,
    if: SCHEMA,
    then: SCHEMA,
    else: SCHEMA,
    allOf: SCHEMAS,
    anyOf: SCHEMAS,
    oneOf: SCHEMAS,
    not: SCHEMA,
  },
};
