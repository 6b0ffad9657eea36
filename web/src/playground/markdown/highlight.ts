import type { HLJSApi } from "highlight.js";

interface Scope {
  scope?: string;
  children: (Scope | string)[];
}

let library: HLJSApi | null = null;
let loading: Promise<HLJSApi> | null = null;

async function load(): Promise<HLJSApi> {
  loading ??= import("highlight.js/lib/common").then((module) => (library = module.default));
  return loading;
}

/** Longer lines and pieces stay plain: the highlighter takes time by the square of a line's length. */
const LINE = 1_000;
const PIECE = 40_000;

function isPlain(text: string): boolean {
  return text.length > PIECE || text.split("\n").some(({ length }) => length > LINE);
}

/** Shows `text` in `parent`, highlighted if the language is known: at once where the highlighter is loaded. */
export function showCode(parent: HTMLElement, text: string, language: string): void {
  parent.textContent = text;
  if (!language || !text || isPlain(text)) return;
  if (library) paint(library, parent, text, language);
  else void load().then((loaded) => parent.textContent === text && paint(loaded, parent, text, language), () => undefined);
}

function paint(highlighter: HLJSApi, parent: HTMLElement, text: string, language: string): void {
  if (!highlighter.getLanguage(language)) return;
  const result = highlighter.highlight(text, { language, ignoreIllegals: true });
  const { rootNode } = result._emitter as unknown as { rootNode: Scope };
  parent.replaceChildren(...rootNode.children.map(createNode));
}

/** Elements from the highlighter's tree; its HTML is not used. */
function createNode(node: Scope | string): Node {
  if (typeof node === "string") return document.createTextNode(node);
  const element = document.createElement("span");
  if (node.scope) element.className = `code-${node.scope.split(/[.:]/)[0]}`;
  element.append(...node.children.map(createNode));
  return element;
}
