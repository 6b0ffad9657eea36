/** `client.chat.completions`. */
import { Accumulator } from "./accumulate.js";
import { ChatStream } from "./chat-stream.js";
import type { ResponseStream } from "./response-stream.js";
import { APIPromise } from "./promise.js";
import { chatCall, pathPart } from "./request.js";
import { readCancelled, readChunk, readCompletion, readPreflight } from "./decoding.js";
import { parseCompletion, resolveFormat, type Schema } from "./structured.js";
import { readArguments, type Settings } from "./settings.js";
import { Stream } from "./stream.js";
import { open, type RequestOptions, send } from "./transport.js";
import type { CancelledCompletion, ChatCompletion, ChatCompletionChunk, ParsedCompletion, Preflight } from "./types.js";
import type {
  ChatCompletionCreateParams,
  ChatCompletionCreateParamsBase,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
  JSONSchema,
  ResponseFormat,
} from "./params.js";

/** The parameters of `parse`: `response_format` may be a bare JSON schema, or a schema object of a library such as Zod. */
export interface ParseParams<T> extends Omit<ChatCompletionCreateParamsNonStreaming, "response_format"> {
  response_format: Schema<T> | JSONSchema | (ResponseFormat & { type: "json_schema" });
  /** Turns the parsed JSON into a `T`, or throws; for schemas without a validator. */
  validate?: (value: unknown) => T;
}

/** Chat completions. */
export class ChatCompletions {
  constructor(private readonly settings: Settings) {}

  /** Request the next message of a conversation; with `stream`, as chunks while the model generates. */
  create(params: ChatCompletionCreateParamsNonStreaming, options?: RequestOptions): APIPromise<ChatCompletion>;
  create(
    params: ChatCompletionCreateParamsStreaming,
    options?: RequestOptions,
  ): APIPromise<Stream<ChatCompletionChunk>>;
  create(
    params: ChatCompletionCreateParams,
    options?: RequestOptions,
  ): APIPromise<ChatCompletion | Stream<ChatCompletionChunk>>;
  create(
    params: ChatCompletionCreateParams,
    options: RequestOptions = {},
  ): APIPromise<ChatCompletion> | APIPromise<Stream<ChatCompletionChunk>> {
    return readArguments(() => params?.stream)
      ? new APIPromise(this.open(params, options, (response) => new Stream(response, readChunk)))
      : new APIPromise(this.send(params, options));
  }

  /** Request a stream that accumulates a completion. It includes the usage, unless `stream_options` is given. */
  stream(params: ChatCompletionCreateParamsBase, options: RequestOptions = {}): APIPromise<ChatStream> {
    const accumulator = new Accumulator();
    const read = (body: Record<string, unknown>): ChatCompletionChunk => {
      accumulator.add(body);
      return readChunk(body);
    };
    const streaming = readArguments(() => ({ stream_options: { include_usage: true }, ...params, stream: true }));
    return new APIPromise(
      this.open(streaming, options, (response) => new ChatStream(new Stream(response, read), accumulator)),
    );
  }

  /**
   * Request structured output, and parse it. Throws `ParseError` for a completion that does not match, for example
   * because `max_tokens` cut it off.
   */
  parse<T = unknown>(params: ParseParams<T>, options: RequestOptions = {}): APIPromise<ParsedCompletion<T>> {
    const parse = async () => {
      const { validate, response_format, ...rest } = readArguments(() => ({ ...params }));
      const { format, check } = resolveFormat(response_format);
      const received = await this.send({ ...rest, response_format: format }, options);
      return { ...received, data: await parseCompletion<T>(received.data, validate ?? check) };
    };
    return new APIPromise(parse());
  }

  /**
   * End a running completion of this project, by the id in its chunks. Its stream ends with a `ConflictError`. Throws
   * `NotFoundError` unless it is running.
   */
  cancel(completionID: string, options: RequestOptions = {}): APIPromise<CancelledCompletion> {
    const path = `/v1/chat/completions/${pathPart("completionID", completionID)}/cancel`;
    return new APIPromise(send(this.settings, { method: "POST", path, stream: false }, options, readCancelled));
  }

  /**
   * Check a request without running it: its prompt, its tokens, and whether it fits. It counts towards the request limit,
   * and is free.
   */
  preflight(params: ChatCompletionCreateParamsBase, options: RequestOptions = {}): APIPromise<Preflight> {
    const preflight = async () => {
      const call = chatCall(this.settings, params, options);
      return send(this.settings, { ...call, path: `${call.path}/preflight` }, options, readPreflight);
    };
    return new APIPromise(preflight());
  }

  private async send(params: ChatCompletionCreateParams, options: RequestOptions) {
    return send(this.settings, chatCall(this.settings, params, options), options, readCompletion);
  }

  private async open<S>(params: ChatCompletionCreateParams, options: RequestOptions, make: (response: ResponseStream) => S) {
    return open(this.settings, chatCall(this.settings, params, options), options, make);
  }
}

/** `client.chat`. */
export class Chat {
  readonly completions: ChatCompletions;

  constructor(settings: Settings) {
    this.completions = new ChatCompletions(settings);
  }
}
