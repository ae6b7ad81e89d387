package io.llmgateway.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import io.llmgateway.v1.HealthRequest;
import io.llmgateway.v1.HealthResponse;
import io.llmgateway.v1.LLMGatewayGrpc;
import io.llmgateway.v1.ListModelsRequest;
import io.llmgateway.v1.ListModelsResponse;
import io.llmgateway.v1.Message;
import io.llmgateway.v1.Model;
import io.llmgateway.v1.SendRequest;
import io.llmgateway.v1.SendResponse;
import io.llmgateway.v1.StreamSendRequest;
import io.llmgateway.v1.StreamSendResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.regex.Pattern;

/**
 * A connection to a gateway, for any number of threads.
 *
 * <p>Its calls throw {@link GatewayException} when they fail. They block; interrupting the thread cancels a call, and so does cancelling the
 * {@link Context} that it was made in.
 */
public final class LlmGatewayClient implements AutoCloseable {
  /** Where a gateway listens by default. */
  public static final String DEFAULT_ADDRESS = "127.0.0.1:50051";

  /** Where the administration of a gateway listens by default. */
  public static final String DEFAULT_ADMIN_ADDRESS = "127.0.0.1:50052";

  /** The deadline of a call, unless the client has another. Long answers take minutes. */
  public static final Duration DEFAULT_DEADLINE = Duration.ofSeconds(600);

  /** The size of the largest message that is received; images come inline. */
  public static final int MAX_MESSAGE_BYTES = 64 << 20;

  // UNAVAILABLE, and what a gateway that stops says of a call it never saw (gRPC's server, CANCELLED): every other code says that the same
  // call would fail again or would be billed twice. A call that its own caller cancels is over. A stream is retried only until its headers
  // arrive (gRFC A6); the gateway sends them with its first event. Numbers of a service config are doubles.
  private static final Map<String, ?> SERVICE_CONFIG =
      Map.of(
          "methodConfig",
          List.of(
              Map.of(
                  "name",
                  List.of(Map.of("service", LLMGatewayGrpc.SERVICE_NAME)),
                  "retryPolicy",
                  Map.of(
                      "maxAttempts", 3.0,
                      "initialBackoff", "0.2s",
                      "maxBackoff", "5s",
                      "backoffMultiplier", 2.0,
                      "retryableStatusCodes", List.of("UNAVAILABLE", "CANCELLED")))),
          "retryThrottling",
          Map.of("maxTokens", 10.0, "tokenRatio", 0.1));

  private final ManagedChannel connection;
  private final Channel channel;
  private final Duration deadline;

  private LlmGatewayClient(ManagedChannel connection, Channel channel, Duration deadline) {
    this.connection = connection;
    this.channel = channel;
    this.deadline = deadline;
  }

  /**
   * Settings of a client.
   *
   * @param address a gRPC target, such as {@code gateway.example:443} or {@code unix:///run/gateway.sock}
   * @return the settings, to be changed and built
   */
  public static Builder builder(String address) {
    return new Builder(address);
  }

  /**
   * The connection with this client's key and metadata, for the stubs of other services: those of {@code io.llmgateway.admin.v1}, where the client
   * was made for {@link #DEFAULT_ADMIN_ADDRESS} and has a key of the administration. Deadlines are the stubs' own; their failures are gRPC's, and
   * {@link GatewayException#of} reads them.
   *
   * @return the channel, which closes with this client
   */
  public Channel channel() {
    return channel;
  }

  /**
   * The same client with another deadline for its calls, which covers all tries and the whole of a stream. It shares the connection.
   *
   * @param deadline how long a call may take
   * @return the other client
   */
  public LlmGatewayClient withDeadline(Duration deadline) {
    return new LlmGatewayClient(connection, channel, deadline);
  }

  /**
   * The same client, sending this along with its calls. It shares the connection.
   *
   * @param metadata gRPC metadata in ASCII
   * @return the other client
   */
  public LlmGatewayClient withMetadata(Map<String, String> metadata) {
    return new LlmGatewayClient(
        connection, ClientInterceptors.intercept(channel, adding(() -> metadata)), deadline);
  }

  /**
   * Asks a model, and waits for the whole answer. For sampling, tools and the rest build a request, and {@link #send} it.
   *
   * @param model the model; empty is the gateway's default
   * @param turns the conversation
   * @return the answer
   */
  public ChatReply chat(String model, Message... turns) {
    return new ChatReply(send(SendRequest.newBuilder().setModel(model).addAllMessages(List.of(turns)).build()));
  }

  /**
   * The RPC {@code Send}: one inference, answered as a whole.
   *
   * @param request the inference
   * @return the answer
   */
  public SendResponse send(SendRequest request) {
    return call(LLMGatewayGrpc.getSendMethod(), request);
  }

