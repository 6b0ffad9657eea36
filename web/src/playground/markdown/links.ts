/** The address of a link if it may be followed: `http`, `https` or `mailto`, written out in full; else null. */
export function safeAddress(href: string): string | null {
  try {
    const url = new URL(href);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A link that opens in a new tab, without a way back to this page; text where the address is not safe. */
export function createLink(href: string): HTMLElement {
  const address = safeAddress(href);
  if (address === null) return document.createElement("span");
  const link = document.createElement("a");
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  return link;
}
