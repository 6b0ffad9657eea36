/** Milliseconds by which the server's clock is ahead of this computer's, which may be wrong. */
let ahead = 0;

/** Takes over the time of a response. */
export function readClock({ headers }: Response): void {
  const time = Date.parse(headers.get("date") ?? "");
  if (Number.isFinite(time)) ahead = time - Date.now();
}

/** The server's time, in seconds since 1970. */
export function serverTime(): number {
  return (Date.now() + ahead) / 1000;
}
