/** `client.completions`: text completions. */
import type { ResponseStream } from "./response-stream.js";
import { InvalidArgumentError } from "./errors.js";
import { APIPromise } from "./promise.js";
import { postCall } from "./request.js";
import { readTextCompletion, readTextChunk } from "./decoding.js";
import { readArguments, type Settings } from "./settings.js";
import { Stream } from "./stream.js";
import { open, type RequestOptions, send } from "./transport.js";
import type { Completion } from "./types.js";
import type {
  CompletionCreateParams,
  CompletionCreateParamsNonStreaming,
  CompletionCreateParamsStreaming,
} from "./params.js";

/** Text completions, without a conversation. */
export class TextCompletions {
  constructor(private readonly settings: Settings) {}

  /** Continue `prompt`; with `stream`, in parts while the model generates. */
  create(params: CompletionCreateParamsNonStreaming, options?: RequestOptions): APIPromise<Completion>;
  create(params: CompletionCreateParamsStreaming, options?: RequestOptions): APIPromise<Stream<Completion>>;
  create(params: CompletionCreateParams, options?: RequestOptions): APIPromise<Completion | Stream<Completion>>;
  create(
    params: CompletionCreateParams,
    options: RequestOptions = {},
  ): APIPromise<Completion> | APIPromise<Stream<Completion>> {
    return readArguments(() => params?.stream) ? new APIPromise(this.open(params, options)) : new APIPromise(this.send(params, options));
  }

  private async send(params: CompletionCreateParams, options: RequestOptions) {
    return send(this.settings, textCall(this.settings, params, options), options, readTextCompletion);
  }

  private async open(params: CompletionCreateParams, options: RequestOptions) {
    const make = (response: ResponseStream) => new Stream(response, readTextChunk);
    return open(this.settings, textCall(this.settings, params, options), options, make);
  }
}

function textCall(settings: Settings, params: CompletionCreateParams, options: RequestOptions) {
  const prompt = readArguments(() => params?.prompt);
  if (typeof prompt !== "string" && !Array.isArray(prompt)) {
    throw new InvalidArgumentError("`prompt` must be a text, or an array of texts or of token ids");
  }
  return postCall(settings, "/v1/completions", params, options);
}
