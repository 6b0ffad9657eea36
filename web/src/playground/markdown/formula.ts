import { Drawings } from "./drawings";

type Katex = typeof import("katex").default;

let katex: Katex | null = null;
let loading: Promise<Katex> | null = null;

function load(): Promise<Katex> {
  loading ??= Promise.all([import("katex"), import("katex/dist/katex.min.css")]).then(([module]) => (katex = module.default));
  return loading;
}

/** Elements within each other, and in all, of a drawn formula: more crash a browser, or take seconds. */
const DEEPEST = 150;
const LARGEST = 20_000;

const drawings = new Drawings(draw);

/** A formula, drawn when KaTeX is loaded; its source until then, and where it cannot be read. `markup`: `inline`,
 * `display`, or `open` for one that is not complete. */
export function renderFormula(source: string, markup: string): HTMLElement {
  const element = document.createElement(markup === "inline" ? "span" : "div");
  element.className = markup === "inline" ? "formula" : "formula display";
  const code = document.createElement("code");
  code.textContent = source;
  element.append(code);
  if (markup === "open") return element;
  if (katex) drawings.show(element, source);
  else void load().then(() => drawings.show(element, source), () => undefined);
  return element;
}

function draw(source: string, display: boolean): HTMLElement | null {
  const drawn = document.createElement("span");
  try {
    // An error would be drawn with a style attribute, which the content security policy forbids.
    const options = { throwOnError: true, trust: false, strict: "ignore", maxSize: 20, maxExpand: 300 } as const;
    katex!.render(source, drawn, { displayMode: display, ...options });
  } catch {
    return null;
  }
  return isDrawable(drawn) ? drawn : null;
}

function isDrawable(drawn: Element): boolean {
  const all = drawn.getElementsByTagName("*");
  if (all.length > LARGEST) return false;
  const depths = new Map<Element, number>([[drawn, 0]]);
  for (const element of all) {
    const depth = depths.get(element.parentElement!)! + 1;
    if (depth > DEEPEST) return false;
    depths.set(element, depth);
  }
  return true;
}
