import { expect, test } from "vitest";
import { checkSchema } from "../src/playground/schema/check";
import { EXAMPLE_SCHEMA, EXAMPLE_TOOL } from "../src/playground/request/settings";

test.each([
  EXAMPLE_SCHEMA,
  EXAMPLE_TOOL.parameters,
  "{}",
  '{"$ref": "#/$defs/a", "$defs": {"a": {"type": ["string", "null"]}}}',
  '{"anyOf": [{"const": 1}, {"enum": ["a"]}], "prefixItems": [{}], "items": false}',
  '{"properties": {"type": {"type": "string"}, "properties": {"type": "integer"}}}',
])("%s is a schema", (text) => expect(checkSchema(text)).toEqual([]));

test.each([
  ['{"type": "strin"}', ["type"]],
  ['{"properties": {"a": {"type": 3}}}', ["properties", "a", "type"]],
  ['{"properties": {"a": 3}}', ["properties", "a"]],
  ['{"required": "name"}', ["required"]],
  ['{"minLength": -1}', ["minLength"]],
  ['{"anyOf": []}', ["anyOf"]],
])("%s has a fault at %j", (text, path) => {
  const faults = checkSchema(text);
  expect(faults.length).toBeGreaterThan(0);
  expect(faults[0]!.path).toEqual(path);
  expect(faults[0]!.message).toContain(path.join("."));
});

test.each([["", true], ["{", true], ['{"a": }', true], ["[1]", false], ["3", false]])("%j is no JSON object", (text, place) => {
  const [fault] = checkSchema(text);
  expect(fault!.offset !== null).toBe(place);
  expect(fault!.message).toMatch(/JSON/);
});
