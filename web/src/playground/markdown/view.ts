import { CodeBlock } from "./code_block";
import { createParser, type Parse } from "./parser";
import { renderTokens } from "./render";
import { BlockSplitter, type Block } from "./splitter";
import { TableBlock } from "./table_block";

/** Characters that one frame adds at most. */
const STEP = 16_000;
/** Characters of one section: a section outside the view has no layout. */
const SECTION = 8_000;
/** Texts up to this length are rendered again where a link was defined after its use. */
const AGAIN = 200_000;

let parse: Parse | null = null;

/** Renders a growing Markdown text into an element, a bounded piece in each frame. */
export class MarkdownView {
  private splitter = this.createSplitter();
  private section: HTMLElement | null = null;
  private sectionLength = 0;
  private readonly tail = document.createElement("div");
  private open: CodeBlock | TableBlock | null = null;
  private shown = 0;
  private text = "";
  private done = false;
  private finished = false;
  /** Whether the text is rendered with the links that it defines at its end. */
  private again = false;
  private frame = 0;

  constructor(private readonly host: HTMLElement) {
    this.tail.className = "section";
    host.append(this.tail);
  }

  /** The whole text so far; `done`: it is complete. A text that does not continue the one before begins anew. */
  set(text: string, done: boolean): void {
    const normal = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
    if (!normal.startsWith(this.text.slice(-64), Math.max(this.text.length - 64, 0)) || this.finished) this.reset();
    this.text = normal;
    this.done = done;
    // The first piece is shown at once, so that no frame is empty.
    if (this.shown === 0) this.advance();
    else this.schedule();
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
  }

  private schedule(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.advance();
    });
  }

  private advance(): void {
    const end = Math.min(this.text.length, this.shown + STEP);
    const last = end === this.text.length;
    this.shown = end;
    this.show(this.splitter.update(last ? this.text : this.text.slice(0, end), last && this.done));
    if (!last) this.schedule();
    else if (this.done) this.finish();
  }

  private show({ settled, tail }: { settled: readonly Block[]; tail: readonly Block[] }): void {
    if (this.open instanceof CodeBlock) this.open.setTail("");
    else this.open?.setTail([]);
    this.tail.replaceChildren();
    for (const block of settled) this.settle(block);
    for (const block of tail) {
      if (continues(block, this.open)) this.extend(block, false);
      else renderTokens(block.tokens, this.tail);
    }
  }

  private settle(block: Block): void {
    if (continues(block, this.open)) {
      this.extend(block, true);
      return;
    }
    if (!this.section || this.sectionLength > SECTION) {
      this.section = document.createElement("div");
      this.section.className = "section";
      this.sectionLength = 0;
      this.tail.before(this.section);
    }
    this.sectionLength += block.source.length;
    this.open = openBlock(block);
    if (this.open) {
      this.section.append(this.open.element);
      this.extend(block, true);
    } else {
      renderTokens(block.tokens, this.section);
    }
  }

  private extend(block: Block, stays: boolean): void {
    if (this.open instanceof CodeBlock) {
      const { content } = block.tokens[0]!;
      // A piece of a very long line has no line break, which the parser adds.
      const text = block.source.endsWith("\n") ? content : content.replace(/\n$/, "");
      if (stays) this.open.add(text);
      else this.open.setTail(text);
    } else if (stays) {
      this.open?.add(block.tokens);
    } else {
      this.open?.setTail(block.tokens);
    }
  }

  private finish(): void {
    this.finished = true;
    const defined = Object.keys(this.splitter.references.references ?? {}).length;
    if (!defined || this.again || this.text.length > AGAIN) return;
    const { references } = this.splitter;
    const text = this.text;
    this.reset();
    this.text = text;
    this.again = true;
    Object.assign(this.splitter.references, references);
    this.advance();
  }

  private reset(): void {
    this.splitter = this.createSplitter();
    this.host.replaceChildren(this.tail);
    this.tail.replaceChildren();
    this.section = null;
    this.open = null;
    this.shown = 0;
    this.text = "";
    this.finished = false;
    this.again = false;
  }

  private createSplitter(): BlockSplitter {
    parse ??= createParser();
    return new BlockSplitter(parse);
  }
}

function continues(block: Block, open: CodeBlock | TableBlock | null): boolean {
  if (!block.continues) return false;
  if (block.kind === "table_open") return open instanceof TableBlock;
  return (block.kind === "fence" || block.kind === "code_block") && open instanceof CodeBlock;
}

function openBlock(block: Block): CodeBlock | TableBlock | null {
  if (block.kind === "fence" || block.kind === "code_block") return new CodeBlock(block.tokens[0]!.info);
  if (block.kind === "table_open") return new TableBlock(renderTokens);
  return null;
}
