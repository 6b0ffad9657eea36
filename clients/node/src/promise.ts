/** Promises of answers that can also tell how they came. */

/** An answer with the HTTP response that brought it. */
export interface WithResponse<T> {
  data: T;
  /** Its status and headers; the body has been read, or is read by `data`. */
  response: Response;
  requestID: string | null;
  /** How many tries had failed before. */
  retries: number;
}

/** A promise of `data` alone, as `await` sees it; `withResponse()` promises all of it. */
export class APIPromise<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = "APIPromise";

  constructor(private readonly answer: Promise<WithResponse<T>>) {}

  /** The answer with the HTTP response that brought it. */
  withResponse(): Promise<WithResponse<T>> {
    return this.answer;
  }

  then<A = T, B = never>(
    onfulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.answer.then(({ data }) => data).then(onfulfilled, onrejected);
  }

  catch<B = never>(onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(null, onrejected);
  }

  finally(onfinally?: (() => void) | null): Promise<T> {
    return this.then().finally(onfinally);
  }
}
