package io.llmgateway.client;

import io.grpc.Status;

/** A stream ended with status OK but without its {@code completed} event, so its answer is not whole. */
public final class StreamTruncatedException extends GatewayException {
  StreamTruncatedException() {
    super(Status.Code.DATA_LOSS, "STREAM_TRUNCATED", "the stream ended before the answer was whole");
  }
}
