import MarkdownIt, { type Env, type Token } from "markdown-it";
import { formulas } from "./formulas";

/** Tokens of a piece of Markdown. `references` has the definitions of links so far, and gets new ones. */
export type Parse = (source: string, references: Env) => Token[];

/** CommonMark with tables, struck text and bare links, and without HTML: a tag is text. */
export function createParser(): Parse {
  const parser = new MarkdownIt({ html: false, linkify: true, typographer: false, maxNesting: 40 });
  parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
  parser.use(formulas);
  return (source, references) => parser.parse(source, references);
}
