/** `client.models`. */
import type { HTTPResponse } from "./error-parsing.js";
import { InvalidArgumentError } from "./errors.js";
import { APIPromise } from "./promise.js";
import { readModel, readModels } from "./decoding.js";
import type { Settings } from "./settings.js";
import { type RequestOptions, send } from "./transport.js";
import type { Model, ModelList } from "./types.js";

/** The models of the server. */
export class Models {
  constructor(private readonly settings: Settings) {}

  /** All models, in `.data`. */
  list(options: RequestOptions = {}): APIPromise<ModelList> {
    return new APIPromise(this.get("/v1/models", readModels, options));
  }

  /** One model. Throws `NotFoundError` for an unknown name. */
  retrieve(model: string, options: RequestOptions = {}): APIPromise<Model> {
    // A dot segment would change the path.
    if (typeof model !== "string" || ["", ".", ".."].includes(model) || /\p{Surrogate}/u.test(model)) {
      throw new InvalidArgumentError("`model` must be a model's name, and must not be empty");
    }
    return new APIPromise(this.get(`/v1/models/${encodeURIComponent(model)}`, readModel, options));
  }

  private get<T>(path: string, read: (response: HTTPResponse) => T, options: RequestOptions) {
    return send(this.settings, { method: "GET", path, stream: false }, options, read);
  }
}
