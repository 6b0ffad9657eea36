/**
 * Forefront's Node SDK.
 *
 *     import Forefront from "forefront";
 *
 *     const client = new Forefront("YOUR_API_KEY");
 *     const completion = await client.chat.completions.create({
 *       model: "MODEL_STRING",
 *       messages: [{ role: "user", content: "Write a recipe for an italian dinner" }],
 *     });
 *     console.log(completion.message.content);
 */
export type * from "./types.js";
export type * from "./response-types.js";
export type { ParseParams } from "./chat.js";
export { ChatStream } from "./chat-stream.js";
export { Forefront, Forefront as default } from "./client.js";
export {
  APIConnectionError,
  APIError,
  APIStatusError,
  APITimeoutError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  ConflictError,
  ForefrontError,
  InternalServerError,
  InvalidArgumentError,
  NotFoundError,
  ParseError,
  PermissionDeniedError,
  RateLimitError,
  UnprocessableEntityError,
} from "./errors.js";
export type * from "./params.js";
export { APIPromise, type WithResponse } from "./promise.js";
export type { ParsingSchema, Schema, StandardSchema } from "./structured.js";
export type { ClientOptions, Fetch, Timeout } from "./settings.js";
export { Stream } from "./stream.js";
export type { RequestOptions } from "./transport.js";
export { VERSION } from "./version.js";
