/** The server's time of a response in milliseconds since 1970, and when that was by a monotonic clock. */
let read: { readonly time: number; readonly at: number } | null = null;

/** Takes over the time of a response. */
export function readClock({ headers }: Response): void {
  const time = Date.parse(headers.get("date") ?? "");
  if (Number.isFinite(time)) read = { time, at: performance.now() };
}

/** The server's time, in seconds since 1970: the clock of this computer may be wrong. */
export function serverTime(): number {
  return (read ? read.time + performance.now() - read.at : Date.now()) / 1000;
}
