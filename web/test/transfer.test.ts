import { expect, test } from "vitest";
import { matches } from "../src/playground/conversation/search";
import { titleOf } from "../src/playground/conversation/title";
import { exportText, ImportError, importText } from "../src/playground/conversation/transfer";
import { answer, user } from "./messages";

const conversation = { id: "c", title: "T", created: 1, updated: 2, chosen: { q: "a", "": "q" } };

test("an export is imported under new ids, with its branches", () => {
  const text = exportText([{ conversation, messages: [user("q", null, 0), answer("a", "q", 1), answer("b", "q", 2)] }]);
  const [read] = importText(text);
  const [question, first, second] = read!.messages;
  expect(read!.conversation.id).not.toBe("c");
  expect(question!.id).not.toBe("q");
  expect([first!.parent, second!.parent]).toEqual([question!.id, question!.id]);
  expect(read!.conversation.chosen).toEqual({ [question!.id]: first!.id, "": question!.id });
  expect(first).toMatchObject({ role: "assistant", text: "a", status: "complete", settings: { model: "m" } });
});

test.each(["", "{", "null", "[]", '{"format":"other"}', '{"format":"forefront-conversations","version":9,"conversations":[]}'])(
  "%j is no file of conversations",
  (text) => expect(() => importText(text)).toThrow(ImportError),
);

test("values of wrong types never pass", () => {
  const wrong = [null, 3, "x", [], {}, [null], { a: 1 }];
  for (const value of wrong) {
    for (const name of Object.keys(answer("a", "q", 1))) {
      if (name === "id" || name === "role") continue;
      const message = { ...answer("a", "q", 1), [name]: value };
      const text = JSON.stringify({
        format: "forefront-conversations",
        version: 1,
        conversations: [{ conversation: { ...conversation, title: value, chosen: value }, messages: [message] }],
      });
      const [read] = importText(text);
      expect(importText(exportText([read!]))[0]!.messages).toHaveLength(1);
    }
  }
});

test("what the page computes with has the types of a server", () => {
  const token = { token: "a", logprob: -1, bytes: null, top_logprobs: [] };
  const wrong = {
    ...answer("a", "q", 1),
    logprobs: [token, { ...token, bytes: 5 }, { ...token, top_logprobs: [{ token: "b", logprob: 0, bytes: ["c"] }] }],
    usage: { prompt_tokens: 1, completion_tokens: 1, prompt_tokens_details: { cached_tokens: "1" } },
    notes: ["same", "same"],
  };
  const text = exportText([{ conversation, messages: [wrong as never] }]);
  expect(importText(text)[0]!.messages[0]).toMatchObject({ logprobs: [token], usage: null, notes: ["same"] });
});

test("a receipt is read to the depth of those of a server", () => {
  const message = { ...answer("a", "q", 1), receipt: { engine: "x", sampling: { seed: 1, more: { a: [] } } } };
  const text = exportText([{ conversation, messages: [message] }]);
  expect(importText(text)[0]!.messages[0]).toMatchObject({ receipt: null });
  const deep = `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`;
  const read = importText(text.replace(/"a": \[\]/, `"a": ${deep}`));
  expect(read[0]!.messages[0]).toMatchObject({ receipt: null });
  expect(importText(text.replace(/"a": \[\]/, '"a": 1'))[0]!.messages[0]).toMatchObject({ receipt: { engine: "x" } });
});

test("images that are not data are dropped", () => {
  const picture = { ...user("q", null, 0), images: ["https://example.com/a.png", "data:image/png;base64,AA==", 3] };
  const text = exportText([{ conversation, messages: [picture as never] }]);
  expect(importText(text)[0]!.messages[0]).toMatchObject({ images: ["data:image/png;base64,AA=="] });
});

test("titles and search", () => {
  expect(titleOf("  Hello\n there ")).toBe("Hello there");
  expect(titleOf("word ".repeat(40)).length).toBeLessThanOrEqual(62);
  expect(titleOf("  ")).toBe("New conversation");
  expect(matches("The Kalman filter", "FILTER kal")).toBe(true);
  expect(matches("The Kalman filter", "filter x")).toBe(false);
});
