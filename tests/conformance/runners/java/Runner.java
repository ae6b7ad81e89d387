import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.protobuf.MessageLite;
import io.grpc.Status;
import io.llmgateway.client.ChatReply;
import io.llmgateway.client.ChatStream;
import io.llmgateway.client.GatewayException;
import io.llmgateway.client.LlmGatewayClient;
import io.llmgateway.client.StreamTruncatedException;
import io.llmgateway.v1.SendRequest;
import io.llmgateway.v1.SendResponse;
import io.llmgateway.v1.StreamOptions;
import io.llmgateway.v1.StreamSendRequest;
import io.llmgateway.v1.StreamSendResponse;
import io.llmgateway.v1.StreamSendResponse.EventCase;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Timer;
import java.util.TimerTask;

/** The runner of the Java client; README.md of the suite has the protocol. */
public class Runner {
  static class Given {
    String id;
    String address;
    String mode;
    String request;
    String options;
    String api_key;
    long deadline_ms;
    int cancel_after;
    long idle_ms;
    Map<String, String> metadata;
    Map<String, String> trace;
  }

  static class Result {
    String id;
    boolean ok;
    String response;
    String text = "";
    List<String> events = new ArrayList<>();
    Unpacked error;
    boolean truncated;
    boolean cancelled;
    volatile Double cancelled_at;

    void answered(SendResponse answer) {
      response = encoded(answer);
      text = new ChatReply(answer).text();
    }

    void failed(GatewayException failure) {
      if (failure.getCode() == Status.Code.CANCELLED && cancelled_at != null) {
        cancelled = true;
        return;
      }
      truncated = failure instanceof StreamTruncatedException;
      error = new Unpacked(failure);
    }

    void cancelling() {
      Instant now = Instant.now();
      cancelled_at = now.getEpochSecond() + now.getNano() / 1e9;
    }
  }

  static class Unpacked {
    final String code;
    final String reason;
    final String message;
    final String told;
    final Map<String, String> metadata;
    final Long retry_delay_ms;
    final boolean retryable;
    final List<String> attempts;
    final List<Violation> violations;

    Unpacked(GatewayException failure) {
      code = failure.getCode().name();
      reason = failure.getReason();
      message = failure.getStatusMessage();
      told = failure.getMessage();
      metadata = failure.getMetadata();
      retry_delay_ms = failure.getRetryDelay().map(Duration::toMillis).orElse(null);
      retryable = failure.isRetryable();
      attempts = failure.getAttempts().stream().map(Runner::encoded).toList();
      violations =
          failure.getViolations().stream()
              .map(found -> new Violation(found.getField(), found.getDescription(), found.getReason()))
              .toList();
    }
  }

  record Violation(String field, String description, String reason) {}

  static String encoded(MessageLite message) {
    return Base64.getEncoder().encodeToString(message.toByteArray());
  }

  static void send(LlmGatewayClient client, Given given, SendRequest request, Result result)
      throws InterruptedException {
    if (given.idle_ms > 0) {
      client.send(request);
      Thread.sleep(given.idle_ms);
    }
    Timer timer = new Timer(true);
    if (given.cancel_after > 0) {
      Thread calling = Thread.currentThread();
      timer.schedule(
          new TimerTask() {
            @Override
            public void run() {
              result.cancelling();
              calling.interrupt();
            }
          },
          given.cancel_after);
    }
    try {
      result.answered(client.send(request));
      result.ok = true;
    } catch (GatewayException failure) {
      result.failed(failure);
    }
    timer.cancel();
    Thread.interrupted();
  }

  static void stream(LlmGatewayClient client, Given given, StreamSendRequest request, Result result) {
    try (ChatStream stream = client.stream(request)) {
      int read = 0;
      try {
        for (StreamSendResponse event : stream) {
          EventCase kind = event.getEventCase();
          String name = kind == EventCase.EVENT_NOT_SET ? "unknown" : kind.name().toLowerCase();
          if (kind != EventCase.HEARTBEAT
              && (result.events.isEmpty() || !result.events.get(result.events.size() - 1).equals(name))) {
            result.events.add(name);
          }
          if (++read == given.cancel_after) {
            result.cancelling();
            stream.close();
          }
        }
        result.ok = true;
      } catch (GatewayException failure) {
        result.failed(failure);
      }
      result.answered(stream.reply().response());
    }
  }

  static Result play(Given given) throws IOException, InterruptedException {
    Result result = new Result();
    result.id = given.id;
    LlmGatewayClient.Builder builder = LlmGatewayClient.builder(given.address).apiKey(given.api_key);
    if (!given.trace.isEmpty()) {
      builder.propagate(() -> given.trace);
    }
    SendRequest request = SendRequest.parseFrom(Base64.getDecoder().decode(given.request));
    try (LlmGatewayClient connected = builder.build()) {
      LlmGatewayClient client = connected.withMetadata(given.metadata);
      if (given.deadline_ms > 0) {
        client = client.withDeadline(Duration.ofMillis(given.deadline_ms));
      }
      if (given.mode.equals("send")) {
        send(client, given, request, result);
      } else {
        StreamSendRequest.Builder streamed = StreamSendRequest.newBuilder().setRequest(request);
        if (!given.options.isEmpty()) {
          streamed.setOptions(StreamOptions.parseFrom(Base64.getDecoder().decode(given.options)));
        }
        stream(client, given, streamed.build(), result);
      }
    }
    return result;
  }

  public static void main(String[] args) throws IOException, InterruptedException {
    Gson gson = new GsonBuilder().serializeNulls().create();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      out.println(gson.toJson(play(gson.fromJson(line, Given.class))));
    }
  }
}
