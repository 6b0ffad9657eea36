/** `client.embeddings` and `client.rerank`. */
import { readEmbeddings, readRanking } from "./decoding.js";
import { InvalidArgumentError } from "./errors.js";
import type { EmbeddingCreateParams, RerankCreateParams } from "./params.js";
import { APIPromise } from "./promise.js";
import { postCall } from "./request.js";
import { readArguments, type Settings } from "./settings.js";
import { type RequestOptions, send } from "./transport.js";
import type { EmbeddingList, RerankResult } from "./types.js";

/** Vectors of texts. */
export class Embeddings {
  constructor(private readonly settings: Settings) {}

  /** A vector of numbers for each input. The vectors travel as base64, unless `encoding_format` is given. */
  create(params: EmbeddingCreateParams, options: RequestOptions = {}): APIPromise<EmbeddingList> {
    return new APIPromise(this.send(params, options));
  }

  private async send(params: EmbeddingCreateParams, options: RequestOptions) {
    const input = readArguments(() => params?.input);
    if (typeof input !== "string" && !Array.isArray(input)) {
      throw new InvalidArgumentError("`input` must be a text, or an array of texts or of token ids");
    }
    // Base64 is a quarter of the size of numbers in decimals.
    const fields = readArguments(() => ({ ...params, encoding_format: params.encoding_format ?? "base64" }));
    return send(this.settings, postCall(this.settings, "/v1/embeddings", fields, options), options, readEmbeddings);
  }
}

/** The order of documents by their relevance for a query. */
export class Rerank {
  constructor(private readonly settings: Settings) {}

  /** The most relevant documents, best first, in `.results`. */
  create(params: RerankCreateParams, options: RequestOptions = {}): APIPromise<RerankResult> {
    return new APIPromise(this.send(params, options));
  }

  private async send(params: RerankCreateParams, options: RequestOptions) {
    if (!readArguments(() => Array.isArray(params?.documents))) {
      throw new InvalidArgumentError("`documents` must be an array of texts");
    }
    return send(this.settings, postCall(this.settings, "/v1/rerank", params, options), options, readRanking);
  }
}
