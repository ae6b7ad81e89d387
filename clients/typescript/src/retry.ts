import { Code, ConnectError } from "@connectrpc/connect";

// gRFC A6, which Connect leaves to its users. UNAVAILABLE, and what a gateway that stops says of a call it never saw (gRPC's server,
// CANCELLED): every other code says that the same call would fail again or be billed twice. A call that its own caller cancels is over.
const MAX_TRIES = 3;
const INITIAL_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 5000;
const MAX_TOKENS = 10;
const TOKEN_RATIO = 0.1;

/** Decides whether a failed call is tried again; one for all calls of a client, so that an outage is not answered with a storm. */
export class RetryPolicy {
  #tokens = MAX_TOKENS;

  /** Note a call that was answered. */
  succeeded(): void {
    this.#tokens = Math.min(MAX_TOKENS, this.#tokens + TOKEN_RATIO);
  }

  /** Milliseconds to wait before the next try, or undefined for none. `tries`: how many there were. */
  delay(failure: unknown, tries: number): number | undefined {
    const error = ConnectError.from(failure);
    const pushback = error.metadata.get("grpc-retry-pushback-ms");
    if (error.code !== Code.Unavailable && error.code !== Code.Canceled) return undefined;
    this.#tokens = Math.max(0, this.#tokens - 1);
    if (tries >= MAX_TRIES || this.#tokens <= MAX_TOKENS / 2) return undefined;
    if (pushback !== null) return /^\d+$/.test(pushback) ? Number(pushback) : undefined;
    const backoff = Math.min(MAX_BACKOFF_MS, INITIAL_BACKOFF_MS * 2 ** (tries - 1));
    return backoff * (0.8 + 0.4 * Math.random());
  }
}

/** Wait; rejects with the signal's reason when it aborts first. */
export function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
