import { expect, test } from "vitest";
import type { Message } from "../src/playground/conversation/message";
import { buildBody, SettingsError } from "../src/playground/request/body";
import { codeFor, pythonLiteral } from "../src/playground/request/code";
import { DEFAULTS, EXAMPLE_TOOL, normalise, type Settings } from "../src/playground/request/settings";
import { answer, user } from "./messages";

const settings: Settings = { ...DEFAULTS, model: "m" };

test("defaults are left out", () => {
  expect(buildBody(settings, [user("Hello", null, 0)])).toEqual({
    model: "m",
    messages: [{ role: "user", content: "Hello" }],
    stream: true,
    stream_options: { include_usage: true },
  });
});

test("every setting has its field", () => {
  const body = buildBody(
    {
      ...settings,
      system: "Be brief.",
      sampling: { ...settings.sampling, temperature: 0, top_k: 5 },
      stop: ["\n"],
      reasoning: "low",
      tools: [EXAMPLE_TOOL],
      toolChoice: EXAMPLE_TOOL.name,
      format: "json_schema",
      logprobs: true,
    },
    [user("Hello", null, 0)],
    "{",
  );
  expect(body).toMatchObject({
    messages: [{ role: "system" }, { role: "user" }, { role: "assistant", content: "{" }],
    temperature: 0,
    top_k: 5,
    stop: ["\n"],
    reasoning_effort: "low",
    tools: [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }],
    tool_choice: { type: "function", function: { name: "get_weather" } },
    response_format: { type: "json_schema", json_schema: { schema: { type: "object" } } },
    logprobs: true,
    top_logprobs: 5,
  });
});

test("calls, their results and images are messages", () => {
  const calls = [{ id: "call_1", name: "f", arguments: "{}" }];
  const result: Message = { ...user("r", "a", 2), role: "tool", call: "call_1", name: "f", text: "21" } as never;
  const picture = { ...user("Look", null, 3), images: ["data:image/png;base64,AA=="] };
  const { messages } = buildBody(settings, [user("q", null, 0), answer("a", "q", 1, { calls, text: "" }), result, picture]);
  expect(messages.slice(1)).toEqual([
    { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "f", arguments: "{}" } }] },
    { role: "tool", tool_call_id: "call_1", content: "21" },
    {
      role: "user",
      content: [
        { type: "text", text: "Look" },
        { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } },
      ],
    },
  ]);
});

test.each(["", "{", "[]", "3"])("a schema of %j is refused with its name", (schema) => {
  const build = () => buildBody({ ...settings, format: "json_schema", schema }, []);
  expect(build).toThrow(SettingsError);
  expect(build).toThrow(/schema of the answer/);
});

test.each([
  ["it's \"so\"", '"it\'s \\"so\\""'],
  ["a\nb\u2028c\x7f", '"a\\nb\\u2028c\\u007f"'],
  [{ a: [true, null, 1.5] }, '{"a": [True, None, 1.5]}'],
])("%j is %s in Python", (value, literal) => expect(pythonLiteral(value)).toBe(literal));

test("the openai package gets other fields in extra_body", () => {
  const body = buildBody({ ...settings, sampling: { ...settings.sampling, top_k: 5, top_p: 0.5 } }, []);
  const code = codeFor("openai", body, "http://localhost:1");
  expect(code).toContain('extra_body={"top_k": 5}');
  expect(code).toContain("top_p=0.5");
  expect(code).toContain('base_url="http://localhost:1/v1"');
});

test("settings of unknown origin become valid ones", () => {
  for (const value of [null, 3, "x", [], { sampling: 3, tools: [null, {}, { name: "f" }], stop: [1, "a"], format: "xml" }]) {
    const read = normalise(value);
    expect(normalise(read)).toEqual(read);
  }
  expect(normalise({ tools: [null, { name: "f" }], stop: [1, "a"] })).toMatchObject({ stop: ["a"], tools: [{ name: "f" }] });
});
