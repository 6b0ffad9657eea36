/** Decoding of server-sent events, without I/O. */

/** The most characters that one event may have, so that a server that never ends a line cannot fill the memory. */
export const MAX_EVENT = 16 * 2 ** 20;

/** An event has more than `MAX_EVENT` characters. */
export class EventTooLongError extends Error {}

/**
 * Decodes one stream. The events do not depend on how the bytes are split.
 *
 * Follows the standard, and skips comments and the fields `event` and `retry`. Lines end in LF, CRLF or CR. The end of
 * the stream discards an unfinished event.
 */
export class SSEDecoder {
  /** The `id` of the last event that had one. */
  lastID: string | null = null;
  private id: string | null = null; // of the unfinished event
  private readonly text = new TextDecoder(); // holds back cut characters, drops a byte order mark at the start
  private size = 0; // of the unfinished event, its unfinished line included
  private line = "";
  private data: string[] = [];
  private afterCR = false;

  constructor(private readonly maxEvent: number = MAX_EVENT) {}

  /** The data of each event that `piece` completes. Throws `EventTooLong`, after the events before it. */
  *feed(piece: Uint8Array): Generator<string, void, undefined> {
    let text = this.text.decode(piece, { stream: true });
    if (!text) {
      return;
    }
    if (this.afterCR && text.startsWith("\n")) {
      text = text.slice(1); // the second half of a CRLF
    }
    this.afterCR = text ? text.endsWith("\r") : false;
    const lines = text.split(/\r\n|\r|\n/);
    const rest = lines.pop()!;
    for (const end of lines) {
      this.grow(end);
      const line = this.line;
      this.line = "";
      const data = this.take(line);
      if (data !== undefined) {
        yield data;
      }
    }
    this.grow(rest);
  }

  private grow(piece: string): void {
    this.size += piece.length;
    if (this.size > this.maxEvent) {
      throw new EventTooLongError();
    }
    this.line += piece;
  }

  /** Process a complete line; returns the event's data if the line ends an event. */
  private take(line: string): string | undefined {
    if (line) {
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      if (name === "data" || name === "id") {
        const field = colon < 0 ? "" : line.slice(colon + 1);
        const value = field.startsWith(" ") ? field.slice(1) : field;
        if (name === "data") {
          this.data.push(value);
        } else {
          this.id = value;
        }
      }
      return undefined;
    }
    this.size = 0;
    if (!this.data.length) {
      return undefined;
    }
    this.lastID = this.id ?? this.lastID;
    const data = this.data.join("\n");
    this.data = [];
    return data;
  }
}
