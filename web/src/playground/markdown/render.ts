import { CodeBlock } from "./code_block";
import { renderFormula } from "./formula";
import { createLink } from "./links";
import { TableBlock } from "./table_block";
import type { Token } from "markdown-it";

/** The elements that tokens can become. No HTML is parsed: everything else in an answer is text. */
const ELEMENTS: Readonly<Record<string, string>> = {
  p: "p",
  h1: "h3",
  h2: "h4",
  h3: "h5",
  h4: "h6",
  h5: "h6",
  h6: "h6",
  ul: "ul",
  ol: "ol",
  li: "li",
  blockquote: "blockquote",
  hr: "hr",
  strong: "strong",
  em: "em",
  s: "s",
  tr: "tr",
  th: "th",
  td: "td",
};

/** Appends the elements of `tokens` to `parent`. */
export function renderTokens(tokens: readonly Token[], parent: Node): void {
  const open: Node[] = [parent];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    const top = open.at(-1)!;
    if (token.type === "table_open") {
      const end = closeOf(tokens, at);
      const table = new TableBlock(renderTokens);
      table.add(tokens.slice(at, end + 1));
      top.appendChild(table.element);
      at = end;
    } else if (token.nesting < 0) {
      if (!token.hidden && open.length > 1) open.pop();
    } else if (!token.hidden) {
      const node = createNode(token);
      top.appendChild(node);
      if (token.nesting > 0) open.push(node);
    }
  }
}

function createNode(token: Token): Node {
  switch (token.type) {
    case "inline": {
      const fragment = document.createDocumentFragment();
      renderTokens(token.children ?? [], fragment);
      return fragment;
    }
    case "text":
    case "text_special":
    case "html_inline":
    case "html_block":
      return document.createTextNode(token.content);
    case "softbreak":
      return document.createTextNode("\n");
    case "hardbreak":
      return document.createElement("br");
    case "code_inline":
      return withText("code", token.content);
    case "fence":
    case "code_block": {
      const code = new CodeBlock(token.info);
      code.add(token.content);
      return code.element;
    }
    case "formula":
    case "formula_block":
      return renderFormula(token.content, token.markup);
    case "link_open":
      return createLink(String(token.attrGet("href") ?? ""));
    case "image":
      return createImageLink(token);
    default:
      return createElement(token);
  }
}

function createElement(token: Token): Node {
  const name = ELEMENTS[token.tag];
  if (!name) return document.createTextNode(token.content);
  const element = document.createElement(name);
  if (/^h\d$/.test(token.tag)) element.className = `heading-${token.tag[1]}`;
  const start = token.attrGet("start");
  if (element instanceof HTMLOListElement && start !== null) element.start = Number(start);
  const align = /^text-align:(left|right|center)$/.exec(String(token.attrGet("style") ?? ""));
  if (align) element.className = `align-${align[1]}`;
  return element;
}

/** An image of an answer is never loaded: loading it would reveal the reader to its server. It is shown as a link. */
function createImageLink(token: Token): Node {
  const link = createLink(String(token.attrGet("src") ?? ""));
  link.className = "image-link";
  link.textContent = token.content ? `Image: ${token.content}` : "Image";
  return link;
}

function closeOf(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    depth += tokens[at]!.nesting;
    if (depth === 0) return at;
  }
  return tokens.length - 1;
}

function withText(name: string, text: string): HTMLElement {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}
