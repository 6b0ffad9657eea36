const LENGTH = 60;

/** A title from the first words of a conversation. */
export function titleOf(text: string): string {
  const words = text.trim().replace(/\s+/g, " ");
  if (!words) return "New conversation";
  if (words.length <= LENGTH) return words;
  const cut = words.lastIndexOf(" ", LENGTH);
  return `${words.slice(0, cut > LENGTH / 2 ? cut : LENGTH)} …`;
}
