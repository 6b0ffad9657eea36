import type { Limits, Period } from "./types";

const PREFIXES = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

function digits(value: number): string {
  const magnitude = Math.abs(value);
  return value.toFixed(magnitude >= 100 || Number.isInteger(value) ? 0 : magnitude >= 10 ? 1 : 2);
}

/** `1234` as `1.23k`: at most four characters and a letter. */
export function short(value: number): string {
  for (const [size, letter] of PREFIXES) {
    if (Math.abs(value) >= size * 0.9995) return digits(value / size) + letter;
  }
  return digits(value);
}

/** A whole number with separators. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}

export function money(value: number): string {
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return short(value);
  return Math.abs(value) >= 0.1 ? value.toFixed(2) : Number(value.toPrecision(2)).toLocaleString("en", { maximumFractionDigits: 9 });
}

export function seconds(value: number): string {
  if (value >= 90) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  if (value >= 0.9995) return `${digits(value)} s`;
  return `${digits(value * 1000)} ms`;
}

export function percent(share: number): string {
  return `${digits(Math.round(share * 1000) / 10)} %`;
}

export function bytes(value: number): string {
  if (value >= 2 ** 30) return `${digits(value / 2 ** 30)} GiB`;
  return value >= 2 ** 20 ? `${digits(value / 2 ** 20)} MiB` : `${Math.ceil(value / 1024)} KiB`;
}

export function clock(time: number): string {
  return new Date(time * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function date(time: number): string {
  return new Date(time * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

/** How long ago a time was, such as `3 min ago`. */
export function ago(time: number, now: number): string {
  const passed = Math.max(now - time, 0);
  if (passed < 60) return `${Math.round(passed)} s ago`;
  if (passed < 3600) return `${Math.round(passed / 60)} min ago`;
  return passed < 86_400 * 2 ? `${Math.round(passed / 3600)} h ago` : `${Math.round(passed / 86_400)} days ago`;
}

/** The current period of a budget. */
export const PERIODS: Record<Period, string> = { day: "left today", month: "left this month", ever: "left" };

export function limitTexts(limits: Limits): string[] {
  const parts: string[] = [];
  if (limits.requests_per_minute !== null) parts.push(`${short(limits.requests_per_minute)} requests/min`);
  if (limits.tokens_per_minute !== null) parts.push(`${short(limits.tokens_per_minute)} tokens/min`);
  if (limits.concurrency !== null) parts.push(`${short(limits.concurrency)} at a time`);
  return parts;
}
