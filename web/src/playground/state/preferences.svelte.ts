import { DEFAULTS, normalise, type Settings } from "../request/settings";

const NAME = "forefront-playground";

/** The settings of the next request, and those of the second side while two are compared. Kept for the next visit. */
export class Preferences {
  first = $state.raw<Settings>(DEFAULTS);
  second = $state.raw<Settings | null>(null);

  constructor() {
    try {
      const stored = JSON.parse(localStorage.getItem(NAME) ?? "null") as { first?: unknown; second?: unknown } | null;
      if (stored?.first) this.first = normalise(stored.first);
      if (stored?.second) this.second = normalise(stored.second);
    } catch {
      // Without readable storage the defaults remain.
    }
  }

  get sides(): readonly Settings[] {
    return this.second ? [this.first, this.second] : [this.first];
  }

  change(side: number, change: Partial<Settings>): void {
    if (side === 0) this.first = { ...this.first, ...change };
    else if (this.second) this.second = { ...this.second, ...change };
    this.store();
  }

  compare(on: boolean): void {
    this.second = on ? { ...this.first } : null;
    this.store();
  }

  /** Replaces models that are no longer served by the first one of `names`. */
  settleModels(names: readonly string[]): void {
    const [fallback] = names;
    if (fallback === undefined) return;
    if (!names.includes(this.first.model)) this.first = { ...this.first, model: fallback };
    if (this.second && !names.includes(this.second.model)) this.second = { ...this.second, model: fallback };
  }

  private store(): void {
    try {
      localStorage.setItem(NAME, JSON.stringify({ first: this.first, second: this.second }));
    } catch {
      // The settings live until the page is reloaded.
    }
  }
}
