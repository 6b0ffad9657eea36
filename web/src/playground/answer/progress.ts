/** The state of a waiting stream, from its comments. `percent` is null where no progress is known. */
export interface Progress {
  readonly text: string;
  readonly percent: number | null;
}

/** The progress that a comment of a waiting stream reports; null for other comments. */
export function parseComment(comment: string): Progress | null {
  const loading = /^loading (.+?)(?: (\d{1,3}) ?%)?$/.exec(comment);
  if (loading) {
    const percent = loading[2] === undefined ? null : Math.min(Number(loading[2]), 100);
    return { text: `Loading ${loading[1]}`, percent };
  }
  const toLoad = /^waiting to load (.+)$/.exec(comment);
  if (toLoad) return { text: `Waiting to load ${toLoad[1]}`, percent: null };
  const queue = /^waiting(?:, (\d+) ahead)?(?:, about (\d+) s)?$/.exec(comment);
  if (!queue) return null;
  if (queue[1] === undefined) return { text: "Waiting for the model", percent: null };
  const requests = queue[1] === "1" ? "1 request" : `${queue[1]} requests`;
  const wait = queue[2] === undefined ? "" : `, about ${queue[2]} s`;
  return { text: `${requests} ahead in the queue${wait}`, percent: null };
}
