import { copyText } from "../../shared/clipboard";
import { showCode } from "./highlight";

/** Lines of one part: a part outside the view has no layout. */
const PART = 200;

/** A block of code with its language and a button that copies it. */
export class CodeBlock {
  readonly element = document.createElement("figure");
  private readonly code = document.createElement("code");
  private readonly language: string;
  private text = "";
  private tail = "";
  private tailParts: HTMLElement[] = [];

  constructor(info: string) {
    this.language = /^[\w+#-]{1,20}/.exec(info.trim())?.[0].toLowerCase() ?? "";
    this.element.className = "code-block";
    const label = document.createElement("figcaption");
    label.textContent = this.language || "text";
    const copy = document.createElement("button");
    copy.type = "button";
    copy.className = "button quiet small";
    copy.textContent = "Copy";
    copy.setAttribute("aria-label", "Copy code");
    copy.addEventListener("click", () => void this.copy(copy));
    label.append(copy);
    const pre = document.createElement("pre");
    pre.tabIndex = 0;
    pre.append(this.code);
    this.element.append(label, pre);
  }

  /** Adds text that stays. */
  add(text: string): void {
    this.setTail("");
    this.text += text;
    this.append(text);
  }

  /** Shows text that may still change after the text that stays. */
  setTail(text: string): void {
    for (const part of this.tailParts) part.remove();
    this.tail = text;
    this.tailParts = text ? this.append(text) : [];
  }

  private append(text: string): HTMLElement[] {
    const lines = text.split("\n");
    const parts: HTMLElement[] = [];
    for (let at = 0; at < lines.length; at += PART) {
      const piece = lines.slice(at, at + PART).join("\n") + (at + PART < lines.length ? "\n" : "");
      if (!piece) continue;
      const part = document.createElement("span");
      part.className = "part";
      showCode(part, piece, this.language);
      parts.push(part);
    }
    this.code.append(...parts);
    return parts;
  }

  private async copy(button: HTMLButtonElement): Promise<void> {
    const copied = await copyText((this.text + this.tail).replace(/\n$/, ""));
    button.textContent = copied ? "Copied" : "Not allowed";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  }
}
