import type { Token } from "markdown-it";

type Render = (tokens: readonly Token[], parent: Node) => void;

const FIRST = 100;
const MORE = 500;

/** A table whose further rows are added on request: the layout of ten thousand rows takes seconds. */
export class TableBlock {
  readonly element = document.createElement("div");
  private readonly head = document.createElement("thead");
  private readonly body = document.createElement("tbody");
  private readonly more = document.createElement("button");
  private rows: Token[][] = [];
  private settled = 0;
  private limit = FIRST;

  constructor(private readonly render: Render) {
    const table = document.createElement("table");
    table.append(this.head, this.body);
    const scroller = document.createElement("div");
    scroller.className = "table-scroller";
    scroller.tabIndex = 0;
    scroller.setAttribute("role", "region");
    scroller.setAttribute("aria-label", "Table");
    scroller.append(table);
    this.more.type = "button";
    this.more.className = "button small";
    this.more.hidden = true;
    this.more.addEventListener("click", () => {
      this.limit += MORE;
      this.show();
    });
    this.element.className = "table-block";
    this.element.append(scroller, this.more);
  }

  /** Adds the rows of a table's tokens, to stay. */
  add(tokens: readonly Token[]): void {
    this.setTail(tokens);
    this.settled = this.rows.length;
  }

  /** Shows rows that may still change after the rows that stay. */
  setTail(tokens: readonly Token[]): void {
    this.rows.length = this.settled;
    while (this.body.childElementCount > this.settled) this.body.lastElementChild!.remove();
    const { head, body } = rowsOf(tokens);
    if (!this.head.childElementCount) this.render(head, this.head);
    for (const row of body) this.rows.push(row);
    this.show();
  }

  private show(): void {
    for (const row of this.rows.slice(this.body.childElementCount, this.limit)) this.render(row, this.body);
    const hidden = this.rows.length - this.body.childElementCount;
    this.more.hidden = hidden <= 0;
    this.more.textContent = `Show ${Math.min(hidden, MORE)} more of ${this.rows.length} rows`;
  }
}

function rowsOf(tokens: readonly Token[]): { head: Token[]; body: Token[][] } {
  const head: Token[] = [];
  const body: Token[][] = [];
  let inBody = false;
  let row: Token[] | null = null;
  for (const token of tokens) {
    if (token.type === "tbody_open") inBody = true;
    if (token.type === "tr_open") row = [];
    row?.push(token);
    if (token.type === "tr_close" && row) {
      if (inBody) body.push(row);
      else head.push(...row);
      row = null;
    }
  }
  return { head, body };
}
