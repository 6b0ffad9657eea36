import type { Alternative, TokenLogprob } from "../conversation/message";

/** Five steps of a token's probability, 0 for the least likely. */
export function level(logprob: number): number {
  const probability = Math.exp(logprob);
  return [0.1, 0.35, 0.65, 0.9].filter((bound) => probability >= bound).length;
}

export function percent(logprob: number): string {
  const value = 100 * Math.exp(logprob);
  return value > 0 && value < 0.1 ? "< 0.1 %" : `${value.toFixed(1)} %`;
}

/** A token with its blanks and line breaks visible. */
export function visible(token: string): string {
  return token.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "·") || "∅";
}

/**
 * The text of an answer up to token `at`, and then `alternative`; null where that ends within a character. `prefix` is
 * the text that the answer had to begin with.
 */
export function textWith(
  prefix: string,
  tokens: readonly TokenLogprob[],
  at: number,
  alternative: Alternative,
): string | null {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const token of [...tokens.slice(0, at), alternative]) {
    for (const byte of token.bytes ?? encoder.encode(token.token)) bytes.push(byte);
  }
  try {
    return prefix + new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes));
  } catch {
    return null;
  }
}
