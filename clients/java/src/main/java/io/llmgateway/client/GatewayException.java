package io.llmgateway.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.BadRequest.FieldViolation;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.llmgateway.v1.Attempt;
import io.llmgateway.v1.ProviderFailure;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A call failed: its status and what the google.rpc details say. {@link #getMessage} has both in one line. */
public class GatewayException extends RuntimeException {
  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
  private static final Metadata.Key<String> REQUEST_ID =
      Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);
  // A new call would be billed beside the part of an answer that the caller holds, or would meet the same empty account.
  private static final Set<String> NOT_RETRYABLE = Set.of("STREAM_INTERRUPTED", "PROVIDER_QUOTA_EXHAUSTED");
  private static final Set<String> RATE_LIMITED = Set.of("PROVIDER_RATE_LIMITED", "GATEWAY_RATE_LIMITED");

  private final Status.Code code;
  private final transient ErrorInfo info;
  private final transient RetryInfo retry;
  private final transient List<FieldViolation> violations;
  private final transient ProviderFailure providerFailure;
  private final String requestId;
  private final String shown;

  GatewayException(Status.Code code, String reason, String message) {
    super(message);
    this.code = code;
    this.info = ErrorInfo.newBuilder().setReason(reason).build();
    this.retry = null;
    this.violations = List.of();
    this.providerFailure = null;
    this.requestId = "";
    this.shown = shown();
  }

  /** Details of unknown types, and such that cannot be read, are left out. */
  private GatewayException(Status status, Metadata trailers, Throwable cause) {
    super(status.getDescription() == null ? "no details" : status.getDescription(), cause);
    List<Any> details = details(trailers);
    code = status.getCode();
    info = unpacked(details, ErrorInfo.class).orElse(ErrorInfo.getDefaultInstance());
    retry = unpacked(details, RetryInfo.class).orElse(null);
    violations = unpacked(details, BadRequest.class).map(BadRequest::getFieldViolationsList).orElse(List.of());
    providerFailure = unpacked(details, ProviderFailure.class).orElse(null);
    String given = trailers.get(REQUEST_ID);
    requestId =
        unpacked(details, RequestInfo.class)
            .map(RequestInfo::getRequestId)
            .filter(id -> !id.isEmpty())
            .orElse(given == null ? "" : given);
    shown = shown();
  }

  /**
   * The exception that an exception of gRPC stands for.
   *
   * @param failure what a stub threw, or gave to an observer
   * @return the status and its details
   */
  public static GatewayException of(Throwable failure) {
    Metadata trailers = Status.trailersFromThrowable(failure);
    return new GatewayException(Status.fromThrowable(failure), trailers == null ? new Metadata() : trailers, failure);
  }

  private static List<Any> details(Metadata trailers) {
    byte[] packed = trailers.get(DETAILS);
    try {
      return packed == null ? List.of() : com.google.rpc.Status.parseFrom(packed).getDetailsList();
    } catch (InvalidProtocolBufferException unreadable) {
      return List.of();
    }
  }

  private static <M extends Message> Optional<M> unpacked(List<Any> details, Class<M> type) {
    for (Any packed : details) {
      if (packed.is(type)) {
        try {
          return Optional.of(packed.unpack(type));
        } catch (InvalidProtocolBufferException unreadable) {
          return Optional.empty();
        }
      }
    }
    return Optional.empty();
  }

  /**
   * The gRPC status code.
   *
   * @return the code
   */
  public Status.Code getCode() {
    return code;
  }

  /**
   * {@code ErrorInfo.reason}, such as {@code PROVIDER_RATE_LIMITED}.
   *
   * @return the reason in UPPER_SNAKE_CASE; empty where the failure did not come from the gateway
   */
  public String getReason() {
    return info.getReason();
  }

  /**
   * {@code ErrorInfo.metadata}, such as provider and model.
   *
   * @return the metadata
   */
  public Map<String, String> getMetadata() {
    return info.getMetadataMap();
  }

  /**
   * How long to wait before a new call.
   *
   * @return the delay, where the server named one
   */
  public Optional<Duration> getRetryDelay() {
    return Optional.ofNullable(retry)
        .map(named -> Duration.ofSeconds(named.getRetryDelay().getSeconds(), named.getRetryDelay().getNanos()));
  }

  /**
   * What is wrong with which field of the request.
   *
   * @return the violations
   */
  public List<FieldViolation> getViolations() {
    return violations;
  }

  /**
   * What the last provider answered.
   *
   * @return the failure, where a provider was asked
   */
  public Optional<ProviderFailure> getProviderFailure() {
    return Optional.ofNullable(providerFailure);
  }

  /**
   * The provider calls that were made and the targets that were skipped, in order.
   *
   * @return the attempts
   */
  public List<Attempt> getAttempts() {
    return getProviderFailure().map(ProviderFailure::getAttemptsList).orElse(List.of());
  }

  /**
   * The gateway's id of the call.
   *
   * @return the id; empty when it gave none
   */
  public String getRequestId() {
    return requestId;
  }

  /**
   * Whether the same call, made again after {@link #getRetryDelay}, may succeed.
   *
   * @return the advice
   */
  public boolean isRetryable() {
    if (NOT_RETRYABLE.contains(getReason())) {
      return false;
    }
    if (code == Status.Code.RESOURCE_EXHAUSTED) {
      return retry != null || RATE_LIMITED.contains(getReason());
    }
    return code == Status.Code.UNAVAILABLE;
  }

  /**
   * Code, reason, the status message, and what the details say beyond it: fields at fault, who answered what, what was tried, when to
   * try again.
   *
   * @return one line for people
   */
  @Override
  public String getMessage() {
    return shown;
  }

  /**
   * The status message alone.
   *
   * @return the message
   */
  public String getStatusMessage() {
    return super.getMessage();
  }

  private String shown() {
    String message = getStatusMessage();
    List<String> clauses = new ArrayList<>();
    for (FieldViolation violation : violations) {
      String wrong = withoutStop(violation.getDescription());
      if (!message.contains(wrong)) {
        clauses.add(violation.getField() + ": " + wrong);
      }
    }
    if (providerFailure != null) {
      addAnswer(clauses, message);
      addAttempts(clauses, message);
    }
    getRetryDelay()
        .filter(delay -> delay.compareTo(Duration.ZERO) > 0)
        .map(delay -> BigDecimal.valueOf(delay.toMillis(), 3).setScale(1, RoundingMode.CEILING))
        .ifPresent(seconds -> clauses.add("try again in " + plain(seconds) + " s"));
    if (code == Status.Code.INTERNAL && !requestId.isEmpty()) {
      clauses.add("request id " + requestId);
    }
    String reason = getReason().isEmpty() ? "" : " (" + getReason() + ")";
    String described = clauses.isEmpty() ? message : withoutStop(message) + "; " + String.join("; ", clauses);
    return code + reason + ": " + described;
  }

  private void addAnswer(List<String> clauses, String message) {
    String target = target(providerFailure.getProvider(), providerFailure.getModel());
    String who = message.contains(target) ? "" : target;
    List<String> answer = new ArrayList<>();
    String status = "HTTP " + providerFailure.getProviderStatus();
    if (providerFailure.getProviderStatus() != 0 && !message.contains(status)) {
      answer.add(status);
    }
    String words = providerFailure.getProviderMessage();
    if (!message.contains(words)) {
      answer.add('"' + words + '"');
    }
    if (!answer.isEmpty()) {
      clauses.add((who.isEmpty() ? "the provider" : who) + " answered " + String.join(" ", answer));
    } else if (!who.isEmpty()) {
      clauses.add("at " + who);
    }
  }

  private void addAttempts(List<String> clauses, String message) {
    Set<String> tried = new LinkedHashSet<>();
    boolean said = true;
    for (Attempt attempt : providerFailure.getAttemptsList()) {
      String skipped = attempt.getSkipReason();
      String why = skipped.isEmpty() ? attempt.getReason() : "skipped: " + skipped;
      if (!why.isEmpty()) {
        String target = target(attempt.getProvider(), attempt.getModel());
        said &= message.contains(target);
        tried.add(target + " (" + why + ")");
      }
    }
    if (tried.size() > 1 && !said) {
      clauses.add("tried " + String.join(", ", tried));
    }
  }

  private static String target(String provider, String model) {
    return model.isEmpty() ? provider : provider + "/" + model;
  }

  private static String plain(BigDecimal number) {
    return number.stripTrailingZeros().toPlainString();
  }

  private static String withoutStop(String sentence) {
    return sentence.endsWith(".") ? sentence.substring(0, sentence.length() - 1) : sentence;
  }
}
