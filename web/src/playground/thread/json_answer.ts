/** An answer in JSON as a block of code: indented where it is complete. */
export function codeBlockOf(text: string): string {
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // It is not complete yet.
  }
  const ticks = Math.max(2, ...[...shown.matchAll(/`+/g)].map(([run]) => run.length)) + 1;
  const fence = "`".repeat(ticks);
  return `${fence}json\n${shown}\n${fence}`;
}
