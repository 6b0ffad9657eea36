import { expect, test } from "vitest";
import { partsOf } from "../src/playground/thread/parts";

test.each(["a".repeat(9000), "word ".repeat(3000), "line\n".repeat(3000), "😀".repeat(5000), "x"])("parts of a text", (text) => {
  const parts = partsOf(text);
  expect(Math.max(...parts.map((part) => part.length))).toBeLessThanOrEqual(4000);
  const joined = text.includes("\n") ? parts.join("\n") : parts.join("");
  expect(joined.trimEnd()).toBe(text.trimEnd());
  expect(parts.every((part) => !/^[\udc00-\udfff]/.test(part))).toBe(true);
});
