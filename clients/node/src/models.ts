/** `client.models`: which models there are. */
import type { Reply } from "./failure.js";
import { APIPromise } from "./promise.js";
import { readModel, readModels } from "./result.js";
import type { Settings } from "./settings.js";
import { type RequestOptions, send } from "./transport.js";
import type { Model, ModelList } from "./answers.js";

/** The models that the server serves. */
export class Models {
  constructor(private readonly settings: Settings) {}

  /** All of them, in `.data`. */
  list(options: RequestOptions = {}): APIPromise<ModelList> {
    return new APIPromise(this.get("/v1/models", readModels, options));
  }

  /** One of them. Throws `NotFoundError` when there is none of this name. */
  retrieve(model: string, options: RequestOptions = {}): APIPromise<Model> {
    if (!model) {
      throw new TypeError("`model` must not be empty");
    }
    return new APIPromise(this.get(`/v1/models/${encodeURIComponent(model)}`, readModel, options));
  }

  private get<T>(path: string, read: (reply: Reply) => T, options: RequestOptions) {
    return send(this.settings, { method: "GET", path, stream: false }, options, read);
  }
}
