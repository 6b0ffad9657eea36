const LENGTH = 4000;

/** A text in parts of at most 4,000 characters, each up to the end of a line or a word where there is one. */
export function partsOf(text: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + LENGTH, text.length);
    let next = end;
    if (end < text.length) {
      const line = text.lastIndexOf("\n", end - 1);
      const word = text.lastIndexOf(" ", end - 1);
      if (line > at) [end, next] = [line, line + 1];
      else if (word > at) end = next = word + 1;
      else if (/[\udc00-\udfff]/.test(text[end]!)) end = next = end - 1;
    }
    parts.push(text.slice(at, end));
    at = next;
  }
  return parts;
}
