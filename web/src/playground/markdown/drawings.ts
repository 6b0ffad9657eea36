type Draw = (source: string, display: boolean) => HTMLElement | null;

/** Milliseconds of drawing in one frame, and the length of one. */
const BUDGET = 4;
const FRAME = 16;
/** Kept drawings, and the elements in all of them: one may have thousands. */
const KEPT = 500;
const KEPT_ELEMENTS = 100_000;

/**
 * Puts drawings in the place of formulas: at once while there is time in the frame, and the others when they come near
 * the view. Drawings are kept, since the end of a text that grows is rendered again and again.
 */
export class Drawings {
  private readonly kept = new Map<string, HTMLElement | null>();
  private readonly sources = new WeakMap<Element, string>();
  private keptElements = 0;
  private observer: IntersectionObserver | null = null;
  private begun = 0;
  private spent = 0;

  constructor(private readonly draw: Draw) {}

  /** Shows the formula `source` in `element`, in a line of its own for the class `display`. */
  show(element: HTMLElement, source: string): void {
    if (this.hasTime()) {
      this.place(element, source);
      return;
    }
    this.observer ??= new IntersectionObserver((entries) => this.onNear(entries), { rootMargin: "800px" });
    this.sources.set(element, source);
    this.observer.observe(element);
  }

  private onNear(entries: readonly IntersectionObserverEntry[]): void {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.observer!.unobserve(target);
      this.place(target as HTMLElement, this.sources.get(target)!);
    }
  }

  private hasTime(): boolean {
    const now = performance.now();
    if (now - this.begun > FRAME) [this.begun, this.spent] = [now, 0];
    return this.spent < BUDGET;
  }

  private place(element: HTMLElement, source: string): void {
    const begin = performance.now();
    const display = element.classList.contains("display");
    const drawn = this.drawn(source, display);
    if (drawn) element.replaceChildren(drawn.cloneNode(true));
    else element.classList.add("unreadable");
    if (display) watchWidth(element);
    this.spent += performance.now() - begin;
  }

  private drawn(source: string, display: boolean): HTMLElement | null {
    const key = `${display} ${source}`;
    let drawn = this.kept.get(key);
    if (drawn === undefined) {
      drawn = this.draw(source, display);
      this.keep(key, drawn);
    }
    return drawn;
  }

  private keep(key: string, drawn: HTMLElement | null): void {
    const elements = drawn?.getElementsByTagName("*").length ?? 0;
    if (this.kept.size >= KEPT || this.keptElements + elements > KEPT_ELEMENTS) {
      this.kept.clear();
      this.keptElements = 0;
    }
    this.kept.set(key, drawn);
    this.keptElements += elements;
  }
}

let widths: ResizeObserver | null = null;

/** What can be scrolled sideways can have the focus. */
function watchWidth(element: HTMLElement): void {
  widths ??= new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
      else target.removeAttribute("tabindex");
    }
  });
  widths.observe(element);
}
