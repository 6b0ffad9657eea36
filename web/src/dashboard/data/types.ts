/** The answers of the admin API. Times are seconds since 1970, durations seconds. */
export type HistoryRange = "hour" | "day" | "month";
export type HistoryGroup = "model" | "project" | "key";
export type Values = (number | null)[];

export interface Latency {
  mean: Values;
  p50: Values;
  p95: Values;
}

export interface Series {
  requests: number[];
  errors: number[];
  input_tokens: number[];
  cached_tokens: number[];
  output_tokens: number[];
  cost: number[];
  time_to_first_token: Latency;
  inter_token_latency: Latency;
}

export interface History {
  range: HistoryRange;
  by: HistoryGroup;
  start: number;
  step: number;
  now: number;
  total: Series;
  groups: Record<string, Series>;
  running: number[];
  waiting: number[];
  error_codes: Record<string, number[]>;
}

export interface Limits {
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrency: number | null;
}

export type Period = "day" | "month" | "ever";

export interface Budget {
  tokens: number | null;
  money: number | null;
  period: Period;
}

export interface Key {
  id: string;
  name: string;
  project: string;
  scopes: string[];
  models: string[] | null;
  expires: number | null;
  limits: Limits;
  budget: Budget | null;
  source: string;
  created: number;
  revoked: number | null;
}

export interface IssuedKey extends Key {
  key: string;
}

export interface Project {
  name: string;
  weight: number;
  limits: Limits;
  budget: Budget | null;
  created: number;
}

export interface BudgetStatus {
  subject: "key" | "project";
  id: string;
  period: Period;
  since: string | null;
  tokens: number | null;
  tokens_used: number;
  tokens_held: number;
  tokens_left: number | null;
  money: number | null;
  money_used: number;
  money_held: number;
  money_left: number | null;
}

export interface Replica {
  name: string;
  address: string;
  state: "closed" | "open" | "half_open";
  share: number;
  running: number;
  outstanding_tokens: number;
  failures: number;
  ejections: number;
  last_error: string | null;
  last_error_at: number | null;
}

export interface ClusterReplica {
  name: string;
  node: string;
  state: "available" | "draining" | "lost";
  fingerprint: string;
  running: number;
  waiting: number;
  slots: number;
  requests: number;
  work: number;
  blocks_held: number;
  blocks_total: number;
  drafts: number;
  draft_tokens: number;
  accepted_tokens: number;
}

export interface Cluster {
  replicas: ClusterReplica[];
  routing: { prefix: number; hash: number; load: number; tokens: number; known_tokens: number };
  moves: { failures: number; drains: number; given_up: number };
}

export type ModelState = "unloaded" | "loading" | "loaded" | "unloading" | "failed";

export interface ModelStatus {
  state: ModelState;
  size: number;
  requests: number;
  waiting_for_load: number;
  load_percent: number | null;
  failure: string | null;
  replicas: Replica[];
  cluster: Cluster | null;
  running: number;
  waiting: number;
  blocks_held: number;
  blocks_total: number;
  tokens_sampled: number;
  restarts: number;
}

export interface Status {
  running: number;
  waiting: number;
  memory: number;
  memory_limit: number | null;
  models: Record<string, ModelStatus>;
}

export interface EndedRequest {
  id: string;
  key: string;
  project: string;
  model: string;
  status: "completed" | "aborted" | "failed";
  finish_reason: string | null;
  error: string | null;
  ledger: boolean;
  input_tokens: number;
  cached_tokens: number;
  output_tokens: number;
  cost: number;
  received: number;
  started: number | null;
  finished: number;
}

export interface RecentRequests {
  slowest: EndedRequest[];
  failed: EndedRequest[];
}
