import { explain, ApiError } from "../../api/errors";
import { session } from "../../shared/session.svelte";
import { poll } from "./poll";
import type { BudgetStatus, History, HistoryGroup, HistoryRange, Key, Project, RecentRequests, Status } from "./types";

export const VIEWS = { overview: "Overview", requests: "Requests", keys: "Keys", projects: "Projects", models: "Models" } as const;
export type View = keyof typeof VIEWS;

const HISTORY_SECONDS: Record<HistoryRange, number> = { hour: 5, day: 60, month: 120 };

/** The data of all views, which is polled, and the choices of the user. */
export class Dashboard {
  view = $state<View>(viewOf(location.hash));
  range = $state<HistoryRange>("hour");
  by = $state<HistoryGroup>("model");
  model = $state("");
  project = $state("");
  key = $state("");

  status = $state.raw<Status | null>(null);
  history = $state.raw<History | null>(null);
  requests = $state.raw<RecentRequests | null>(null);
  keys = $state.raw<Key[] | null>(null);
  projects = $state.raw<Project[] | null>(null);
  budgets = $state.raw<BudgetStatus[] | null>(null);
  /** The reason why the data is old: the message of the last failure. */
  problem = $state("");
  /** Whether the key is valid but lacks admin scope. */
  forbidden = $state(false);
  #changes = $state(0);

  readonly keyNames = $derived(new Map((this.keys ?? []).map((key) => [key.id, key.name])));

  /** Keeps the data of the current view fresh. Call it while a component is created. */
  keepFresh(): void {
    this.#poll(3, "/admin/status", (data: Status) => (this.status = data));
    this.#poll(30, "/admin/keys", (data: { data: Key[] }) => (this.keys = data.data));
    this.#poll(30, "/admin/projects", (data: { data: Project[] }) => (this.projects = data.data));
    $effect(() => {
      if (this.view !== "overview") return;
      return this.#start(HISTORY_SECONDS[this.range], this.#historyPath(), (data: History) => (this.history = data));
    });
    $effect(() => {
      if (this.view !== "requests") return;
      return this.#start(5, "/admin/requests", (data: RecentRequests) => (this.requests = data));
    });
    $effect(() => {
      if (this.view !== "keys" && this.view !== "projects") return;
      return this.#start(10, "/admin/budgets", (data: { data: BudgetStatus[] }) => (this.budgets = data.data));
    });
  }

  /** Requests everything now, after a change. */
  changed(): void {
    this.#changes++;
  }

  /** One request of the admin API. Throws its error. */
  async send<T>(method: string, path: string, body?: unknown): Promise<T> {
    if (!session.client) throw new Error("There is no key.");
    try {
      return await session.client.json<T>(method, path, body);
    } finally {
      this.changed();
    }
  }

  keyLabel(id: string): string {
    return this.keyNames.get(id) ?? id;
  }

  groupLabel(group: string): string {
    return this.by === "key" ? this.keyLabel(group) : group;
  }

  budgetOf(subject: "key" | "project", id: string): BudgetStatus | undefined {
    return this.budgets?.find((budget) => budget.subject === subject && budget.id === id);
  }

  #historyPath(): string {
    const query = new URLSearchParams({ range: this.range, by: this.by });
    for (const name of ["model", "project", "key"] as const) if (this[name]) query.set(name, this[name]);
    return `/admin/history?${query}`;
  }

  #poll<T>(seconds: number, path: string, onData: (data: T) => void): void {
    $effect(() => this.#start(seconds, path, onData));
  }

  #start<T>(seconds: number, path: string, onData: (data: T) => void): (() => void) | undefined {
    void this.#changes;
    const client = session.client;
    if (!client) return undefined;
    return poll(seconds, async (signal) => {
      try {
        onData(await client.get<T>(path, signal));
        this.problem = "";
        this.forbidden = false;
      } catch (error) {
        if (!signal.aborted) this.#failed(error);
      }
    });
  }

  #failed(error: unknown): void {
    if (error instanceof ApiError && error.needsKey) session.close(explain(error));
    else if (error instanceof ApiError && error.status === 403) {
      this.forbidden = true;
      session.refusal = "The key of this tab is no administrator's: it lacks the scope admin.";
    } else this.problem = explain(error);
  }
}

export function viewOf(hash: string): View {
  const name = hash.slice(1);
  return name in VIEWS ? (name as View) : "overview";
}
