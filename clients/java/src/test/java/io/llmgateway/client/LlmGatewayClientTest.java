package io.llmgateway.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.llmgateway.admin.v1.GetProviderRequest;
import io.llmgateway.admin.v1.GetProviderResponse;
import io.llmgateway.admin.v1.Provider;
import io.llmgateway.admin.v1.ProviderServiceGrpc;
import io.llmgateway.v1.HealthRequest;
import io.llmgateway.v1.HealthResponse;
import io.llmgateway.v1.LLMGatewayGrpc;
import io.llmgateway.v1.Part;
import io.llmgateway.v1.PartDelta;
import io.llmgateway.v1.PartStarted;
import io.llmgateway.v1.SendRequest;
import io.llmgateway.v1.StreamCompleted;
import io.llmgateway.v1.StreamSendRequest;
import io.llmgateway.v1.StreamSendResponse;
import io.llmgateway.v1.TextPart;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The client against a scripted server; the conversations of tests/conformance cover the rest. */
class LlmGatewayClientTest {
  /** Streams two pieces of text; the model says how it ends. */
  private static final class Scripted extends LLMGatewayGrpc.LLMGatewayImplBase {
    final CountDownLatch cancelled = new CountDownLatch(1);

    @Override
    public void streamSend(StreamSendRequest request, StreamObserver<StreamSendResponse> answer) {
      ((ServerCallStreamObserver<StreamSendResponse>) answer).setOnCancelHandler(cancelled::countDown);
      answer.onNext(
          StreamSendResponse.newBuilder()
              .setPartStarted(PartStarted.newBuilder().setPart(Part.newBuilder().setText(TextPart.getDefaultInstance())))
              .build());
      for (String text : List.of("one ", "two")) {
        answer.onNext(
            StreamSendResponse.newBuilder().setPartDelta(PartDelta.newBuilder().setText(text)).build());
      }
      switch (request.getRequest().getModel()) {
        case "whole" -> {
          answer.onNext(
              StreamSendResponse.newBuilder().setCompleted(StreamCompleted.getDefaultInstance()).build());
          answer.onCompleted();
        }
        case "cut" -> answer.onCompleted();
        default -> {}
      }
    }

    @Override
    public void health(HealthRequest request, StreamObserver<HealthResponse> answer) {}
  }

  /** Answers with the key that it was called with. */
  private static final class Providers extends ProviderServiceGrpc.ProviderServiceImplBase {
    @Override
    public void getProvider(GetProviderRequest request, StreamObserver<GetProviderResponse> answer) {
      Provider provider = Provider.newBuilder().setName(request.getName()).setKind(String.valueOf(KEY.get())).build();
      answer.onNext(GetProviderResponse.newBuilder().setProvider(provider).build());
      answer.onCompleted();
    }
  }

  private static final Context.Key<String> KEY = Context.key("authorization");

