/**
 * Calls `load` now and `seconds` after each result, while the page is visible. Returns the function that ends it.
 * A call that is not finished when it ends is aborted.
 */
export function poll(seconds: number, load: (signal: AbortSignal) => Promise<void>): () => void {
  const abort = new AbortController();
  let timer: number | undefined;
  let running = false;

  async function next(): Promise<void> {
    clearTimeout(timer);
    if (running || document.hidden) return;
    running = true;
    try {
      await load(abort.signal);
    } finally {
      running = false;
      if (!abort.signal.aborted) timer = window.setTimeout(next, seconds * 1000);
    }
  }

  document.addEventListener("visibilitychange", next, { signal: abort.signal });
  void next();
  return () => {
    abort.abort();
    clearTimeout(timer);
  };
}
