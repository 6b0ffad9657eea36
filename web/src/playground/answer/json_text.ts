const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const DEEPEST = 40;

/** JSON text with line breaks and indents; its tokens stay, as numbers with more digits than JavaScript has. Other text
 * and what is nested more deeply stays as it is. */
export function indentJson(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const pieces: string[] = [];
  let depth = 0;
  let before = "";
  for (const [token] of text.matchAll(TOKEN)) {
    const closes = token === "}" || token === "]";
    const first = before === "{" || before === "[";
    if (closes) depth--;
    if (closes ? !first : first || before === ",") pieces.push("\n", "  ".repeat(depth));
    pieces.push(token === ":" ? ": " : token);
    if (token === "{" || token === "[") depth++;
    if (depth > DEEPEST) return text;
    before = token;
  }
  return pieces.join("");
}
