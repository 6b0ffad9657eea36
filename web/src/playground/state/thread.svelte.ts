import { untrack } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import { ApiError, explain } from "../../api/errors";
import { session } from "../../shared/session.svelte";
import type { Progress } from "../answer/progress";
import { newId, type AnswerMessage, type Conversation, type Message, type Transcript, type UserMessage } from "../conversation/message";
import { titleOf } from "../conversation/title";
import { MessageTree } from "../conversation/tree";
import { buildBody, SettingsError } from "../request/body";
import type { Settings } from "../request/settings";
import type { Archive } from "./archive.svelte";
import { runAnswer, type AnswerChange } from "./run_answer";

/** A request in progress. */
export interface Run {
  readonly controller: AbortController;
  readonly progress: Progress | null;
}

export interface Draft {
  readonly text: string;
  readonly images: readonly string[];
}

const NO_DRAFT: Draft = { text: "", images: [] };

/** Milliseconds between two saves of an answer that arrives; a long one, whose record is large, is saved less often. */
const SAVE_INTERVAL = 400;
const LONG_SAVE_INTERVAL = 3000;
const LONG = 50_000;
const INTERRUPTED = "This answer was interrupted before it was complete.";

/** The open conversation: its messages, the chosen branch, and the answers that are arriving. */
export class Thread {
  readonly id: string;
  readonly messages = new SvelteMap<string, Message>();
  readonly runs = new SvelteMap<string, Run>();
  title = $state("");
  /** What is typed and attached, and not sent yet. */
  draft = $state.raw<Draft>(NO_DRAFT);
  private chosen = $state.raw<Readonly<Record<string, string>>>({});
  private structure = $state(0);
  private readonly unsaved = new Set<string>();
  private saving: ReturnType<typeof setTimeout> | null = null;
  private conversation: Conversation;
  private closed = false;

  /** The tree changes with messages that come and go, not with the text of an answer. */
  readonly tree = $derived.by(() => {
    void this.structure;
    const { chosen } = this;
    return untrack(() => new MessageTree(this.messages.values(), chosen));
  });
  readonly path = $derived(this.tree.path());

  constructor(
    private readonly archive: Archive,
    transcript: Transcript | null = null,
  ) {
    this.conversation = transcript?.conversation ?? archive.create();
    this.id = this.conversation.id;
    this.title = this.conversation.title;
    this.chosen = this.conversation.chosen;
    for (const message of transcript?.messages ?? []) this.messages.set(message.id, settled(message));
  }

  get transcript(): Transcript {
    return { conversation: this.conversation, messages: [...this.messages.values()] };
  }

  /** A prompt after the chosen branch, and its answers: one for each of `sides`. */
  send({ text, images }: Draft, sides: readonly Settings[]): void {
    this.draft = NO_DRAFT;
    this.ask(this.path.at(-1)?.id ?? null, text, images, sides);
  }

  /** Another version of a prompt, with its own answers. */
  edit(message: UserMessage, text: string, sides: readonly Settings[]): void {
    this.ask(message.parent, text, message.images, sides);
  }

  /** Another version of an answer, with a text of the user. */
  editAnswer(answer: AnswerMessage, text: string): void {
    const edited = { ...answer, ...this.node(answer.parent), text, pair: null, logprobs: [], usage: null, timing: null };
    this.add({ ...edited, receipt: null, status: "complete", problem: null, notes: [] });
  }

  regenerate(answer: AnswerMessage, sides: readonly Settings[]): void {
    this.answer(answer.parent, sides);
  }

  /** Another version of the answer that begins with `prefix`, under the same settings. */
  continueFrom(answer: AnswerMessage, prefix: string): void {
    this.answer(answer.parent, [answer.settings], prefix);
  }

  /** The results of an answer's tool calls, in their order, and the answer to them. */
  submitResults(answer: AnswerMessage, results: readonly string[], sides: readonly Settings[]): void {
    let parent = answer.id;
    answer.calls.forEach(({ id, name }, at) => {
      const node = this.node(parent);
      this.add({ ...node, role: "tool", call: id, name, text: results[at] ?? "" });
      parent = node.id;
    });
    this.answer(parent, sides);
  }

  choose(id: string): void {
    this.chosen = this.tree.choose(id);
    this.save();
  }

  stop(id?: string): void {
    for (const [answer, run] of this.runs) if (id === undefined || answer === id) run.controller.abort();
  }

  /** Ends the answers and stores nothing more: the conversation is deleted. */
  close(): void {
    this.stop();
    this.closed = true;
  }

  /** Stores what has arrived, and while `on` nothing more: a page that is left ends its requests, which did not fail. */
  suspend(on: boolean): void {
    if (this.runs.size) this.save();
    this.closed = on;
  }

