/** Distance from the end, in pixels, within which the view follows new text. */
const NEAR = 48;

/** Keeps a scrolled view at its end while its content grows, until the user scrolls up. */
export class Follower {
  private scroller: HTMLElement | null = null;
  private following = true;

  attach(scroller: HTMLElement): () => void {
    this.scroller = scroller;
    const onScroll = () => {
      this.following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
    };
    // A wheel or a key that goes up ends it at once, before the next text moves the view again.
    const onWheel = (event: WheelEvent) => {
      if (event.deltaY < 0) this.following = false;
    };
    scroller.addEventListener("scroll", onScroll, { passive: true });
    scroller.addEventListener("wheel", onWheel, { passive: true });
    return () => {
      scroller.removeEventListener("scroll", onScroll);
      scroller.removeEventListener("wheel", onWheel);
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
    if (this.following && this.scroller) this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}
