import { Accumulator } from "./accumulator.js";
import { GatewayError, StreamTruncated } from "./errors.js";
import type { StreamSendResponse } from "./gen/llmgateway/v1/gateway_pb.js";
import { Reply } from "./reply.js";

/** One streaming answer. Read it once, by `events` or by `text`; leaving the loop cancels the call. */
export class Stream {
  readonly #open: (signal: AbortSignal) => AsyncIterable<StreamSendResponse>;
  readonly #signal: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #accumulator = new Accumulator();

  /** @internal */
  constructor(open: (signal: AbortSignal) => AsyncIterable<StreamSendResponse>, signal: AbortSignal | undefined) {
    this.#open = open;
    this.#signal = signal;
  }

  /**
   * Every event as it comes, those of kinds that this client does not know included.
   *
   * @throws GatewayError when the call fails, StreamTruncated when it ends without `completed`.
   */
  async *events(): AsyncGenerator<StreamSendResponse, void, undefined> {
    const signal = this.#signal ? AbortSignal.any([this.#signal, this.#controller.signal]) : this.#controller.signal;
    try {
      for await (const event of this.#open(signal)) {
        this.#accumulator.add(event);
        let left = true;
        try {
          yield event;
          left = false;
        } finally {
          if (left) this.cancel(); // before the loop waits for its iterator, which may wait for the next event
        }
      }
      if (!this.#accumulator.finished) throw new StreamTruncated();
    } catch (error) {
      throw GatewayError.from(error, signal);
    } finally {
      this.cancel();
    }
  }

  /** Pieces of the first candidate's text as they come. */
  async *text(): AsyncGenerator<string, void, undefined> {
    const textParts = new Set<number>();
    for await (const { event } of this.events()) {
      let text = "";
      if (event.case === "partStarted" && event.value.candidateIndex === 0 && event.value.part?.kind.case === "text") {
        textParts.add(event.value.partIndex);
        text = event.value.part.kind.value.text;
      } else if (event.case === "partDelta" && event.value.candidateIndex === 0 && textParts.has(event.value.partIndex)) {
        text = event.value.delta.case === "text" ? event.value.delta.value : "";
      }
      if (text) yield text;
    }
  }

  /** The answer so far: whole when the loop has come to its end, and what is left of a stream that broke. */
  get reply(): Reply {
    return new Reply(this.#accumulator.response());
  }

  /** Cancel the call if it still runs, and with it the provider's work. */
  cancel(): void {
    this.#controller.abort();
  }
}
