import type { AnswerMessage, Message } from "./message";

const ROOT = "";

/** The messages of a conversation by their parents, with the chosen branch. Every change returns a new choice. */
export class MessageTree {
  private readonly children = new Map<string, Message[]>();
  private readonly byId = new Map<string, Message>();

  constructor(
    messages: Iterable<Message>,
    readonly chosen: Readonly<Record<string, string>> = {},
  ) {
    for (const message of messages) this.byId.set(message.id, message);
    for (const message of this.byId.values()) {
      // A message whose parent is missing, as after a partial import, begins its own branch.
      const parent = message.parent !== null && this.byId.has(message.parent) ? message.parent : ROOT;
      const siblings = this.children.get(parent);
      if (siblings) siblings.push(message);
      else this.children.set(parent, [message]);
    }
    for (const siblings of this.children.values()) siblings.sort((one, other) => one.sequence - other.sequence);
  }

  get(id: string): Message | undefined {
    return this.byId.get(id);
  }

  childrenOf(id: string | null): readonly Message[] {
    return this.children.get(id ?? ROOT) ?? [];
  }

  /** The chosen branch, from the first message to its leaf. */
  path(): Message[] {
    const path: Message[] = [];
    const seen = new Set<string>();
    for (let next = this.choice(null); next && !seen.has(next.id); next = this.choice(next.id)) {
      seen.add(next.id);
      path.push(next);
    }
    return path;
  }

  /** The messages from the first one to the message `id`, whichever branch is chosen. */
  pathTo(id: string | null): Message[] {
    const path: Message[] = [];
    const seen = new Set<string>();
    for (let at = id; at !== null && !seen.has(at); ) {
      const message = this.byId.get(at);
      if (!message) break;
      seen.add(at);
      path.push(message);
      at = message.parent;
    }
    return path.reverse();
  }

  /** The versions of a message: itself and its siblings of the same role; a pair counts as one version. */
  versions(message: Message): Message[] {
    const versions: Message[] = [];
    for (const sibling of this.siblings(message)) {
      if (sibling.role !== message.role) continue;
      const pair = pairOf(sibling);
      if (pair === null || !versions.some((version) => pairOf(version) === pair)) versions.push(sibling);
    }
    return versions;
  }

  /** The answers that are shown side by side with `answer`, in the order of their requests. */
  pair(answer: AnswerMessage): AnswerMessage[] {
    if (answer.pair === null) return [answer];
    return this.siblings(answer).filter((sibling): sibling is AnswerMessage => pairOf(sibling) === answer.pair);
  }

  /** The choice that puts the message `id`, and all before it, on the chosen branch. */
  choose(id: string): Record<string, string> {
    const chosen = { ...this.chosen };
    for (const message of this.pathTo(id)) chosen[message.parent ?? ROOT] = message.id;
    return chosen;
  }

  /** The message `id` and everything after it. */
  subtree(id: string): Message[] {
    const found: Message[] = [];
    const open = [id];
    while (open.length) {
      const message = this.byId.get(open.pop()!);
      if (!message || found.includes(message)) continue;
      found.push(message);
      open.push(...this.childrenOf(message.id).map((child) => child.id));
    }
    return found;
  }

  private siblings(message: Message): readonly Message[] {
    const parent = message.parent !== null && this.byId.has(message.parent) ? message.parent : ROOT;
    return this.children.get(parent) ?? [];
  }

  private choice(parent: string | null): Message | undefined {
    const children = this.childrenOf(parent);
    const chosen = this.chosen[parent ?? ROOT];
    return children.find((child) => child.id === chosen) ?? children.at(-1);
  }
}

function pairOf(message: Message): string | null {
  return message.role === "assistant" ? message.pair : null;
}
