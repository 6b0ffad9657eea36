import { money, percent, seconds, short } from "../data/format";
import { typical } from "../data/totals";
import type { History, HistoryRange, Series, Values } from "../data/types";

/** One line of a chart. `color` is a place in the palette; 0 is the muted colour of totals and the rest. */
export interface Line {
  name: string;
  color: number;
  values: Values;
  dashed?: boolean;
}

/** One chart: what it shows, how its values are written, and its lines. */
export interface Panel {
  id: string;
  title: string;
  unit: string;
  format: (value: number) => string;
  lines: Line[];
  /** Shown in place of a chart where the range has no such values. */
  missing?: string;
}

export const OTHER = "(other)";
const COLORS = 8;
const RATES: Record<HistoryRange, [number, string]> = {
  hour: [60, "per minute"],
  day: [3600, "per hour"],
  month: [86_400, "per day"],
};
const NOT_KEPT = "The ledger keeps no such values by day.";

/** The times of the intervals. */
export function times(history: History): number[] {
  return history.total.requests.map((_, at) => history.start + at * history.step);
}

/** The colour of each group, by its place in the order of the server. */
export function groupColors(history: History): Map<string, number> {
  const names = Object.keys(history.groups).filter((name) => name !== OTHER);
  return new Map(Object.keys(history.groups).map((name) => [name, name === OTHER ? 0 : (names.indexOf(name) % COLORS) + 1]));
}

/** Every chart of the overview. `hidden` are groups without lines; `label` names a group. */
export function panels(history: History, hidden: ReadonlySet<string>, label: (group: string) => string): Panel[] {
  const [per, every] = RATES[history.range];
  const colors = groupColors(history);
  const kept = history.range !== "month";
  const shown = Object.entries(history.groups).filter(([name]) => !hidden.has(name));
  const lines = (values: (series: Series) => Values): Line[] =>
    shown.map(([name, series]) => ({ name: label(name), color: colors.get(name) ?? 0, values: values(series) }));
  const rates = (values: readonly number[]): Values => values.map((value, at) => rate(value, at, history, per));
  const latency = (name: "time_to_first_token" | "inter_token_latency"): Line[] => {
    const p95 = history.total[name].p95;
    const all: Line[] = p95.length ? [{ name: "95 % of all", color: 0, values: p95, dashed: true }] : [];
    return [...lines((series) => typical(series[name])), ...all];
  };
  const middle = history.range === "hour" ? "median" : "mean";
  return [
    { id: "requests", title: "Requests", unit: every, format: short, lines: lines((series) => rates(series.requests)) },
    {
      id: "tokens",
      title: "Tokens in and out",
      unit: every,
      format: short,
      lines: lines((series) => rates(series.input_tokens.map((tokens, at) => tokens + (series.output_tokens[at] ?? 0)))),
    },
    optional(kept, { id: "ttft", title: "Time to first token", unit: middle, format: seconds, lines: latency("time_to_first_token") }),
    optional(kept, { id: "itl", title: "Inter-token latency", unit: middle, format: seconds, lines: latency("inter_token_latency") }),
    {
      id: "cache",
      title: "Cache hits",
      unit: "share of prompt tokens",
      format: percent,
      lines: lines((series) => series.input_tokens.map((tokens, at) => (tokens ? (series.cached_tokens[at] ?? 0) / tokens : null))),
    },
    queue(history),
    optional(kept, { id: "errors", title: "Errors", unit: every, format: short, lines: errorLines(history, lines, rates) }),
    { id: "spend", title: "Spend", unit: every, format: money, lines: lines((series) => rates(series.cost)) },
  ];
}

/** Errors by group; error responses by code where all are shown together. */
function errorLines(
  history: History,
  lines: (values: (series: Series) => Values) => Line[],
  rates: (values: readonly number[]) => Values,
): Line[] {
  const codes = Object.entries(history.error_codes);
  if (!codes.length) return lines((series) => rates(series.errors));
  return codes.map(([code, values], at) => ({ name: code, color: (at % COLORS) + 1, values: rates(values) }));
}

function queue(history: History): Panel {
  const lines = [
    { name: "waiting", color: 2, values: history.waiting },
    { name: "running", color: 1, values: history.running },
  ];
  const panel = { id: "queue", title: "Queue", unit: "requests at a time", format: short, lines };
  return optional(history.running.length > 0, panel, "The queue is kept for the last hour.");
}

function optional(kept: boolean, panel: Panel, text = NOT_KEPT): Panel {
  return kept ? panel : { ...panel, lines: [], missing: text };
}

/** A count as a rate. The last interval has not ended; too short a part of it has no rate. */
function rate(value: number, at: number, history: History, per: number): number | null {
  const last = history.total.requests.length - 1;
  if (at < last || history.range === "month") return (value * per) / history.step;
  const passed = Math.min(history.now - (history.start + at * history.step), history.step);
  return passed < history.step / 4 ? null : (value * per) / passed;
}
