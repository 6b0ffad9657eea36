import { indentJson } from "./json_text";

/** An answer in JSON as a block of code, indented in the end. While the answer grows, the block only grows too. */
export function codeBlockOf(text: string, done: boolean): string {
  return done ? fenced("json", indentJson(text)) : openFence("json", text);
}

/** A block of code in Markdown, whose fence is longer than every run of backticks in the text. */
export function fenced(language: string, text: string): string {
  return `${openFence(language, text)}\n${fenceFor(text)}`;
}

function openFence(language: string, text: string): string {
  return `${fenceFor(text)}${language}\n${text}`;
}

function fenceFor(text: string): string {
  return "`".repeat([...text.matchAll(/`+/g)].reduce((longest, [run]) => Math.max(longest, run.length), 2) + 1);
}
