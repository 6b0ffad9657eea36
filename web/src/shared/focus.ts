/**
 * Where the focused element is removed, as a button of an answer that begins anew, `next` gets the focus. Browsers would
 * put it on the body, from which Tab begins at the top of the page.
 */
export function keepFocus(next: () => HTMLElement | null): () => void {
  let last: EventTarget | null = null;
  const onFocus = ({ target }: FocusEvent) => {
    last = target;
  };
  const observer = new MutationObserver(() => {
    if (!(last instanceof HTMLElement) || last.isConnected || document.activeElement !== document.body) return;
    last = null;
    // A selection of text would be lost.
    if (getSelection()?.isCollapsed !== false) next()?.focus({ preventScroll: true });
  });
  document.addEventListener("focusin", onFocus);
  observer.observe(document.body, { childList: true, subtree: true });
  return () => {
    document.removeEventListener("focusin", onFocus);
    observer.disconnect();
  };
}
