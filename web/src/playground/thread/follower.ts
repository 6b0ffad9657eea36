/** Distance from the end, in pixels, within which the view follows new text. */
const NEAR = 48;

/** Keeps a scrolled view at its end while its content grows, until the user scrolls up. */
export class Follower {
  private scroller: HTMLElement | null = null;
  private following = true;
  private last = 0;

  /** `growing`: whether an answer is arriving. */
  constructor(private readonly growing: () => boolean) {}

  attach(scroller: HTMLElement): () => void {
    this.scroller = scroller;
    const onScroll = () => {
      // Text that arrived since the view was moved makes no difference: only a way up ends it.
      if (scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR) this.following = true;
      else if (scroller.scrollTop < this.last) this.following = false;
      this.last = scroller.scrollTop;
    };
    scroller.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      scroller.removeEventListener("scroll", onScroll);
      this.scroller = null;
    };
  }

  /** Follows the height of `content`. */
  observe(content: HTMLElement): () => void {
    const observer = new ResizeObserver(() => this.follow());
    observer.observe(content);
    return () => observer.disconnect();
  }

  toEnd(): void {
    this.following = true;
    this.follow();
  }

  private follow(): void {
    const { scroller } = this;
    if (!this.following || !scroller || (!this.growing() && this.wouldHideFocus(scroller))) return;
    scroller.scrollTop = scroller.scrollHeight;
  }

  /** Whether the element with the focus, such as a form that opened, would be moved out of the view. */
  private wouldHideFocus(scroller: HTMLElement): boolean {
    const { activeElement } = document;
    if (!activeElement || !scroller.contains(activeElement)) return false;
    const way = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
    return activeElement.getBoundingClientRect().top - way < scroller.getBoundingClientRect().top;
  }
}
