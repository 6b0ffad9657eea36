import type { Timing, Usage } from "../conversation/message";

const WHOLE = new Intl.NumberFormat("en");

export function count(number: number, unit: string): string {
  return `${WHOLE.format(number)} ${unit}${number === 1 ? "" : "s"}`;
}

export function seconds(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(Math.round(milliseconds), 0)} ms`;
  return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 1)} s`;
}

export function bytes(number: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  for (; number >= 1000 && at < units.length - 1; at++) number /= 1000;
  return `${number.toFixed(number < 10 && at > 0 ? 1 : 0)} ${units[at]}`;
}

/** Milliseconds. Shorter answers have no meaningful speed, because their tokens arrived together. */
const SHORTEST = 50;

/** Tokens per second between the first and the last token; null where there are too few. */
export function speed(usage: Usage | null, timing: Timing | null): number | null {
  if (!usage || !timing || usage.completion_tokens < 2 || timing.last - timing.first < SHORTEST) return null;
  return ((usage.completion_tokens - 1) * 1000) / (timing.last - timing.first);
}

/** The day of a conversation for the list. A time in the future, of a wrong clock, is today. */
export function day(time: number, now: number): string {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (time >= midnight) return "Today";
  if (time >= midnight - 86_400_000) return "Yesterday";
  if (time >= midnight - 6 * 86_400_000) return "Last week";
  return "Older";
}
