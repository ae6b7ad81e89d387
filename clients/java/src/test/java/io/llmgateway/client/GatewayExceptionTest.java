package io.llmgateway.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What an error says. */
class GatewayExceptionTest {
  private static final RetryInfo DELAY =
      RetryInfo.newBuilder()
          .setRetryDelay(com.google.protobuf.Duration.newBuilder().setSeconds(1).setNanos(500_000_000))
          .build();

  private static GatewayException failed(Status status, byte[] details) {
    Metadata trailers = new Metadata();
    trailers.put(Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER), details);
    trailers.put(Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER), "r");
    return GatewayException.of(status.asRuntimeException(trailers));
  }

  private static GatewayException failed(Status status, String reason, Message... more) {
    com.google.rpc.Status.Builder packed = com.google.rpc.Status.newBuilder();
    packed.addDetails(Any.newBuilder().setTypeUrl("type.googleapis.com/llmgateway.v2.Novelty"));
    packed.addDetails(Any.pack(ErrorInfo.newBuilder().setReason(reason).build()));
    for (Message detail : more) {
      packed.addDetails(Any.pack(detail));
    }
    return failed(status, packed.build().toByteArray());
  }

  /** Advice to retry follows code, reason and the presence of a delay. */
  @Test
  void saysWhetherToRetry() {
    GatewayException named = failed(Status.RESOURCE_EXHAUSTED, "", DELAY);
    assertTrue(named.isRetryable());
    assertEquals(Optional.of(Duration.ofMillis(1500)), named.getRetryDelay());
    assertTrue(failed(Status.RESOURCE_EXHAUSTED, "GATEWAY_RATE_LIMITED").isRetryable());
    assertFalse(failed(Status.RESOURCE_EXHAUSTED, "PROVIDER_QUOTA_EXHAUSTED", DELAY).isRetryable());
    assertFalse(failed(Status.RESOURCE_EXHAUSTED, "").isRetryable());
    assertTrue(failed(Status.UNAVAILABLE, "").isRetryable());
    assertFalse(failed(Status.UNAVAILABLE, "STREAM_INTERRUPTED").isRetryable());
    assertFalse(new StreamTruncatedException().isRetryable());
  }

  /** Details that are no message leave the status alone. */
  @Test
  void leavesOutUnreadableDetails() {
    GatewayException failure = failed(Status.NOT_FOUND.withDescription("no"), new byte[] {-1, -1});
    assertEquals(Status.Code.NOT_FOUND, failure.getCode());
    assertEquals("no", failure.getMessage());
    assertEquals("", failure.getReason());
    assertEquals("r", failure.getRequestId());
    assertEquals(Optional.empty(), failure.getRetryDelay());
  }
}
