/** The client: settings, and the resources that use them. */
import { Chat } from "./chat.js";
import { TextCompletions } from "./completions.js";
import { Models } from "./models.js";
import { type ClientOptions, type Settings, settle } from "./settings.js";

/** Talks to a Forefront server, or to any other that has the same API. */
export class Forefront {
  readonly chat: Chat;
  readonly completions: TextCompletions;
  readonly models: Models;
  readonly #settings: Settings;
  readonly #options: ClientOptions;

  /** `new Forefront("KEY")`, `new Forefront("KEY", defaultModel, baseURL)` or `new Forefront({ apiKey, … })`. */
  constructor(apiKey?: string, defaultModel?: string, baseURL?: string);
  constructor(options?: ClientOptions);
  constructor(given: string | ClientOptions = {}, defaultModel?: string, baseURL?: string) {
    this.#options = typeof given === "object" ? given : { apiKey: given, defaultModel, baseURL };
    this.#settings = settle(this.#options);
    this.chat = new Chat(this.#settings);
    this.completions = new TextCompletions(this.#settings);
    this.models = new Models(this.#settings);
  }

  get baseURL(): string {
    return this.#settings.baseURL;
  }

  get defaultModel(): string | undefined {
    return this.#settings.defaultModel;
  }

  /** A client like this one but for those `options` that have a value. `headers` are added to this one's. */
  withOptions(options: ClientOptions): Forefront {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    const headers = { ...this.#options.headers, ...options.headers };
    return new Forefront({ ...this.#options, ...given, headers });
  }
}
