import type { History, Latency, Series, Values } from "./types";

export interface Totals {
  requests: number;
  errors: number | null;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  cost: number;
  firstToken: number | null;
  interToken: number | null;
}

/** The sums of the whole range. A latency is the mean over intervals, weighted by their requests. */
export function totals(history: History): Totals {
  const series = history.total;
  const errors = history.range === "month" ? null : sum(series.errors);
  return {
    requests: sum(series.requests),
    errors,
    inputTokens: sum(series.input_tokens),
    cachedTokens: sum(series.cached_tokens),
    outputTokens: sum(series.output_tokens),
    cost: sum(series.cost),
    firstToken: weighted(typical(series.time_to_first_token), series),
    interToken: weighted(typical(series.inter_token_latency), series),
  };
}

/** Medians, or means where the ledger keeps no more. */
export function typical(latency: Latency): Values {
  return latency.p50.length ? latency.p50 : latency.mean;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function weighted(values: Values, series: Series): number | null {
  let total = 0;
  let weight = 0;
  values.forEach((value, at) => {
    if (value === null) return;
    const requests = series.requests[at] || 1;
    total += value * requests;
    weight += requests;
  });
  return weight ? total / weight : null;
}
