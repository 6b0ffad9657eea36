import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import type { Conversation, Message, Transcript } from "./message";
import { matches, searchText } from "./search";

interface Schema extends DBSchema {
  conversations: { key: string; value: Conversation };
  messages: { key: string; value: Message; indexes: { conversation: string } };
}

/** A change by another tab: the conversation that changed. */
export type ChangeListener = (conversation: string) => void;

/** The conversations in this browser's IndexedDB. Each message is its own record: tabs replace nothing of each
 * other, and saving an answer takes time linear in its length. */
export class ConversationStore {
  private readonly channel: BroadcastChannel;

  private constructor(private readonly database: IDBPDatabase<Schema>) {
    this.channel = new BroadcastChannel(database.name);
  }

  /** Throws `DOMException` where the browser allows no storage. */
  static async open(name = "forefront"): Promise<ConversationStore> {
    const database = await openDB<Schema>(name, 1, {
      upgrade(created) {
        created.createObjectStore("conversations", { keyPath: "id" });
        created.createObjectStore("messages", { keyPath: "id" }).createIndex("conversation", "conversation");
      },
      blocking(_current, _blocked, event) {
        (event.target as IDBDatabase).close();
      },
    });
    return new ConversationStore(database);
  }

  /** All conversations, the last changed one first. */
  async list(): Promise<Conversation[]> {
    const all = await this.database.getAll("conversations");
    return all.sort((one, other) => other.updated - one.updated);
  }

  get(id: string): Promise<Conversation | undefined> {
    return this.database.get("conversations", id);
  }

  messages(conversation: string): Promise<Message[]> {
    return this.database.getAllFromIndex("messages", "conversation", conversation);
  }

  /** Saves a conversation and messages of it, all or none. Throws `QuotaExceededError` where the storage is full. */
  async save(conversation: Conversation, messages: readonly Message[] = []): Promise<void> {
    const change = this.database.transaction(["conversations", "messages"], "readwrite");
    const writes = [
      change.objectStore("conversations").put(conversation),
      ...messages.map((message) => change.objectStore("messages").put(message)),
      change.done,
    ];
    change.commit(); // a page that is left at once loses nothing
    await settleAll(writes);
    this.channel.postMessage(conversation.id);
  }

  async remove(conversation: string): Promise<void> {
    const change = this.database.transaction(["conversations", "messages"], "readwrite");
    const messages = change.objectStore("messages");
    const keys = await messages.index("conversation").getAllKeys(conversation);
    const deletions = [change.objectStore("conversations").delete(conversation), ...keys.map((key) => messages.delete(key))];
    await settleAll([...deletions, change.done]);
    this.channel.postMessage(conversation);
  }

  async transcripts(): Promise<Transcript[]> {
    const conversations = await this.list();
    return Promise.all(
      conversations.map(async (conversation) => ({ conversation, messages: await this.messages(conversation.id) })),
    );
  }

  /** The ids of the conversations with a message or a title that matches. */
  async search(query: string): Promise<Set<string>> {
    const found = new Set<string>();
    for (const conversation of await this.database.getAll("conversations")) {
      if (matches(conversation.title, query)) found.add(conversation.id);
    }
    const change = this.database.transaction("messages");
    for await (const cursor of change.store) {
      const { value } = cursor;
      if (!found.has(value.conversation) && matches(searchText(value), query)) found.add(value.conversation);
    }
    return found;
  }

  onChange(listener: ChangeListener): void {
    this.channel.addEventListener("message", (event: MessageEvent<string>) => listener(event.data));
  }
}

/** Waits for all, so that no rejection is left unhandled, and throws the first error. */
async function settleAll(promises: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises)) if (result.status === "rejected") throw result.reason;
}
