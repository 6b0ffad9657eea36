/** An answer in JSON as a block of code: indented where it is complete. */
export function codeBlockOf(text: string): string {
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // It is not complete yet.
  }
  return fenced("json", shown);
}

/** A block of code in Markdown, whose fence is longer than every run of backticks in the text. */
export function fenced(language: string, text: string): string {
  const ticks = [...text.matchAll(/`+/g)].reduce((longest, [run]) => Math.max(longest, run.length), 2) + 1;
  const fence = "`".repeat(ticks);
  return `${fence}${language}\n${text}\n${fence}`;
}
