import type { ApiClient } from "../../api/client";

/** A model of `GET /v1/models`. `state` and `size` (bytes) are there where the server manages models. */
export interface Model {
  readonly id: string;
  readonly context_length?: number | null;
  readonly state?: string | null;
  readonly size?: number | null;
  readonly capabilities?: readonly string[] | null;
}

/** The models that the key may use. */
export class Models {
  list = $state.raw<readonly Model[]>([]);

  /** Throws `ApiError` and `ConnectionError`. */
  async load(client: ApiClient): Promise<void> {
    this.list = (await client.get<{ data: Model[] }>("/v1/models")).data;
  }

  get(id: string): Model | undefined {
    return this.list.find((model) => model.id === id);
  }

  /** Whether one of these models is served, and was not loaded when the list was requested. */
  hasUnloaded(sides: readonly { readonly model: string }[]): boolean {
    return sides.some(({ model }) => (this.get(model)?.state ?? "loaded") !== "loaded");
  }

  readsImages(id: string): boolean {
    return this.get(id)?.capabilities?.includes("images") ?? false;
  }
}
