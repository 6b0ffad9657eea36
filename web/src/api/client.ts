import { createParser } from "eventsource-parser";
import { ApiError, ConnectionError, parseError } from "./errors";
import { readClock } from "./server_clock";

/** The callbacks of a stream: each event's data, and comments such as a place in the queue. */
export interface StreamHandlers {
  onEvent(data: string): void;
  onComment?(text: string): void;
  /** Called once when the response begins. */
  onOpen?(response: Response): void;
}

/** The public HTTP API of the server that sent this page, with the user's key. */
export class ApiClient {
  constructor(
    readonly key: string,
    private readonly base = "",
  ) {}

  get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.json<T>("GET", path, undefined, signal);
  }

  /** One request with a JSON body and a JSON answer. Throws `ApiError` or `ConnectionError`. */
  async json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const response = await this.send(method, path, body, signal);
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw signal?.aborted ? error : new ConnectionError("The connection broke before the whole answer had arrived.");
    }
  }

  /**
   * One request whose answer is a stream of server-sent events. Resolves at `[DONE]`. Throws `ApiError`, also for an
   * error event, and `ConnectionError` where the stream ends without either.
   */
  async stream(path: string, body: unknown, signal: AbortSignal, handlers: StreamHandlers): Promise<void> {
    const response = await this.send("POST", path, body, signal);
    handlers.onOpen?.(response);
    let done = false;
    let failure: ApiError | null = null;
    const parser = createParser({
      onEvent: ({ data }) => {
        if (data === "[DONE]") done = true;
        else if (data.startsWith('{"error"')) failure = parseError(0, data);
        else handlers.onEvent(data);
      },
      onComment: (text) => handlers.onComment?.(text.trim()),
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (;;) {
        const { value, done: ended } = await reader.read();
        if (ended) break;
        parser.feed(value);
      }
    } catch (error) {
      if (signal.aborted) throw error;
      if (!done && !failure) throw new ConnectionError("The connection to the server broke within the answer.");
    }
    if (failure) throw failure;
    if (!done) throw new ConnectionError("The server ended the answer before it was complete.");
  }

  private async send(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.key}` };
    const init: RequestInit = { method, headers, credentials: "omit", cache: "no-store", ...(signal && { signal }) };
    if (body !== undefined) {
      headers["content-type"] = "application/json";
      init.body = JSON.stringify(body);
    }
    let response: Response;
    try {
      response = await fetch(this.base + path, init);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ConnectionError("The server cannot be reached. Check the connection, or whether the server runs.");
    }
    readClock(response);
    if (!response.ok) {
      const text = await response.text().catch(() => "");
      throw parseError(response.status, text, response.headers.get("retry-after"));
    }
    return response;
  }
}
