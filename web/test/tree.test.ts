import { expect, test } from "vitest";
import type { AnswerMessage, Message } from "../src/playground/conversation/message";
import { MessageTree } from "../src/playground/conversation/tree";
import { answer, user } from "./messages";

const ids = (messages: readonly Message[]) => messages.map(({ id }) => id);

test("the path follows the chosen children, and else the newest ones", () => {
  const messages = [user("q", null, 0), answer("a", "q", 1), answer("b", "q", 2), user("r", "a", 3)];
  expect(ids(new MessageTree(messages).path())).toEqual(["q", "b"]);
  const tree = new MessageTree(messages, { q: "a" });
  expect(ids(tree.path())).toEqual(["q", "a", "r"]);
  expect(new MessageTree(messages, tree.choose("b")).path().at(-1)!.id).toBe("b");
  expect(new MessageTree(messages, { q: "gone" }).path().at(-1)!.id).toBe("b");
});

test("versions are siblings of the same role, a pair is one of them", () => {
  const pair = { pair: "p" };
  const messages = [user("q", null, 0), answer("a", "q", 1, pair), answer("b", "q", 2, pair), answer("c", "q", 3)];
  const tree = new MessageTree(messages);
  expect(ids(tree.versions(messages[3]!))).toEqual(["a", "c"]);
  expect(ids(tree.pair(messages[1] as AnswerMessage))).toEqual(["a", "b"]);
  expect(ids(tree.pair(messages[3] as AnswerMessage))).toEqual(["c"]);
});

test("the path to a message does not depend on the choice", () => {
  const messages = [user("q", null, 0), answer("a", "q", 1), answer("b", "q", 2), user("r", "a", 3)];
  expect(ids(new MessageTree(messages).pathTo("r"))).toEqual(["q", "a", "r"]);
  expect(new MessageTree(messages).pathTo(null)).toEqual([]);
});

test("missing parents and circles end no walk in a loop", () => {
  const orphan = user("o", "gone", 0);
  expect(ids(new MessageTree([orphan]).path())).toEqual(["o"]);
  const circle = [user("x", "y", 0), user("y", "x", 1)];
  const tree = new MessageTree(circle);
  expect(tree.path()).toEqual([]);
  expect(tree.pathTo("x").length).toBe(2);
});

test("a conversation of a hundred thousand messages is walked in one pass", () => {
  const messages = Array.from({ length: 100_000 }, (_, at) => user(`${at}`, at ? `${at - 1}` : null, at));
  expect(new MessageTree(messages).path().length).toBe(100_000);
});