  /**
   * The RPC {@code StreamSend} with the default options.
   *
   * @param request the inference
   * @return the answer, to be read and closed
   */
  public ChatStream stream(SendRequest request) {
    return stream(StreamSendRequest.newBuilder().setRequest(request).build());
  }

  /**
   * The RPC {@code StreamSend}: one inference, answered as events. The call starts now; its failure is thrown where the stream is read.
   *
   * @param request the inference and how to stream it
   * @return the answer, to be read and closed
   */
  public ChatStream stream(StreamSendRequest request) {
    return new ChatStream(
        () ->
            ClientCalls.blockingServerStreamingCall(
                channel, LLMGatewayGrpc.getStreamSendMethod(), options(), request));
  }

  /**
   * The RPC {@code StreamSend} without a thread that waits. Fold the events by an {@link Accumulator} if the whole answer is wanted.
   *
   * @param request the inference and how to stream it
   * @param observer gets the events, then either {@code onCompleted} after a whole answer or {@code onError} with a {@link GatewayException}
   * @return close it to cancel the call, and with it the provider's work
   */
  public Context.CancellableContext stream(StreamSendRequest request, StreamObserver<StreamSendResponse> observer) {
    Context.CancellableContext context = Context.current().withCancellation();
    context.run(
        () ->
            ClientCalls.asyncServerStreamingCall(
                channel.newCall(LLMGatewayGrpc.getStreamSendMethod(), options()),
                request,
                new Ending(observer, context)));
    return context;
  }

  /**
   * The models that the caller may use.
   *
   * @return models of all pages
   */
  public ModelList listModels() {
    return listModels(ListModelsRequest.getDefaultInstance());
  }

  /**
   * The models that the caller may use and that the request asks for.
   *
   * @param request which models
   * @return models of all pages from the request's on
   */
  public ModelList listModels(ListModelsRequest request) {
    List<Model> models = new ArrayList<>();
    Set<String> unreachable = new LinkedHashSet<>();
    ListModelsResponse page = call(LLMGatewayGrpc.getListModelsMethod(), request);
    while (true) {
      models.addAll(page.getModelsList());
      page.getUnreachableList().forEach(name -> unreachable.add(name.replaceFirst("^providers/", "")));
      if (page.getNextPageToken().isEmpty()) {
        return new ModelList(List.copyOf(models), List.copyOf(unreachable));
      }
      page =
          call(
              LLMGatewayGrpc.getListModelsMethod(),
              request.toBuilder().setPageToken(page.getNextPageToken()).build());
    }
  }

  /**
   * The health of the gateway and all its providers, as last seen.
   *
   * @return the health in detail
   */
  public HealthResponse health() {
    return health(HealthRequest.getDefaultInstance());
  }

  /**
   * The RPC {@code Health}.
   *
   * @param request what to report
   * @return the health in detail
   */
  public HealthResponse health(HealthRequest request) {
    return call(LLMGatewayGrpc.getHealthMethod(), request);
  }

  /** Closes the connection; calls in flight are cancelled. */
  @Override
  public void close() {
    connection.shutdownNow();
  }

  private <Q, R> R call(MethodDescriptor<Q, R> method, Q request) {
    try {
      return ClientCalls.blockingUnaryCall(channel, method, options(), request);
    } catch (StatusRuntimeException failed) {
      throw GatewayException.of(failed);
    }
  }

  private CallOptions options() {
    return deadline == null
        ? CallOptions.DEFAULT
        : CallOptions.DEFAULT.withDeadlineAfter(deadline.toNanos(), TimeUnit.NANOSECONDS);
  }

