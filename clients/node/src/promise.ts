/** Promises that also give the HTTP response. */

/** A result with its HTTP response. */
export interface WithResponse<T> {
  data: T;
  /** Its status and headers; the body has been read, or is read by `data`. */
  response: Response;
  requestID: string | null;
  /** The number of failed attempts before. */
  retries: number;
}

/** A promise of `data` alone, as `await` sees it; `withResponse()` promises all of it. */
export class APIPromise<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = "APIPromise";

  constructor(private readonly result: Promise<WithResponse<T>>) {}

  /** The result with its HTTP response. */
  withResponse(): Promise<WithResponse<T>> {
    return this.result;
  }

  then<A = T, B = never>(
    onfulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result.then(({ data }) => data).then(onfulfilled, onrejected);
  }

  catch<B = never>(onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(null, onrejected);
  }

  finally(onfinally?: (() => void) | null): Promise<T> {
    return this.then().finally(onfinally);
  }
}
