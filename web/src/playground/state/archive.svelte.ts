import { newId, type Conversation, type Message, type Transcript } from "../conversation/message";
import { ConversationStore } from "../conversation/store";
import { exportText, importText } from "../conversation/transfer";

const NO_STORAGE = "This browser stores no conversations here: this one is gone when the tab is closed. Export it to keep it.";
const FULL = "The browser's storage is full: new messages are kept in this tab only. Export or delete conversations.";

/** The stored conversations, as the page shows them. Storage that fails becomes one `problem`; nothing else changes. */
export class Archive {
  list = $state.raw<readonly Conversation[]>([]);
  problem = $state("");
  private store: ConversationStore | null = null;

  /** `onChange` is called for conversations that another tab changed. */
  async open(onChange: (conversation: string) => void): Promise<void> {
    try {
      this.store = await ConversationStore.open();
    } catch {
      this.problem = NO_STORAGE;
      return;
    }
    this.store.onChange((id) => {
      void this.refresh();
      onChange(id);
    });
    await this.refresh();
  }

  /** Returns whether the messages are stored. */
  async save(conversation: Conversation, messages: readonly Message[]): Promise<boolean> {
    if (!this.store) return false;
    try {
      await this.store.save(conversation, messages);
      if (this.problem === FULL) this.problem = "";
    } catch (error) {
      this.problem = isFull(error) ? FULL : NO_STORAGE;
      return false;
    }
    await this.refresh();
    return true;
  }

  async load(id: string): Promise<Transcript | null> {
    const conversation = await this.store?.get(id);
    if (!this.store || !conversation) return null;
    return { conversation, messages: await this.store.messages(id) };
  }

  async rename(conversation: Conversation, title: string): Promise<void> {
    await this.save({ ...conversation, title }, []);
  }

  async remove(id: string): Promise<void> {
    await this.store?.remove(id);
    await this.refresh();
  }

  /** The ids of matching conversations. */
  async search(query: string): Promise<Set<string>> {
    return this.store ? this.store.search(query) : new Set();
  }

  /** The text of a file with all conversations, and `open`, which may not be stored. */
  async export(open: Transcript | null): Promise<string> {
    const stored = this.store ? await this.store.transcripts() : [];
    const others = stored.filter(({ conversation }) => conversation.id !== open?.conversation.id);
    return exportText(open ? [open, ...others] : others);
  }

  /** Adds the conversations of a file. Returns them, and how many could be stored: the first ones. Throws `ImportError`. */
  async import(text: string): Promise<{ transcripts: Transcript[]; stored: number }> {
    const transcripts = importText(text);
    let stored = 0;
    for (const { conversation, messages } of transcripts) {
      if (!(await this.save(conversation, messages))) break;
      stored++;
    }
    return { transcripts, stored };
  }

  create(): Conversation {
    const now = this.nextUpdate();
    return { id: newId(), title: "New conversation", created: Date.now(), updated: now, chosen: {} };
  }

  /** A time for `updated` that is later than that of every conversation, also where the clock runs backwards. */
  nextUpdate(): number {
    return Math.max(Date.now(), (this.list[0]?.updated ?? 0) + 1);
  }

  private async refresh(): Promise<void> {
    if (this.store) this.list = await this.store.list();
  }
}

function isFull(error: unknown): boolean {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}
