import { expect, test } from "vitest";
import { AnswerAccumulator } from "../src/playground/answer/accumulate";
import { level, percent, textWith } from "../src/playground/answer/logprobs";
import { bytes, count, day, seconds, speed } from "../src/playground/answer/numbers";
import { parseComment } from "../src/playground/answer/progress";
import { receiptRows } from "../src/playground/answer/receipt";

const chunk = (delta: object, more: object = {}) => JSON.stringify({ choices: [{ index: 0, delta, ...more }] });

test("chunks add up", () => {
  const answer = new AnswerAccumulator("Once");
  expect(answer.begun).toBe(false);
  answer.add(chunk({ role: "assistant", content: "" }));
  expect(answer.begun).toBe(false);
  answer.add(chunk({ content: " upon" }, { logprobs: { content: [{ token: " upon", logprob: 0, top_logprobs: [] }] } }));
  answer.add(chunk({ reasoning_content: "hm", reasoning: "hm" }));
  answer.add(chunk({ tool_calls: [{ index: 0, id: "c", function: { name: "f", arguments: "" } }] }));
  answer.add(chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] }));
  answer.add(chunk({}, { finish_reason: "stop" }));
  answer.add('{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}, "receipt": {"engine": "e"}}');
  expect(answer.fields()).toMatchObject({
    text: "Once upon",
    reasoning: "hm",
    calls: [{ id: "c", name: "f", arguments: '{"a"' }],
    finish: "stop",
    logprobs: [{ token: " upon" }],
    usage: { completion_tokens: 2 },
    receipt: { engine: "e" },
  });
});

test("an index of a call that no array has is passed over", () => {
  const answer = new AnswerAccumulator("");
  answer.add(chunk({ tool_calls: [{ index: 1e9 }, { index: -1 }, { index: 1, function: { name: "f" } }] }));
  expect(answer.fields().calls).toHaveLength(1);
});

test.each([
  ["loading tiny 43 %", { text: "Loading tiny", percent: 43 }],
  ["loading tiny", { text: "Loading tiny", percent: null }],
  ["waiting to load tiny", { text: "Waiting to load tiny", percent: null }],
  ["waiting", { text: "Waiting for the model", percent: null }],
  ["waiting, 1 ahead, about 2 s", { text: "1 request ahead in the queue, about 2 s", percent: null }],
  ["message", null],
])("the comment %j", (comment, progress) => expect(parseComment(comment)).toEqual(progress));

test("an alternative within a character cannot be continued", () => {
  const tokens = [
    { token: "a", logprob: 0, bytes: null, top_logprobs: [] },
    { token: "\ufffd", logprob: 0, bytes: [0xe2, 0x82], top_logprobs: [] },
  ];
  expect(textWith("x", tokens, 2, { token: "\ufffd", logprob: 0, bytes: [0xac] })).toBe("xa€");
  expect(textWith("", tokens, 1, { token: "b", logprob: 0, bytes: [98] })).toBe("ab");
  expect(textWith("", tokens, 1, tokens[1]!)).toBeNull();
});

test("numbers for readers", () => {
  expect([count(1, "token"), count(1234, "token")]).toEqual(["1 token", "1,234 tokens"]);
  expect([seconds(12.4), seconds(1234), seconds(12_345), seconds(-5)]).toEqual(["12 ms", "1.23 s", "12.3 s", "0 ms"]);
  expect([bytes(999), bytes(22_400_000), bytes(4.7e9)]).toEqual(["999 B", "22 MB", "4.7 GB"]);
  expect([level(0), level(Math.log(0.5)), level(-9)]).toEqual([4, 2, 0]);
  expect(percent(-20)).toBe("< 0.1 %");
  expect(speed({ prompt_tokens: 1, completion_tokens: 11 }, { first: 100, last: 1100 })).toBe(10);
  expect(speed({ prompt_tokens: 1, completion_tokens: 1 }, { first: 100, last: 100 })).toBeNull();
});

test("a time in the future is today", () => {
  const now = new Date(2026, 5, 10, 12).getTime();
  expect(day(now + 9e9, now)).toBe("Today");
  expect(day(now - 86_400_000, now)).toBe("Yesterday");
  expect(day(0, now)).toBe("Older");
});

test("a receipt has a row for each value", () => {
  const rows = receiptRows({ engine: "e", sampling: { temperature: 1, seed: null, top_k: 3 }, decode_ms: 1.25, upstream: null });
  expect(rows).toEqual([["Engine", "e"], ["Temperature", "1"], ["Top k", "3"], ["Generating", "1.3 ms"]]);
});
