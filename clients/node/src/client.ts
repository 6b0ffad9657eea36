/** The client: settings, and the resources on top. */
import { Chat } from "./chat.js";
import { TextCompletions } from "./completions.js";
import { Conversations } from "./conversations.js";
import { Embeddings, Rerank } from "./embeddings.js";
import { Models } from "./models.js";
import { checkHeaders, checkObject, type ClientOptions, readArguments, resolveSettings, type Settings } from "./settings.js";
import { Responses } from "./responses.js";
import { Tokens } from "./tokens.js";

/** A client of a Forefront server, or of any server with the same API. */
export class Forefront {
  readonly chat: Chat;
  readonly completions: TextCompletions;
  readonly embeddings: Embeddings;
  readonly rerank: Rerank;
  readonly tokens: Tokens;
  readonly models: Models;
  readonly responses: Responses;
  readonly conversations: Conversations;
  readonly #settings: Settings;
  readonly #options: ClientOptions;

  /** `new Forefront("KEY")`, `new Forefront("KEY", defaultModel, baseURL)` or `new Forefront({ apiKey, … })`. */
  constructor(apiKey?: string, defaultModel?: string, baseURL?: string);
  constructor(options?: ClientOptions);
  constructor(given: string | ClientOptions = {}, defaultModel?: string, baseURL?: string) {
    this.#options = typeof given === "object" && given !== null ? given : { apiKey: given, defaultModel, baseURL };
    this.#settings = readArguments(() => resolveSettings(this.#options));
    this.chat = new Chat(this.#settings);
    this.completions = new TextCompletions(this.#settings);
    this.embeddings = new Embeddings(this.#settings);
    this.rerank = new Rerank(this.#settings);
    this.tokens = new Tokens(this.#settings);
    this.models = new Models(this.#settings);
    this.responses = new Responses(this.#settings);
    this.conversations = new Conversations(this.#settings);
  }

  get baseURL(): string {
    return this.#settings.baseURL;
  }

  get defaultModel(): string | undefined {
    return this.#settings.defaultModel;
  }

  /** A client with other options; those that are undefined stay. `headers` are added to those of this client. */
  withOptions(options: ClientOptions): Forefront {
    return readArguments(() => {
      checkObject("options", options);
      const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
      const headers = { ...this.#options.headers, ...checkHeaders(options.headers) };
      return new Forefront({ ...this.#options, ...given, headers });
    });
  }
}
