import { describe, expect, it } from "vitest";
import { OTHER, groupColors, panels, times } from "../src/dashboard/chart/panels";
import { ago, bytes, limitTexts, money, percent, seconds, short } from "../src/dashboard/data/format";
import { limitBody, limitFields } from "../src/dashboard/data/limits";
import { totals } from "../src/dashboard/data/totals";
import type { History, HistoryRange, Series } from "../src/dashboard/data/types";

function series(requests: number[], factor = 1): Series {
  const scaled = (by: number): number[] => requests.map((value) => value * by * factor);
  const latency = requests.map((value) => (value ? 0.25 : null));
  return {
    requests,
    errors: scaled(0),
    input_tokens: scaled(10),
    cached_tokens: scaled(5),
    output_tokens: scaled(2),
    cost: scaled(0.5),
    time_to_first_token: { mean: latency, p50: latency, p95: latency },
    inter_token_latency: { mean: latency, p50: [], p95: [] },
  };
}

function history(range: HistoryRange = "hour", step = 15): History {
  const groups = { a: series([1, 0, 4]), b: series([1, 0, 0]), [OTHER]: series([0, 1, 0]) };
  const load = range === "hour" ? { running: [1, 2, 3], waiting: [0, 0, 1], error_codes: { overloaded: [0, 3, 0] } } : {};
  const total = series([2, 1, 4]);
  return { range, by: "model", start: 3000, step, now: 3000 + 2.5 * step, total, groups, running: [], waiting: [], error_codes: {}, ...load };
}

const none = new Set<string>();
const same = (name: string): string => name;

describe("panels", () => {
  it("shows rates, and that of the last interval by its time so far", () => {
    const [requests] = panels(history(), none, same);
    expect(requests?.lines[0]?.values).toEqual([4, 0, 32]);
    expect(times(history())).toEqual([3000, 3015, 3030]);
  });
  it("has no rate for an interval that has just begun", () => {
    const [requests] = panels({ ...history(), now: 3031 }, none, same);
    expect(requests?.lines[0]?.values).toEqual([4, 0, null]);
  });
  it("has no share without prompt tokens", () => {
    const cache = panels(history(), none, same).find((panel) => panel.id === "cache");
    expect(cache?.lines[0]?.values).toEqual([0.5, null, 0.5]);
  });
  it("keeps the colours of groups when others are hidden", () => {
    const [requests] = panels(history(), new Set(["a"]), same);
    expect(requests?.lines.map((line) => [line.name, line.color])).toEqual([["b", 2], [OTHER, 0]]);
    expect([...groupColors(history()).values()]).toEqual([1, 2, 0]);
  });
  it("shows errors by code where they are known, and by group elsewhere", () => {
    const errors = (of: History): string[] | undefined =>
      panels(of, none, same).find((panel) => panel.id === "errors")?.lines.map((line) => line.name);
    expect(errors(history())).toEqual(["overloaded"]);
    expect(errors(history("day", 1800))).toEqual(["a", "b", OTHER]);
  });
  it("says what a range does not keep", () => {
    const missing = (range: HistoryRange): string[] =>
      panels(history(range), none, same).filter((panel) => panel.missing).map((panel) => panel.id);
    expect(missing("hour")).toEqual([]);
    expect(missing("day")).toEqual(["queue"]);
    expect(missing("month")).toEqual(["ttft", "itl", "queue", "errors"]);
  });
});

describe("totals", () => {
  it("adds up, and weights latencies by requests", () => {
    const all = totals(history());
    expect(all).toMatchObject({ requests: 7, inputTokens: 70, cachedTokens: 35, outputTokens: 14, cost: 3.5, firstToken: 0.25 });
    expect(totals(history("month")).errors).toBeNull();
  });
});

describe("format", () => {
  it("is short", () => {
    expect([0, 7, 12.34, 999, 1000, 1234, 999_950, 5e6, 0.5].map(short)).toEqual(
      ["0", "7", "12.3", "999", "1k", "1.23k", "1.00M", "5M", "0.50"],
    );
    expect([0, 0.0042, 0.5, 12, 4321].map(money)).toEqual(["0", "0.0042", "0.50", "12.00", "4.32k"]);
    expect([0.0123, 0.5, 1.5, 95].map(seconds)).toEqual(["12.3 ms", "500 ms", "1.50 s", "1 min 35 s"]);
    expect([0, 0.5, 0.333, 1].map(percent)).toEqual(["0 %", "50 %", "33.3 %", "100 %"]);
    expect([100, 5 * 2 ** 20, 3 * 2 ** 30].map(bytes)).toEqual(["1 KiB", "5 MiB", "3 GiB"]);
    expect([5, 120, 7200, 86_400 * 3].map((passed) => ago(0, passed))).toEqual(["5 s ago", "2 min ago", "2 h ago", "3 days ago"]);
    expect(limitTexts({ requests_per_minute: 60, tokens_per_minute: null, concurrency: 2 })).toEqual(["60 requests/min", "2 at a time"]);
  });
});

describe("limits", () => {
  it("become the body of a request", () => {
    const fields = { ...limitFields(), requests: "60", budgetMoney: "2.5" };
    expect(limitBody(fields)).toEqual({
      limits: { requests_per_minute: 60, tokens_per_minute: null, concurrency: null },
      budget: { tokens: null, money: 2.5, period: "month" },
    });
    expect(limitBody(limitFields()).budget).toBeNull();
    expect(limitBody({ ...fields, tokens: "1,000_000" }).limits.tokens_per_minute).toBe(1_000_000);
  });
  it.each(["many", "-1", "1.5", "0", "Infinity"])("refuses %s", (requests) => {
    expect(() => limitBody({ ...limitFields(), requests })).toThrow("Requests per minute");
  });
});
