import type { MarkdownIt, StateBlock, StateInline } from "markdown-it";

const DELIMITERS = [
  ["$$", "$$"],
  ["\\[", "\\]"],
] as const;

/** Formulas: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` as blocks. Tokens `formula` and `formula_block`. */
export function formulas(parser: MarkdownIt): void {
  parser.inline.ruler.before("escape", "formula", inlineFormula);
  parser.block.ruler.before("fence", "formula_block", blockFormula, {
    alt: ["paragraph", "reference", "blockquote", "list"],
  });
}

function inlineFormula(state: StateInline, silent: boolean): boolean {
  const { src, pos } = state;
  const found = src[pos] === "$" ? dollars(src, pos, state.posMax) : brackets(state, pos);
  if (!found) return false;
  if (!silent) {
    const token = state.push("formula", "", 0);
    token.content = src.slice(found.start, found.end);
    token.markup = found.display ? "display" : "inline";
  }
  state.pos = found.next;
  return true;
}

interface Found {
  start: number;
  end: number;
  next: number;
  display: boolean;
}

/** `$20 and $30` is no formula: no blank follows the first sign or precedes the last, and no digit follows it. */
function dollars(src: string, pos: number, max: number): Found | null {
  const display = src[pos + 1] === "$";
  const mark = display ? "$$" : "$";
  const start = pos + mark.length;
  if (start >= max || (!display && /\s/.test(src[start]!))) return null;
  let end = src.indexOf(mark, start);
  while (end > 0 && src[end - 1] === "\\") end = src.indexOf(mark, end + 1);
  if (end <= start || end >= max) return null;
  if (!display && (/\s/.test(src[end - 1]!) || /\d/.test(src[end + 1] ?? ""))) return null;
  return { start, end, next: end + mark.length, display };
}

function brackets(state: StateInline, pos: number): Found | null {
  const { src, posMax: max } = state;
  const open = src.slice(pos, pos + 2);
  if (open !== "\\(" && open !== "\\[") return null;
  const close = open === "\\(" ? "\\)" : "\\]";
  if (pos >= lastOf(state, close)) return null;
  const end = src.indexOf(close, pos + 2);
  if (end < 0 || end >= max || end === pos + 2) return null;
  return { start: pos + 2, end, next: end + 2, display: open === "\\[" };
}

const lasts = new WeakMap<StateInline, Map<string, number>>();

/** The last place of `close` in a text, which is searched once: it may have an opening without an end at each place. */
function lastOf(state: StateInline, close: string): number {
  let known = lasts.get(state);
  if (!known) lasts.set(state, (known = new Map()));
  let last = known.get(close);
  if (last === undefined) known.set(close, (last = state.src.lastIndexOf(close)));
  return last;
}

/** A formula ends at its delimiter; a blank line before that makes it a paragraph. At the end of the text it may still
 * grow, and is a block with the markup `open`. */
function blockFormula(state: StateBlock, first: number, last: number, silent: boolean): boolean {
  const begin = state.bMarks[first]! + state.tShift[first]!;
  if (state.sCount[first]! - state.blkIndent >= 4) return false;
  const delimiter = DELIMITERS.find(([open]) => state.src.startsWith(open, begin));
  if (!delimiter) return false;
  const [open, close] = delimiter;
  const lines: string[] = [];
  let closed = false;
  let next = first;
  for (; next < last && !closed; next++) {
    const from = next === first ? begin + open.length : state.bMarks[next]! + state.tShift[next]!;
    const line = state.src.slice(from, state.eMarks[next]!).trimEnd();
    if (next > first && (line === "" || state.sCount[next]! < state.blkIndent)) return false;
    closed = line.endsWith(close);
    if (!closed && line.includes(close)) return false;
    lines.push(closed ? line.slice(0, -close.length) : line);
  }
  if (!closed && next < state.lineMax) return false;
  if (silent) return true;
  const token = state.push("formula_block", "", 0);
  token.content = lines.join("\n").trim();
  token.markup = closed ? "display" : "open";
  token.map = [first, next];
  token.block = true;
  state.line = next;
  return true;
}
