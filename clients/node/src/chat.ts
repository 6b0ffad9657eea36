/** `client.chat.completions`: ask for answers. */
import { Accumulator } from "./accumulate.js";
import { ChatStream } from "./chat-stream.js";
import type { Incoming } from "./incoming.js";
import { APIPromise } from "./promise.js";
import { chatCall } from "./request.js";
import { readChunk, readCompletion, readPreflight } from "./result.js";
import { parseAnswer, readForm, type Schema } from "./schema.js";
import type { Settings } from "./settings.js";
import { Stream } from "./stream.js";
import { open, type RequestOptions, send } from "./transport.js";
import type { ChatCompletion, ChatCompletionChunk, ParsedCompletion, Preflight } from "./answers.js";
import type {
  ChatCompletionCreateParams,
  ChatCompletionCreateParamsBase,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
  JSONSchema,
  ResponseFormat,
} from "./params.js";

/** What `parse` takes: `response_format` may be a bare JSON schema, or a schema object of a library such as Zod. */
export interface ParseParams<T> extends Omit<ChatCompletionCreateParamsNonStreaming, "response_format"> {
  response_format: Schema<T> | JSONSchema | (ResponseFormat & { type: "json_schema" });
  /** Makes a `T` of the parsed JSON, or throws; for schemas that do not do that themselves. */
  validate?: (value: unknown) => T;
}

/** Chat completions. */
export class Completions {
  constructor(private readonly settings: Settings) {}

  /** Ask the model to go on with the conversation; with `stream`, the answer comes as chunks while it is made. */
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
    return params?.stream
      ? new APIPromise(this.open(params, options, (incoming) => new Stream(incoming, readChunk)))
      : new APIPromise(this.send(params, options));
  }

  /** Ask for a stream that is put together while it comes. It asks for the usage too, unless told otherwise. */
  stream(params: ChatCompletionCreateParamsBase, options: RequestOptions = {}): APIPromise<ChatStream> {
    const accumulator = new Accumulator();
    const read = (body: Record<string, unknown>): ChatCompletionChunk => {
      accumulator.add(body);
      return readChunk(body);
    };
    const asked = { stream_options: { include_usage: true }, ...params, stream: true };
    return new APIPromise(
      this.open(asked, options, (incoming) => new ChatStream(new Stream(incoming, read), accumulator)),
    );
  }

  /**
   * Ask for an answer of a given form, and parse it. Throws `ParseError` when the answer does not have it, because
   * `max_tokens` cut it off, say.
   */
  parse<T = unknown>(params: ParseParams<T>, options: RequestOptions = {}): APIPromise<ParsedCompletion<T>> {
    const parse = async () => {
      const { validate, response_format, ...rest } = params;
      const { format, check } = readForm(response_format);
      const answer = await this.send({ ...rest, response_format: format }, options);
      return { ...answer, data: await parseAnswer<T>(answer.data, validate ?? check) };
    };
    return new APIPromise(parse());
  }

  /**
   * What would become of a request, without running it: its prompt, its tokens, and whether it fits. It counts as a
   * request towards limits, and costs nothing.
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

  private async open<S>(params: ChatCompletionCreateParams, options: RequestOptions, make: (incoming: Incoming) => S) {
    return open(this.settings, chatCall(this.settings, params, options), options, make);
  }
}

/** What has to do with chat. */
export class Chat {
  readonly completions: Completions;

  constructor(settings: Settings) {
    this.completions = new Completions(settings);
  }
}
