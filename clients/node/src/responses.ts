/** `client.responses`: the Responses API. */
import { readDeletedResponse, readItemList, readResponse, readResponseEvent } from "./decoding.js";
import { InvalidArgumentError } from "./errors.js";
import { APIPromise } from "./promise.js";
import { pathPart, postCall, queryCall } from "./request.js";
import type { ResponseStream } from "./response-stream.js";
import type {
  DeletedResponse,
  ItemList,
  ItemListParams,
  ModelResponse,
  ResponseCreateParams,
  ResponseCreateParamsNonStreaming,
  ResponseCreateParamsStreaming,
  ResponseRetrieveParams,
  ResponseStreamEvent,
} from "./response-types.js";
import { readArguments, type Settings } from "./settings.js";
import { Stream } from "./stream.js";
import { type Call, open, type RequestOptions, send } from "./transport.js";

const PATH = "/v1/responses";
const LAST_EVENTS = ["response.completed", "response.incomplete", "response.failed"];

/** Responses whole, streamed, stored and in the background. */
export class Responses {
  constructor(private readonly settings: Settings) {}

  /** Request a response to a text or to items; with `stream`, as typed events while the model generates. */
  create(params: ResponseCreateParamsNonStreaming, options?: RequestOptions): APIPromise<ModelResponse>;
  create(params: ResponseCreateParamsStreaming, options?: RequestOptions): APIPromise<Stream<ResponseStreamEvent>>;
  create(
    params: ResponseCreateParams,
    options?: RequestOptions,
  ): APIPromise<ModelResponse | Stream<ResponseStreamEvent>>;
  create(
    params: ResponseCreateParams,
    options: RequestOptions = {},
  ): APIPromise<ModelResponse> | APIPromise<Stream<ResponseStreamEvent>> {
    const call = () => createCall(this.settings, params, options);
    return readArguments(() => params?.stream)
      ? new APIPromise(this.open(call, options))
      : new APIPromise(this.send(call, options));
  }

  /** A stored response; with `stream`, the events of one in the background, after the number `starting_after`. */
  retrieve(
    id: string,
    params: ResponseRetrieveParams & { stream: true },
    options?: RequestOptions,
  ): APIPromise<Stream<ResponseStreamEvent>>;
  retrieve(id: string, params?: { stream?: false }, options?: RequestOptions): APIPromise<ModelResponse>;
  retrieve(
    id: string,
    params: ResponseRetrieveParams = {},
    options: RequestOptions = {},
  ): APIPromise<ModelResponse> | APIPromise<Stream<ResponseStreamEvent>> {
    const call = () => idCall("GET", id, "", { stream: params.stream || undefined, starting_after: params.starting_after });
    return params.stream ? new APIPromise(this.open(call, options)) : new APIPromise(this.send(call, options));
  }

  /** Delete a stored response; one in the background is cancelled first. */
  delete(id: string, options: RequestOptions = {}): APIPromise<DeletedResponse> {
    const deleted = async () => send(this.settings, idCall("DELETE", id), options, readDeletedResponse);
    return new APIPromise(deleted());
  }

  /** Cancel a response in the background. One that has ended is returned as it is. */
  cancel(id: string, options: RequestOptions = {}): APIPromise<ModelResponse> {
    return new APIPromise(this.send(() => idCall("POST", id, "/cancel"), options));
  }

  /** A page of a stored response's input. */
  inputItems(id: string, params: ItemListParams = {}, options: RequestOptions = {}): APIPromise<ItemList> {
    const listed = async () => send(this.settings, idCall("GET", id, "/input_items", { ...params }), options, readItemList);
    return new APIPromise(listed());
  }

  private async send(call: () => Call, options: RequestOptions) {
    return send(this.settings, call(), options, readResponse);
  }

  private async open(call: () => Call, options: RequestOptions) {
    const make = (response: ResponseStream) => new Stream(response, readResponseEvent, isLast);
    return open(this.settings, call(), options, make);
  }
}

function isLast(event: ResponseStreamEvent): boolean {
  return LAST_EVENTS.includes(event.type);
}

function createCall(settings: Settings, params: ResponseCreateParams, options: RequestOptions): Call {
  const input = readArguments(() => params?.input);
  if (input !== undefined && input !== null && typeof input !== "string" && !Array.isArray(input)) {
    throw new InvalidArgumentError("`input` must be a text or an array of items");
  }
  return postCall(settings, PATH, params, options);
}

function idCall(method: "GET" | "POST" | "DELETE", id: string, rest = "", query: Record<string, unknown> = {}): Call {
  return queryCall(method, `${PATH}/${pathPart("id", id)}${rest}`, query);
}
