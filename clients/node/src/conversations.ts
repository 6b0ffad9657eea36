/** `client.conversations`: lists of items on the server that responses read and extend. */
import { readConversation, readDeletedConversation, readItem, readItemList } from "./decoding.js";
import { InvalidArgumentError } from "./errors.js";
import { APIPromise } from "./promise.js";
import { bodyCall, pathPart, queryCall } from "./request.js";
import type {
  Conversation,
  ConversationCreateParams,
  ConversationItemParams,
  ConversationUpdateParams,
  DeletedConversation,
  ItemCreateParams,
  ItemList,
  ItemListParams,
  ListedItem,
} from "./response-types.js";
import { readArguments, type Settings } from "./settings.js";
import { type RequestOptions, send } from "./transport.js";

const PATH = "/v1/conversations";

/** Conversations. */
export class Conversations {
  readonly items: Items;

  constructor(private readonly settings: Settings) {
    this.items = new Items(settings);
  }

  /** Create a conversation, with up to 20 `items` and with `metadata`. */
  create(params: ConversationCreateParams = {}, options: RequestOptions = {}): APIPromise<Conversation> {
    const created = async () => {
      checkItems(readArguments(() => params?.items) ?? []);
      return send(this.settings, bodyCall(PATH, params, options), options, readConversation);
    };
    return new APIPromise(created());
  }

  /** A conversation, without its items. */
  retrieve(id: string, options: RequestOptions = {}): APIPromise<Conversation> {
    const found = async () => send(this.settings, queryCall("GET", pathOf(id)), options, readConversation);
    return new APIPromise(found());
  }

  /** Replace the labels of a conversation. */
  update(id: string, params: ConversationUpdateParams, options: RequestOptions = {}): APIPromise<Conversation> {
    const updated = async () => send(this.settings, bodyCall(pathOf(id), params, options), options, readConversation);
    return new APIPromise(updated());
  }

  /** Delete a conversation, with its items. */
  delete(id: string, options: RequestOptions = {}): APIPromise<DeletedConversation> {
    const deleted = async () => send(this.settings, queryCall("DELETE", pathOf(id)), options, readDeletedConversation);
    return new APIPromise(deleted());
  }
}

/** The items of conversations. */
export class Items {
  constructor(private readonly settings: Settings) {}

  /** A page of items, the latest first unless `order` is `asc`. */
  list(id: string, params: ItemListParams = {}, options: RequestOptions = {}): APIPromise<ItemList> {
    const listed = async () =>
      send(this.settings, queryCall("GET", `${pathOf(id)}/items`, { ...params }), options, readItemList);
    return new APIPromise(listed());
  }

  /** Append up to 20 items; the appended ones, with their ids. */
  create(id: string, params: ItemCreateParams, options: RequestOptions = {}): APIPromise<ItemList> {
    const created = async () => {
      checkItems(readArguments(() => params?.items));
      return send(this.settings, bodyCall(`${pathOf(id)}/items`, params, options), options, readItemList);
    };
    return new APIPromise(created());
  }

  /** An item. */
  retrieve(id: string, params: ConversationItemParams, options: RequestOptions = {}): APIPromise<ListedItem> {
    const found = async () => send(this.settings, queryCall("GET", itemPath(id, params)), options, readItem);
    return new APIPromise(found());
  }

  /** Delete an item; its conversation. */
  delete(id: string, params: ConversationItemParams, options: RequestOptions = {}): APIPromise<Conversation> {
    const deleted = async () => send(this.settings, queryCall("DELETE", itemPath(id, params)), options, readConversation);
    return new APIPromise(deleted());
  }
}

function pathOf(id: string): string {
  return `${PATH}/${pathPart("conversation_id", id)}`;
}

function itemPath(id: string, params: ConversationItemParams): string {
  return `${pathOf(readArguments(() => params?.conversation_id))}/items/${pathPart("item_id", id)}`;
}

function checkItems(items: unknown): void {
  if (!Array.isArray(items)) {
    throw new InvalidArgumentError("`items` must be an array of items");
  }
}
