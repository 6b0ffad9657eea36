import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting, syntaxTree } from "@codemirror/language";
import { linter, type Diagnostic } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Fault } from "../schema/check";

export interface EditorOptions {
  readonly label: string;
  readonly text: string;
  readonly focused: boolean;
  check(text: string): Fault[];
  onchange(text: string): void;
}

const COLOURS = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--accent)" },
  { tag: tags.string, color: "var(--accent-2)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--text)", fontWeight: "600" },
  { tag: tags.separator, color: "var(--text-muted)" },
]);

const LOOK = EditorView.theme({
  "&": { fontSize: "var(--text-s)", color: "var(--text)", maxHeight: "22rem" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { padding: "var(--space-2) 0", caretColor: "var(--accent)" },
  ".cm-cursor": { borderLeftColor: "var(--accent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "var(--accent-soft)",
  },
  ".cm-tooltip": { background: "var(--raised)", border: "1px solid var(--border)", color: "var(--text)" },
  "&.cm-focused .cm-matchingBracket": { background: "var(--hover)" },
});

/**
 * An editor in a shadow tree of `host`; returns a function that removes it. In a shadow tree CodeMirror adopts constructed style
 * sheets, in place of style elements, which the content security policy forbids.
 */
export function createEditor(host: HTMLElement, { label, text, focused, check, onchange }: EditorOptions): () => void {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        json(),
        syntaxHighlighting(COLOURS),
        linter((current) => check(current.state.doc.toString()).map((fault) => diagnose(current.state, fault)), { delay: 150 }),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label }),
        EditorView.updateListener.of((update) => update.docChanged && onchange(update.state.doc.toString())),
        keymap.of([leaveOnEscape(), indentWithTab, ...defaultKeymap, ...historyKeymap]),
        LOOK,
      ],
    }),
  });
  if (focused) view.focus();
  return () => view.destroy();
}

/** Tab indents in the editor; Escape gives the focus back, for users of the keyboard alone. */
function leaveOnEscape() {
  return { key: "Escape", run: (view: EditorView) => (view.contentDOM.blur(), true) };
}

function diagnose(state: EditorState, fault: Fault): Diagnostic {
  const { length } = state.doc;
  if (fault.offset !== null) {
    const from = Math.max(Math.min(fault.offset, length - 1), 0);
    return { from, to: Math.min(from + 1, length), severity: "error", message: fault.message };
  }
  const { from, to } = find(state, fault.path);
  return { from, to, severity: "error", message: fault.message };
}

/** The place of the value at `path`, or of the innermost value around it. */
function find(state: EditorState, path: readonly string[]): { from: number; to: number } {
  let node = syntaxTree(state).topNode.firstChild;
  for (const part of path) {
    if (node?.name === "Array") {
      const items = [];
      for (let item = node.firstChild; item; item = item.nextSibling) if (/^[A-Z]/.test(item.name)) items.push(item);
      if (!items[Number(part)]) break;
      node = items[Number(part)]!;
    } else {
      const property = node
        ?.getChildren("Property")
        .find((one) => state.sliceDoc(one.firstChild!.from, one.firstChild!.to) === JSON.stringify(part));
      if (!property?.lastChild) break;
      node = property.lastChild;
    }
  }
  return node ? { from: node.from, to: node.to } : { from: 0, to: state.doc.length };
}
