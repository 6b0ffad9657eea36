import { MediaQuery } from "svelte/reactivity";
import { explain } from "../../api/errors";
import { session } from "../../shared/session.svelte";
import type { Conversation } from "../conversation/message";
import { Archive } from "./archive.svelte";
import { Models } from "./models.svelte";
import { Preferences } from "./preferences.svelte";
import { Thread } from "./thread.svelte";

/** Widths from which the columns stand beside the conversation, as in `Drawer.svelte`. */
const WIDE = new MediaQuery("min-width: 64.01rem");
const WIDEST = new MediaQuery("min-width: 80.01rem");

/** The state of the page. */
export class Playground {
  readonly archive = new Archive();
  readonly models = new Models();
  readonly preferences = new Preferences();
  thread = $state.raw(new Thread(this.archive));
  /** One sentence each, where the models cannot be listed, and where a file cannot be imported. */
  modelsProblem = $state("");
  importProblem = $state("");
  showSidebar = $state(WIDE.current);
  showSettings = $state(WIDEST.current);
  /** Whether a column lies over the conversation. */
  readonly covered = $derived((this.showSidebar && !WIDE.current) || (this.showSettings && !WIDEST.current));

  /** Opened conversations by id: their answers go on while another one is shown. */
  private readonly threads = new Map([[this.thread.id, this.thread]]);

  async start(): Promise<void> {
    await this.archive.open((id) => void this.followOtherTab(id));
  }

  async loadModels(): Promise<void> {
    const { client } = session;
    if (!client) return;
    try {
      await this.models.load(client);
      this.preferences.settleModels(this.models.list.map((model) => model.id));
      this.modelsProblem = this.models.list.length ? "" : "This key may use no model.";
    } catch (error) {
      if ((error as { needsKey?: boolean }).needsKey) session.close(explain(error));
      else this.modelsProblem = explain(error);
    }
  }

  /** Shows an empty conversation: the one that there is, with its draft. */
  newThread(): void {
    const empty = [...this.threads.values()].find(({ messages }) => messages.size === 0);
    this.open(empty ?? new Thread(this.archive));
  }

  async openThread(id: string): Promise<void> {
    const opened = this.threads.get(id);
    const transcript = opened ? null : await this.archive.load(id);
    if (opened) this.open(opened);
    else if (transcript) this.open(new Thread(this.archive, transcript));
  }

  async removeThread(id: string): Promise<void> {
    this.threads.get(id)?.close();
    this.threads.delete(id);
    if (id === this.thread.id) this.newThread();
    await this.archive.remove(id);
  }

  async rename(conversation: Conversation, title: string): Promise<void> {
    const thread = this.threads.get(conversation.id);
    if (thread) thread.rename(title);
    else await this.archive.rename(conversation, title);
  }

  toggleSidebar(): void {
    this.showSidebar = !this.showSidebar;
  }

  toggleSettings(): void {
    this.showSettings = !this.showSettings;
  }

  /** Closes the panels over the conversation in a narrow window. */
  closeDrawers(): void {
    if (!WIDE.current) this.showSidebar = false;
    if (!WIDEST.current) this.showSettings = false;
  }

  saveAll(): void {
    for (const thread of this.threads.values()) if (thread.runs.size) thread.save();
  }

  /** `on`: the page is left, at least for now. */
  suspend(on: boolean): void {
    for (const thread of this.threads.values()) thread.suspend(on);
  }

  async importFile(file: File): Promise<void> {
    this.importProblem = "";
    try {
      const { transcripts, stored } = await this.archive.import(await file.text());
      const [first] = transcripts;
      if (!first) {
        this.importProblem = "The file has no conversations.";
        return;
      }
      const thread = new Thread(this.archive, first);
      if (!stored) thread.markUnsaved();
      this.open(thread);
      const imported = Math.max(stored, 1);
      if (imported < transcripts.length) {
        this.importProblem = `Only ${imported} of the file's ${transcripts.length} conversations could be imported.`;
      }
    } catch (error) {
      this.importProblem = explain(error);
      this.closeDrawers();
    }
  }

  exportText(): Promise<string> {
    return this.archive.export(this.thread.messages.size ? this.thread.transcript : null);
  }

  private async followOtherTab(id: string): Promise<void> {
    this.threads.get(id)?.merge(await this.archive.load(id));
  }

  private open(thread: Thread): void {
    this.threads.set(thread.id, thread);
    this.thread = thread;
    this.closeDrawers();
  }
}