  private static ClientInterceptor adding(Supplier<Map<String, String>> metadata) {
    return new ClientInterceptor() {
      @Override
      public <Q, R> ClientCall<Q, R> interceptCall(MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
          @Override
          public void start(Listener<R> listener, Metadata headers) {
            metadata.get().forEach((name, value) -> headers.put(key(name), value));
            super.start(listener, headers);
          }
        };
      }
    };
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name.toLowerCase(Locale.ROOT), Metadata.ASCII_STRING_MARSHALLER);
  }

  /** Passes events on, and ends with what the client has to say of the end. */
  private static final class Ending implements StreamObserver<StreamSendResponse> {
    private final StreamObserver<StreamSendResponse> observer;
    private final Context.CancellableContext context;
    private boolean finished;

    Ending(StreamObserver<StreamSendResponse> observer, Context.CancellableContext context) {
      this.observer = observer;
      this.context = context;
    }

    @Override
    public void onNext(StreamSendResponse event) {
      finished |= event.hasCompleted();
      observer.onNext(event);
    }

    @Override
    public void onError(Throwable failure) {
      context.close();
      observer.onError(GatewayException.of(failure));
    }

    @Override
    public void onCompleted() {
      context.close();
      if (finished) {
        observer.onCompleted();
      } else {
        observer.onError(new StreamTruncatedException());
      }
    }
  }

  /** Settings of a client. */
  public static final class Builder {
    // What surely stays on this machine.
    private static final Pattern LOCAL =
        Pattern.compile("unix:.*|(dns:(///)?)?(localhost|127(\\.\\d{1,3}){3}|::1|\\[::1])(:\\d+)?");

    private final String address;
    private String apiKey = "";
    private ChannelCredentials credentials;
    private boolean insecure;
    private Duration deadline = DEFAULT_DEADLINE;
    private Supplier<Map<String, String>> propagate;
    private Consumer<ManagedChannelBuilder<?>> change = channel -> {};

    private Builder(String address) {
      this.address = address;
    }

    /**
     * Sends this key as {@code authorization: Bearer}. Over plaintext it goes to this machine only, see {@link #insecure}.
     *
     * @param key the key; empty or null is none
     * @return this
     */
    public Builder apiKey(String key) {
      apiKey = key == null ? "" : key;
      return this;
    }

    /**
     * Speaks TLS, and trusts what the Java runtime trusts.
     *
     * @return this
     */
    public Builder tls() {
      return tls(TlsChannelCredentials.create());
    }

    /**
     * Speaks TLS with trust of your own, or with a client certificate (mTLS).
     *
     * @param credentials made by {@link TlsChannelCredentials#newBuilder}, say
     * @return this
     */
    public Builder tls(ChannelCredentials credentials) {
      this.credentials = credentials;
      return this;
    }

    /**
     * Allows to send the key in plaintext to another machine, on a network that you trust.
     *
     * @return this
     */
    public Builder insecure() {
      insecure = true;
      return this;
    }

    /**
     * The deadline of each call in place of {@link #DEFAULT_DEADLINE}.
     *
     * @param deadline how long a call may take; null is no deadline
     * @return this
     */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /**
     * Adds metadata to each call, such as {@code traceparent}. With OpenTelemetry: {@code () -> { Map<String, String> carrier = new HashMap<>();
     * openTelemetry.getPropagators().getTextMapPropagator().inject(Context.current(), carrier, Map::put); return carrier; }}
     *
     * @param propagate returns the metadata; it is called by the thread that makes the call
     * @return this
     */
    public Builder propagate(Supplier<Map<String, String>> propagate) {
      this.propagate = propagate;
      return this;
    }

    /**
     * Changes options of the channel, such as keepalive and message size, after the client has set its own.
     *
     * @param change what to change
     * @return this
     */
    public Builder channel(Consumer<ManagedChannelBuilder<?>> change) {
      this.change = change;
      return this;
    }

    /**
     * The client, which connects with its first call.
     *
     * @return the client
     * @throws IllegalArgumentException when settings contradict each other
     */
    public LlmGatewayClient build() {
      if (!apiKey.chars().allMatch(character -> character >= ' ' && character <= '~')) {
        throw new IllegalArgumentException("the API key has a character that HTTP headers cannot carry");
      }
      boolean local = LOCAL.matcher(address).matches();
      if (!apiKey.isEmpty() && credentials == null && !insecure && !local) {
        throw new IllegalArgumentException(
            "refusing to send the API key in plaintext to " + address + ": use tls(), or insecure() on a network you trust");
      }
      ManagedChannelBuilder<?> builder =
          Grpc.newChannelBuilder(address, credentials == null ? InsecureChannelCredentials.create() : credentials)
              .defaultServiceConfig(SERVICE_CONFIG)
              .enableRetry()
              .maxInboundMessageSize(MAX_MESSAGE_BYTES)
              // A model may think for minutes without a byte; pings find a dead path meanwhile.
              .keepAliveTime(60, TimeUnit.SECONDS)
              .keepAliveTimeout(20, TimeUnit.SECONDS)
              .userAgent("llmgateway-java");
      if (local) {
        builder.proxyDetector(target -> null); // a proxy named by the environment has no business on this machine
      }
      change.accept(builder);
      ManagedChannel connection = builder.build();
      List<ClientInterceptor> interceptors = new ArrayList<>();
      if (!apiKey.isEmpty()) {
        Map<String, String> authorization = Map.of("authorization", "Bearer " + apiKey);
        interceptors.add(adding(() -> authorization));
      }
      if (propagate != null) {
        interceptors.add(adding(propagate));
      }
      return new LlmGatewayClient(connection, ClientInterceptors.intercept(connection, interceptors), deadline);
    }
  }
}