  private static final ServerInterceptor KEYS =
      new ServerInterceptor() {
        @Override
        public <Q, R> ServerCall.Listener<Q> interceptCall(ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
          String key = headers.get(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER));
          return Contexts.interceptCall(Context.current().withValue(KEY, key), call, headers, next);
        }
      };

  private final Scripted scripted = new Scripted();
  private Server server;
  private LlmGatewayClient gateway;

  @BeforeEach
  void start() throws IOException {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .addService(scripted)
            .addService(new Providers())
            .intercept(KEYS)
            .build()
            .start();
    gateway = LlmGatewayClient.builder("127.0.0.1:" + server.getPort()).build();
  }

  @AfterEach
  void stop() {
    gateway.close();
    server.shutdownNow();
  }

  /** Stubs of the administration go over a client's channel, with its key. */
  @Test
  void administrationGoesOverTheChannel() {
    try (LlmGatewayClient admin = LlmGatewayClient.builder("127.0.0.1:" + server.getPort()).apiKey("k1").build()) {
      Provider provider =
          ProviderServiceGrpc.newBlockingStub(admin.channel())
              .getProvider(GetProviderRequest.newBuilder().setName("providers/edge").build())
              .getProvider();
      assertEquals("providers/edge", provider.getName());
      assertEquals("Bearer k1", provider.getKind());
    }
  }

  private static StreamSendRequest asking(String model) {
    return StreamSendRequest.newBuilder().setRequest(SendRequest.newBuilder().setModel(model)).build();
  }

  private static final class Recorded implements StreamObserver<StreamSendResponse> {
    final List<StreamSendResponse> events = new ArrayList<>();
    final CompletableFuture<Throwable> end = new CompletableFuture<>();

    @Override
    public void onNext(StreamSendResponse event) {
      events.add(event);
    }

    @Override
    public void onError(Throwable failure) {
      end.complete(failure);
    }

    @Override
    public void onCompleted() {
      end.complete(null);
    }
  }

  /** The text of a stream comes in pieces, and the whole answer afterwards. */
  @Test
  void streamsText() {
    try (ChatStream stream = gateway.stream(asking("whole"))) {
      List<String> pieces = new ArrayList<>();
      stream.text().forEach(pieces::add);
      assertEquals(List.of("one ", "two"), pieces);
      assertEquals("one two", stream.reply().text());
    }
  }

  /** A stream that is cut fails each time it is asked. */
  @Test
  void cutStreamFails() {
    try (ChatStream stream = gateway.stream(asking("cut"))) {
      assertThrows(StreamTruncatedException.class, () -> stream.forEach(event -> {}));
      assertThrows(StreamTruncatedException.class, stream::hasNext);
      assertEquals("one two", stream.reply().text());
    }
  }

  /** Closing a stream cancels the call at the server, and ends the reading of it. */
  @Test
  void closingCancels() throws InterruptedException {
    ChatStream stream = gateway.stream(asking("endless"));
    assertTrue(stream.next().hasPartStarted());
    stream.close();
    assertTrue(scripted.cancelled.await(10, TimeUnit.SECONDS));
    GatewayException failure = assertThrows(GatewayException.class, () -> stream.forEach(event -> {}));
    assertEquals(Status.Code.CANCELLED, failure.getCode());
  }

  /** An observer gets the events and one end, which is an error when the stream is cut or cancelled. */
  @Test
  void observersGetEvents() throws Exception {
    Recorded whole = new Recorded();
    gateway.stream(asking("whole"), whole);
    assertEquals(null, whole.end.get(10, TimeUnit.SECONDS));
    assertEquals(4, whole.events.size());

    Recorded cut = new Recorded();
    gateway.stream(asking("cut"), cut);
    assertInstanceOf(StreamTruncatedException.class, cut.end.get(10, TimeUnit.SECONDS));

    Recorded cancelled = new Recorded();
    gateway.stream(asking("endless"), cancelled).close();
    Throwable failure = cancelled.end.get(10, TimeUnit.SECONDS);
    assertEquals(Status.Code.CANCELLED, assertInstanceOf(GatewayException.class, failure).getCode());
  }

  /** The deadline is kept where the gateway does not answer. */
  @Test
  void deadlinesAreKept() {
    GatewayException failure =
        assertThrows(GatewayException.class, () -> gateway.withDeadline(Duration.ofMillis(50)).health());
    assertEquals(Status.Code.DEADLINE_EXCEEDED, failure.getCode());
  }

  /** A key goes in plaintext to this machine only, unless the program insists. */
  @Test
  void keysStayOnThisMachine() {
    for (String address : List.of("127.0.0.1:1", "localhost:1", "[::1]:1", "dns:///localhost:1", "unix:/run/gateway.sock")) {
      LlmGatewayClient.builder(address).apiKey("k").build().close();
    }
    for (String address : List.of("gateway.example:1", "localhost.example:1", "dns://gateway.example/localhost:1", "[::2]:1")) {
      LlmGatewayClient.Builder builder = LlmGatewayClient.builder(address).apiKey("k");
      assertTrue(assertThrows(IllegalArgumentException.class, builder::build).getMessage().contains("plaintext"));
      LlmGatewayClient.builder(address).build().close();
    }
    LlmGatewayClient.builder("gateway.example:1").apiKey("k").insecure().build().close();
    LlmGatewayClient.builder("gateway.example:1").apiKey("k").tls().build().close();
    LlmGatewayClient.Builder wrong = LlmGatewayClient.builder("127.0.0.1:1").apiKey("k\n");
    assertTrue(assertThrows(IllegalArgumentException.class, wrong::build).getMessage().contains("HTTP headers"));
  }
}