  rename(title: string): void {
    this.title = title.trim().slice(0, 200) || this.title;
    this.save();
  }

  /** The messages that the answer's request had. */
  history(answer: AnswerMessage): Message[] {
    return this.tree.pathTo(answer.parent).map(({ id }) => this.messages.get(id)!);
  }

  /** The storage has none of the messages: the next change stores them all. */
  markUnsaved(): void {
    for (const id of this.messages.keys()) this.unsaved.add(id);
  }

  /** Takes over what another tab stored, but for answers that arrive here. */
  merge(transcript: Transcript | null): void {
    if (!transcript) {
      this.markUnsaved();
      return;
    }
    for (const message of transcript.messages) {
      if (!this.runs.has(message.id) && !this.unsaved.has(message.id)) this.messages.set(message.id, settled(message));
    }
    this.title = transcript.conversation.title;
    this.structure++;
  }

  private ask(parent: string | null, text: string, images: readonly string[], sides: readonly Settings[]): void {
    if (this.messages.size === 0) this.title = titleOf(text);
    const message: UserMessage = { ...this.node(parent), role: "user", text, images };
    this.add(message);
    this.answer(message.id, sides);
  }

  private answer(parent: string | null, sides: readonly Settings[], prefix = ""): void {
    const pair = sides.length > 1 ? newId() : null;
    // The first side is added last: it is the chosen one.
    const answers = sides.toReversed().map((settings) => {
      const answer = this.createAnswer(parent, settings, prefix, pair);
      this.add(answer);
      return answer;
    });
    for (const answer of answers) void this.run(answer);
  }

  private async run(answer: AnswerMessage): Promise<void> {
    const { client } = session;
    let body;
    try {
      if (!client) throw new SettingsError("Enter an API key first.");
      body = buildBody(answer.settings, this.history(answer), answer.prefix);
    } catch (error) {
      this.change(answer.id, { status: "failed", problem: (error as Error).message });
      this.save();
      return;
    }
    const run: Run = { controller: new AbortController(), progress: null };
    this.runs.set(answer.id, run);
    const error = await runAnswer(client, body, answer.prefix, run.controller.signal, {
      onChange: (change) => this.change(answer.id, change),
      onProgress: (progress) => this.runs.set(answer.id, { ...run, progress }),
    });
    this.runs.delete(answer.id);
    this.save();
    if (error instanceof ApiError && error.needsKey && session.client === client) session.close(explain(error));
  }

  private createAnswer(parent: string | null, settings: Settings, prefix: string, pair: string | null): AnswerMessage {
    return {
      ...this.node(parent),
      role: "assistant",
      settings,
      prefix,
      pair,
      text: prefix,
      reasoning: "",
      calls: [],
      status: "waiting",
      finish: null,
      problem: null,
      logprobs: [],
      usage: null,
      receipt: null,
      timing: null,
      notes: [],
    };
  }

  private node(parent: string | null): Pick<Message, "id" | "conversation" | "parent" | "created" | "sequence"> {
    let sequence = 0;
    for (const message of this.messages.values()) sequence = Math.max(sequence, message.sequence + 1);
    return { id: newId(), conversation: this.id, parent, created: Date.now(), sequence };
  }

  private add(message: Message): void {
    this.messages.set(message.id, message);
    this.structure++;
    this.chosen = { ...this.chosen, [message.parent ?? ""]: message.id };
    this.unsaved.add(message.id);
    this.save();
  }

  private change(id: string, change: AnswerChange): void {
    const message = this.messages.get(id);
    if (message?.role !== "assistant") return;
    this.messages.set(id, { ...message, ...change });
    this.unsaved.add(id);
    const interval = message.text.length < LONG ? SAVE_INTERVAL : LONG_SAVE_INTERVAL;
    this.saving ??= setTimeout(() => this.save(), interval);
  }

  /** Stores the changes since the last time that they could be stored. */
  save(): void {
    if (this.saving !== null) clearTimeout(this.saving);
    this.saving = null;
    if (this.messages.size === 0 || this.closed) return;
    const ids = [...this.unsaved];
    const messages = ids.map((id) => this.messages.get(id)!);
    this.unsaved.clear();
    const { title, chosen } = this;
    this.conversation = { ...this.conversation, title, chosen, updated: this.archive.nextUpdate() };
    void this.archive.save(this.conversation, messages).then((stored) => {
      if (!stored) for (const id of ids) this.unsaved.add(id);
    });
  }
}

/** A message of the storage: an answer that was arriving when its page was closed is incomplete. */
function settled(message: Message): Message {
  if (message.role !== "assistant" || (message.status !== "waiting" && message.status !== "streaming")) return message;
  return { ...message, status: "stopped", problem: INTERRUPTED };
}
