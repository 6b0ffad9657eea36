import { ApiClient } from "../api/client";

const NAME = "forefront-key";

/** The user's API key, for this tab alone: it is in session storage, and gone when the tab is closed. */
class Session {
  key = $state(read());
  /** The reason for the key dialog, where a key was refused. */
  refusal = $state("");

  readonly client = $derived(this.key ? new ApiClient(this.key) : null);

  open(key: string): void {
    this.key = key;
    this.refusal = "";
    try {
      sessionStorage.setItem(NAME, key);
    } catch {
      // Without storage the key lives until the page is reloaded.
    }
  }

  close(refusal = ""): void {
    this.key = "";
    this.refusal = refusal;
    try {
      sessionStorage.removeItem(NAME);
    } catch {
      // It was never stored.
    }
  }
}

function read(): string {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

export const session = new Session();
