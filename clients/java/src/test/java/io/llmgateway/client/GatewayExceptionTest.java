package io.llmgateway.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.llmgateway.v1.Attempt;
import io.llmgateway.v1.ProviderFailure;
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

  /** The message has what the details say, and nothing twice. */
  @Test
  void saysWhatItsDetailsSay() {
    ProviderFailure answered =
        ProviderFailure.newBuilder()
            .setProvider("a")
            .setModel("m")
            .setProviderStatus(429)
            .setProviderMessage("too fast")
            .addAttempts(Attempt.newBuilder().setProvider("a").setModel("m").setReason("PROVIDER_RATE_LIMITED"))
            .addAttempts(Attempt.newBuilder().setProvider("b").setModel("n").setSkipReason("CIRCUIT_OPEN"))
            .build();
    BadRequest empty =
        BadRequest.newBuilder()
            .addFieldViolations(BadRequest.FieldViolation.newBuilder().setField("model").setDescription("Name one."))
            .build();
    assertEquals(
        "UNAVAILABLE (R): Down; model: Name one; a/m answered HTTP 429 \"too fast\";"
            + " tried a/m (PROVIDER_RATE_LIMITED), b/n (skipped: CIRCUIT_OPEN); try again in 1.5 s",
        failed(Status.UNAVAILABLE.withDescription("Down."), "R", answered, empty, DELAY).getMessage());
    String whole = "a/m: HTTP 429: too fast. b/n: held back. model: Name one.";
    assertEquals(
        "UNAVAILABLE (R): " + whole,
        failed(Status.UNAVAILABLE.withDescription(whole), "R", answered, empty).getMessage());
  }

  /** Details that are no message leave the status alone. */
  @Test
  void leavesOutUnreadableDetails() {
    GatewayException failure = failed(Status.NOT_FOUND.withDescription("no"), new byte[] {-1, -1});
    assertEquals(Status.Code.NOT_FOUND, failure.getCode());
    assertEquals("no", failure.getStatusMessage());
    assertEquals("NOT_FOUND: no", failure.getMessage());
    assertEquals("", failure.getReason());
    assertEquals("r", failure.getRequestId());
    assertEquals(Optional.empty(), failure.getRetryDelay());
  }
}
