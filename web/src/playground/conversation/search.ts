import type { Message } from "./message";

/** The text of a message that a search looks at. */
export function searchText(message: Message): string {
  if (message.role === "assistant") return `${message.text}\n${message.reasoning}`;
  return message.text;
}

/** Whether every word of the query occurs in the text, upper and lower case alike. */
export function matches(text: string, query: string): boolean {
  const lower = text.toLocaleLowerCase();
  return words(query).every((word) => lower.includes(word));
}

export function words(query: string): string[] {
  return query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
}
