/** `client.chat.completions`: ask for answers. */
import { Accumulator } from "./accumulate.js";
import { ChatStream } from "./chat-stream.js";
import { ParseError } from "./errors.js";
import { requestID } from "./failure.js";
import { APIPromise } from "./promise.js";
import { chatCall } from "./request.js";
import { readChunk, readCompletion, readPreflight } from "./result.js";
import type { Settings } from "./settings.js";
import { Stream } from "./stream.js";
import { open, type RequestOptions, send } from "./transport.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  ChatCompletionCreateParamsBase,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
  JSONSchema,
  ParsedCompletion,
  Preflight,
  ResponseFormat,
} from "./types.js";

/** What `parse` takes: `response_format` may be a bare JSON schema. */
export interface ParseParams<T> extends Omit<ChatCompletionCreateParamsNonStreaming, "response_format"> {
  response_format: JSONSchema | (ResponseFormat & { type: "json_schema" });
  /** Makes a `T` of the parsed JSON, or throws: `(value) => Recipe.parse(value)` of a schema library, say. */
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
    const { validate, response_format, ...rest } = params;
    const asked = { ...rest, response_format: asFormat(response_format) };
    return new APIPromise(
      this.send(asked, options).then((answer) => ({ ...answer, data: parsed(answer.data, validate) })),
    );
  }

  /** What would become of a request, without running it: its prompt, its tokens, and whether it fits. */
  preflight(params: ChatCompletionCreateParamsBase, options: RequestOptions = {}): APIPromise<Preflight> {
    const preflight = async () => {
      const call = chatCall(this.settings, params);
      const { response, reply } = await send(this.settings, { ...call, path: `${call.path}/preflight` }, options);
      return { data: readPreflight(reply), response, requestID: requestID(response.headers) };
    };
    return new APIPromise(preflight());
  }

  private async send(params: ChatCompletionCreateParams, options: RequestOptions) {
    const { response, reply } = await send(this.settings, chatCall(this.settings, params), options);
    return { data: readCompletion(reply), response, requestID: requestID(response.headers) };
  }

  private async open<S>(
    params: ChatCompletionCreateParams,
    options: RequestOptions,
    make: (incoming: Awaited<ReturnType<typeof open>>["incoming"]) => S,
  ) {
    const { response, incoming } = await open(this.settings, chatCall(this.settings, params), options);
    return { data: make(incoming), response, requestID: incoming.requestID };
  }
}

/** What has to do with chat. */
export class Chat {
  readonly completions: Completions;

  constructor(settings: Settings) {
    this.completions = new Completions(settings);
  }
}

function asFormat(given: JSONSchema): ResponseFormat {
  if (given?.["type"] === "json_schema") {
    return given as ResponseFormat;
  }
  const name = String(given?.["title"] ?? "answer").replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 64);
  return { type: "json_schema", json_schema: { name, schema: given, strict: true } };
}

function parsed<T>(completion: ChatCompletion, validate: ((value: unknown) => T) | undefined): ParsedCompletion<T> {
  const choice = completion.choices[0];
  const cut = choice?.finish_reason === "length" ? " It was cut off: no more tokens were allowed." : "";
  let value: unknown;
  try {
    value = JSON.parse(choice?.message.content ?? "");
  } catch (error) {
    throw new ParseError(`The answer is not JSON.${cut}`, completion, { cause: error });
  }
  try {
    return { ...completion, parsed: validate ? validate(value) : (value as T) };
  } catch (error) {
    throw new ParseError(`The answer is not of the form that was asked for.${cut}`, completion, { cause: error });
  }
}
