/** `client.completions`: continue a text. */
import type { Incoming } from "./incoming.js";
import { APIPromise } from "./promise.js";
import { postCall } from "./request.js";
import { readText, readTextChunk } from "./result.js";
import type { Settings } from "./settings.js";
import { Stream } from "./stream.js";
import { open, type RequestOptions, send } from "./transport.js";
import type { Completion } from "./answers.js";
import type {
  CompletionCreateParams,
  CompletionCreateParamsNonStreaming,
  CompletionCreateParamsStreaming,
} from "./params.js";

/** Completions of bare text, without a conversation. */
export class TextCompletions {
  constructor(private readonly settings: Settings) {}

  /** Continue `prompt`; with `stream`, the text comes in pieces while it is made. */
  create(params: CompletionCreateParamsNonStreaming, options?: RequestOptions): APIPromise<Completion>;
  create(params: CompletionCreateParamsStreaming, options?: RequestOptions): APIPromise<Stream<Completion>>;
  create(params: CompletionCreateParams, options?: RequestOptions): APIPromise<Completion | Stream<Completion>>;
  create(
    params: CompletionCreateParams,
    options: RequestOptions = {},
  ): APIPromise<Completion> | APIPromise<Stream<Completion>> {
    return params?.stream ? new APIPromise(this.open(params, options)) : new APIPromise(this.send(params, options));
  }

  private async send(params: CompletionCreateParams, options: RequestOptions) {
    return send(this.settings, textCall(this.settings, params, options), options, readText);
  }

  private async open(params: CompletionCreateParams, options: RequestOptions) {
    const make = (incoming: Incoming) => new Stream(incoming, readTextChunk);
    return open(this.settings, textCall(this.settings, params, options), options, make);
  }
}

function textCall(settings: Settings, params: CompletionCreateParams, options: RequestOptions) {
  if (typeof params?.prompt !== "string" && !Array.isArray(params?.prompt)) {
    throw new TypeError("`prompt` must be a string or an array of strings");
  }
  return postCall(settings, "/v1/completions", params, options);
}
