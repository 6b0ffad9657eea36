import type { Parse } from "./parser";
import type { Env, Token } from "markdown-it";

/** A piece of the text with its tokens. `continues`: it goes on with the block before it. */
export interface Block {
  readonly kind: string;
  readonly source: string;
  readonly tokens: readonly Token[];
  readonly continues: boolean;
}

export interface Split {
  /** New blocks that no further text changes. */
  readonly settled: readonly Block[];
  /** Blocks that may still change. */
  readonly tail: readonly Block[];
}

/** Beyond this length, an unfinished block is settled in pieces. */
const LONG = 8_000;

/**
 * Splits a growing text into Markdown blocks. Only the text after the last settled block is parsed again, so that a
 * stream takes time linear in its length.
 */
export class BlockSplitter {
  private offset = 0;
  /** Lines before the unsettled text that its parse needs: the head of a table, the opening of a fence. */
  private head = "";
  /** Whether the unsettled text goes on with the last settled block. */
  private continued = false;
  readonly references: Env = {};

  constructor(private readonly parse: Parse) {}

  /** `text` begins with the text of the call before. `done`: no more text follows. */
  update(text: string, done: boolean): Split {
    const settled: Block[] = [];
    for (;;) {
      const source = this.head + text.slice(this.offset);
      const lines = lineStarts(source);
      const blocks = this.group(this.parse(source, this.references), source, lines);
      while (blocks.length > 1 && (done || this.isComplete(blocks[1]!, source, lines))) settled.push(this.settle(blocks));
      if (blocks.length === 1 && this.settlePiece(blocks[0]!.block, settled, text)) continue;
      if (blocks.length && done) settled.push(this.settle(blocks));
      return { settled, tail: blocks.map(({ block }) => block) };
    }
  }

  /** A block certainly ends where the first lines of the next one are complete: two of a table, all of a formula. */
  private isComplete(next: Placed, source: string, lines: readonly number[]): boolean {
    if (next.block.kind === "formula_block" && next.block.tokens[0]!.markup === "open") return false;
    const end = lines[next.line + (next.block.kind === "table_open" ? 2 : 1)];
    return end !== undefined && end <= source.length && source[end - 1] === "\n";
  }

  private settle(blocks: Placed[]): Block {
    const { block } = blocks.shift()!;
    this.offset += block.source.length;
    this.head = "";
    this.continued = false;
    return block;
  }

  /** Settles the beginning of a long block, where it can be parsed in pieces; returns whether it could. */
  private settlePiece(block: Block, settled: Block[], text: string): boolean {
    if (block.source.length < LONG) return false;
    const source = this.head + text.slice(this.offset);
    const lines = lineStarts(source);
    const [first] = this.group(this.parse(source, this.references), source, lines);
    const cut = first && cutOf(first.block, source, this.head.length, lines);
    if (!cut || cut.at <= this.head.length) return false;
    const piece = source.slice(0, cut.at);
    const { continues } = first.block;
    const tokens = this.parse(piece, this.references);
    // White space alone has no tokens.
    if (tokens.length) settled.push({ ...first.block, source: piece.slice(this.head.length), tokens, continues });
    this.offset += cut.at - this.head.length;
    this.head = cut.head(piece);
    this.continued = cut.continues;
    return true;
  }

  private group(tokens: Token[], source: string, lines: readonly number[]): Placed[] {
    const groups: Token[][] = [];
    let depth = 0;
    for (const token of tokens) {
      if (depth === 0 && token.nesting >= 0) groups.push([]);
      groups.at(-1)?.push(token);
      depth += token.nesting;
    }
    let line = 0;
    return groups.map((group, at) => {
      // Blank lines and definitions belong to the block before them.
      const [start, next] = [at === 0 ? 0 : group[0]!.map![0], groups[at + 1]?.[0]!.map![0]];
      line = start;
      const from = at === 0 ? this.head.length : lines[start]!;
      const to = next === undefined ? source.length : lines[next]!;
      const continues = at === 0 && this.continued;
      const block = { kind: group[0]!.type, source: source.slice(from, to), tokens: group, continues };
      return { block, line: group[0]!.map?.[0] ?? line };
    });
  }
}

interface Placed {
  block: Block;
  readonly line: number;
}

interface Cut {
  readonly at: number;
  readonly continues: boolean;
  head(piece: string): string;
}

const NO_HEAD = () => "";

function cutOf(block: Block, source: string, head: number, lines: readonly number[]): Cut | null {
  const lastLine = source.lastIndexOf("\n") + 1;
  switch (block.kind) {
    case "fence": {
      const [from] = block.tokens[0]!.map!;
      const start = Math.max(lines[from + 1] ?? head, head);
      const at = lastLine > start || source.length < 4 * LONG ? lastLine : wholeCharacters(source, source.length - 1);
      return { at: at > start ? at : head, continues: true, head: (piece) => piece.slice(lines[from]!, lines[from + 1]) };
    }
    case "table_open": {
      const [from] = block.tokens[0]!.map!;
      if (lastLine <= Math.max(lines[from + 2] ?? 0, head)) return cutAnywhere(source, head, 4 * LONG);
      return { at: lastLine, continues: true, head: (piece) => piece.slice(lines[from]!, lines[from + 2]) };
    }
    case "code_block":
      if (lastLine <= head) return cutAnywhere(source, head, 4 * LONG);
      return { at: lastLine, continues: true, head: NO_HEAD };
    case "bullet_list_open":
    case "ordered_list_open": {
      const items = block.tokens.filter((token) => token.type === "list_item_open" && token.level === 1);
      const last = items.length > 1 ? items.at(-1)!.map![0] : 0;
      return last ? { at: lines[last]!, continues: false, head: NO_HEAD } : cutAnywhere(source, head, 2 * LONG);
    }
    case "blockquote_open": {
      const at = source.lastIndexOf("\n>") + 1;
      return at > head ? { at, continues: false, head: NO_HEAD } : cutAnywhere(source, head, 2 * LONG);
    }
    case "paragraph_open":
      return cutAnywhere(source, head, LONG);
    default:
      return cutAnywhere(source, head, 2 * LONG);
  }
}

/** A cut before the last word or line, for blocks of at least `length` characters; within a very long word if need be. */
function cutAnywhere(source: string, head: number, length: number): Cut | null {
  if (source.length - head < length) return null;
  const at = Math.max(source.lastIndexOf("\n", source.length - 2), source.lastIndexOf(" ", source.length - 2)) + 1;
  return { at: at > head + LONG / 2 ? at : wholeCharacters(source, head + LONG), continues: true, head: NO_HEAD };
}

function wholeCharacters(source: string, at: number): number {
  const code = source.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
