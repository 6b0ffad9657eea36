import MarkdownIt, { type Env, type StateBlock, type Token } from "markdown-it";
import { formulas } from "./formulas";

/** Below the nesting at which markdown-it drops a text; a list takes two levels. */
const NESTING = 40;
const DEEPEST = NESTING - 4;

/** Tokens of a piece of Markdown. `references` has the definitions of links so far, and gets new ones. */
export type Parse = (source: string, references: Env) => Token[];

/** CommonMark with tables, struck text and bare links, and without HTML: a tag is text. */
export function createParser(): Parse {
  const parser = new MarkdownIt({ html: false, linkify: true, typographer: false, maxNesting: NESTING });
  parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
  parser.use(formulas);
  parser.block.ruler.before("table", "deepest", deepest);
  return (source, references) => parser.parse(source, references);
}

/** What is nested still more deeply is text, with its marks. */
function deepest(state: StateBlock, first: number, last: number, silent: boolean): boolean {
  if (silent || state.level < DEEPEST) return false;
  const map: [number, number] = [first, last];
  const open = state.push("paragraph_open", "p", 1);
  open.map = map;
  const inline = state.push("inline", "", 0);
  inline.content = state.getLines(first, last, state.blkIndent, false).trim();
  inline.map = map;
  inline.children = [];
  state.push("paragraph_close", "p", -1);
  state.line = last;
  return true;
}
