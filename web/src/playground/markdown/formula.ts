type Katex = typeof import("katex").default;

let katex: Promise<Katex> | null = null;

function load(): Promise<Katex> {
  katex ??= Promise.all([import("katex"), import("katex/dist/katex.min.css")]).then(([module]) => module.default);
  return katex;
}

/** A formula, drawn when KaTeX is loaded; its source until then, and where it cannot be read. `markup`: `inline`,
 * `display`, or `open` for one that is not complete. */
export function renderFormula(source: string, markup: string): HTMLElement {
  const element = document.createElement(markup === "inline" ? "span" : "div");
  element.className = markup === "inline" ? "formula" : "formula display";
  const code = document.createElement("code");
  code.textContent = source;
  element.append(code);
  if (markup !== "open") void draw(element, source, markup !== "inline");
  return element;
}

async function draw(element: HTMLElement, source: string, displayMode: boolean): Promise<void> {
  const drawn = document.createElement("span");
  try {
    // An error would be drawn with a style attribute, which the content security policy forbids.
    (await load()).render(source, drawn, { displayMode, throwOnError: true, trust: false, strict: "ignore", maxSize: 20, maxExpand: 300 });
    element.replaceChildren(drawn);
  } catch {
    element.classList.add("unreadable");
  }
}
