import { expect, test } from "vitest";
import { safeAddress } from "../src/playground/markdown/links";
import { createParser } from "../src/playground/markdown/parser";
import { BlockSplitter, type Block } from "../src/playground/markdown/splitter";
import { codeBlockOf } from "../src/playground/answer/json_answer";

const parse = createParser();

/** The settled blocks of a text that arrives in pieces of `size` characters, and the longest text that was parsed. */
function split(text: string, size: number): { blocks: Block[]; parsed: number; longest: number } {
  let parsed = 0;
  let longest = 0;
  const splitter = new BlockSplitter((source, references) => {
    parsed += source.length;
    longest = Math.max(longest, source.length);
    return parse(source, references);
  });
  const blocks: Block[] = [];
  for (let end = size; end < text.length; end += size) blocks.push(...splitter.update(text.slice(0, end), false).settled);
  blocks.push(...splitter.update(text, true).settled);
  return { blocks, parsed, longest };
}

const DOCUMENT = `# Title
Setext
======

A *para* with \`code\`
and a second line | with a bar

| a | b |
|---|--:|
| 1 | 2 |
| 3 | 4 |

- one

  two
- three
  1. four

\`\`\`\`js
const a = "\`\`\`";

// b
\`\`\`\`

$$
a_b
$$

    indented

> quote
lazy

***

Price $5 and $6, formula $x^2$ and \\(y\\).
[link][l]

[l]: https://example.com "t"
a line
| a | b
|--
|---|---
a line
$$x

last line`;

test("a stream in pieces of any size is the same as the whole text", () => {
  const whole = split(DOCUMENT, DOCUMENT.length);
  const shape = (blocks: Block[]) => blocks.map(({ kind, tokens }) => [kind, tokens.map(({ type, content }) => [type, content])]);
  for (const size of [1, 2, 3, 7, 50]) {
    const { blocks } = split(DOCUMENT, size);
    expect(blocks.map(({ source }) => source).join("")).toBe(DOCUMENT);
    expect(shape(blocks)).toEqual(shape(whole.blocks));
  }
});

test.each([
  ["table", `| a | b |\n|---|---|\n${"| cell | cell |\n".repeat(4_000)}`],
  ["fence", `\`\`\`py\n${"x = 1\n".repeat(10_000)}\`\`\`\n`],
  ["list", "- an item of a list\n".repeat(3_000)],
  ["ordered list", Array.from({ length: 4000 }, (_, at) => `${at + 1}. item ${at}\n`).join("")],
  ["paragraph", "word ".repeat(12_000)],
  ["one word", "a".repeat(60_000)],
  ["lines", "one line\n".repeat(7_000)],
  ["quote", "> a line of a quote\n".repeat(3_000)],
  ["item", `- ${"word ".repeat(12_000)}`],
  ["lazy quote", `> ${"word\n".repeat(12_000)}`],
  ["table of one row", `| a |\n|---|\n| ${"x".repeat(60_000)}`],
  ["fence of one line", `\`\`\`\n${"x".repeat(60_000)}`],
  ["indented line", `    ${"x".repeat(60_000)}`],
  ["brackets", "[".repeat(60_000)],
  ["stars", "*a_".repeat(20_000)],
])("a %s of 60 kB is parsed in bounded pieces, and nothing is lost", (_, text) => {
  const { blocks, longest } = split(text, 1000);
  expect(blocks.map(({ source }) => source).join("")).toBe(text);
  expect(longest).toBeLessThan(40_000);
});

test("the rows of a long table continue it", () => {
  const { blocks } = split(`| a |\n|---|\n${"| 1 |\n".repeat(6000)}\nafter`, 300);
  const rows = blocks.filter(({ kind }) => kind === "table_open");
  expect(rows[0]!.continues).toBe(false);
  expect(rows.slice(1).every(({ continues }) => continues)).toBe(true);
  const body = rows.flatMap(({ tokens }) => tokens.filter(({ type }) => type === "td_open"));
  expect(body).toHaveLength(6000);
  expect(blocks.at(-1)!.kind).toBe("paragraph_open");
});

test("the lines of a long block of code continue it", () => {
  const code = "a = 1\n".repeat(5000);
  const { blocks } = split(`\`\`\`py\n${code}\`\`\`\nafter`, 400);
  const pieces = blocks.filter(({ kind }) => kind === "fence");
  expect(pieces.map(({ tokens }) => tokens[0]!.content).join("")).toBe(code);
  expect(pieces.every(({ tokens }) => tokens[0]!.info === "py")).toBe(true);
});

test("no HTML becomes a token of HTML", () => {
  for (const text of ["<script>x</script>", "a <b onclick=x>", "<!-- c -->", "<img src=x>", "<style>*{}</style>\n\n"]) {
    const types = JSON.stringify(parse(text, {}));
    expect(types).not.toContain("html_");
  }
});

test.each([
  ["$x^2$", ["x^2"]],
  ["$5 and $6", []],
  ["a $x$ b $y$", ["x", "y"]],
  ["\\(a\\) and \\[b\\]", ["a", "b"]],
  ["$$a$$", ["a"]],
  ["$$\na\n$$", ["a"]],
  ["`$x$`", []],
  ["\\$x$", []],
  ["$ x$", []],
])("formulas in %j", (text, formulas) => {
  const tokens = parse(text, {}).flatMap((token) => [token, ...(token.children ?? [])]);
  expect(tokens.filter(({ type }) => type.startsWith("formula")).map(({ content }) => content)).toEqual(formulas);
});

test.each(["javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "vbscript:x", "/v1/models", "//x", "", "file:///etc", "blob:x", "\u0001javascript:x"])(
  "%j is no address",
  (href) => expect(safeAddress(href)).toBeNull(),
);

test.each(["https://example.com/a?b#c", "http://x", "mailto:a@b.c"])("%j is an address", (href) => {
  expect(safeAddress(href)).not.toBeNull();
});

test("a JSON answer is a block of code, also with fences in its text", () => {
  expect(codeBlockOf('{"a":1}', true)).toBe('```json\n{\n  "a": 1\n}\n```');
  const [fence] = parse(codeBlockOf('{"a":"````', true), {});
  expect(fence!.content).toBe('{"a":"````\n');
});

test("what is nested deeply is text, and nothing is lost", () => {
  for (const text of [`${">".repeat(500)} last`, `${"- ".repeat(500)}last`, Array.from({ length: 200 }, (_, at) => `${">".repeat(at)} word${at}`).join("\n")]) {
    const shown = parse(text, {}).flatMap(({ children }) => (children ?? []).map(({ content }) => content)).join(" ");
    expect(shown).toContain(text.slice(-4));
  }
});

test("white space alone, however long, is no block", () => {
  for (const text of [" ".repeat(100_000), `${" ".repeat(100_000)}x`, `${"\t".repeat(50_000)}\n\nend`, `a\n\n${" ".repeat(80_000)}b`]) {
    const splitter = new BlockSplitter(parse);
    for (let end = 7000; end <= text.length + 7000; end += 7000) {
      const { settled, tail } = splitter.update(text.slice(0, end), end >= text.length);
      for (const { tokens } of [...settled, ...tail]) expect(tokens.length).toBeGreaterThan(0);
    }
  }
});

test("openings of formulas without an end take time by their number", () => {
  const begin = process.cpuUsage();
  parse("\\(a".repeat(40_000), {});
  expect(process.cpuUsage(begin).user / 1e6).toBeLessThan(2);
});

test("the block of a JSON answer that grows only grows", () => {
  expect(codeBlockOf('{"a": [1, 2', false).startsWith(codeBlockOf('{"a": [1', false))).toBe(true);
});
