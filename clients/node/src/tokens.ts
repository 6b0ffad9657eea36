/** `client.tokens`. */
import { readDetokenized, readTokenized } from "./decoding.js";
import { InvalidArgumentError } from "./errors.js";
import type { DetokenizeParams, TokenizeParams } from "./params.js";
import { APIPromise } from "./promise.js";
import { postCall } from "./request.js";
import { readArguments, type Settings } from "./settings.js";
import { type RequestOptions, send } from "./transport.js";
import type { DetokenizeResult, TokenizeResult } from "./types.js";

/** Text to the tokens of a model, and back. */
export class Tokens {
  constructor(private readonly settings: Settings) {}

  /** The tokens of a text (`prompt`), or of a conversation (`messages`, `tools`). */
  tokenize(params: TokenizeParams, options: RequestOptions = {}): APIPromise<TokenizeResult> {
    return new APIPromise(this.sendText(params, options));
  }

  /** The text of tokens, in `.prompt`. */
  detokenize(params: DetokenizeParams, options: RequestOptions = {}): APIPromise<DetokenizeResult> {
    return new APIPromise(this.sendTokens(params, options));
  }

  private async sendText(params: TokenizeParams, options: RequestOptions) {
    const [prompt, messages] = readArguments(() => [params?.prompt ?? null, params?.messages ?? null]);
    if ((prompt === null) === (messages === null)) {
      throw new InvalidArgumentError("tokenize() needs `prompt` or `messages`, and not both");
    }
    return send(this.settings, postCall(this.settings, "/v1/tokenize", params, options), options, readTokenized);
  }

  private async sendTokens(params: DetokenizeParams, options: RequestOptions) {
    if (!readArguments(() => Array.isArray(params?.tokens))) {
      throw new InvalidArgumentError("`tokens` must be an array of token ids");
    }
    return send(this.settings, postCall(this.settings, "/v1/detokenize", params, options), options, readDetokenized);
  }
}
