import type { Budget, Limits, Period } from "./types";

/** The text of the fields of a form for limits and a budget. */
export interface LimitFields {
  requests: string;
  tokens: string;
  concurrency: string;
  budgetTokens: string;
  budgetMoney: string;
  period: Period;
}

export interface LimitBody {
  limits: Limits;
  budget: Budget | null;
}

export function limitFields(limits?: Limits, budget?: Budget | null): LimitFields {
  const text = (value: number | null | undefined): string => (value == null ? "" : String(value));
  return {
    requests: text(limits?.requests_per_minute),
    tokens: text(limits?.tokens_per_minute),
    concurrency: text(limits?.concurrency),
    budgetTokens: text(budget?.tokens),
    budgetMoney: text(budget?.money),
    period: budget?.period ?? "month",
  };
}

/** The body of a request. Throws `Error` with a sentence for a field that holds no number. */
export function limitBody(fields: LimitFields): LimitBody {
  const tokens = count(fields.budgetTokens, "The budget in tokens");
  const money = amount(fields.budgetMoney, "The budget in money");
  return {
    limits: {
      requests_per_minute: count(fields.requests, "Requests per minute"),
      tokens_per_minute: count(fields.tokens, "Tokens per minute"),
      concurrency: count(fields.concurrency, "Requests at a time"),
    },
    budget: tokens === null && money === null ? null : { tokens, money, period: fields.period },
  };
}

function count(text: string | number | null, name: string): number | null {
  const value = amount(text, name);
  if (value !== null && (!Number.isInteger(value) || value < 1)) throw new Error(`${name} must be a whole number from 1.`);
  return value;
}

function amount(text: string | number | null, name: string): number | null {
  const trimmed = String(text ?? "").replace(/[\s,_]/g, "");
  if (!trimmed) return null;
  const value = Number(trimmed);
  if (!Number.isFinite(value) || value < 0) throw new Error(`${name} must be a number from 0.`);
  return value;
}
