package io.llmgateway.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * One interface over many LLM providers. Failures are a gRPC status with google.rpc details and llmgateway.v1.ProviderFailure.
 * The name is the product's; it leads rather than ends in Service.
 * buf:lint:ignore SERVICE_SUFFIX
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class LLMGatewayGrpc {

  private LLMGatewayGrpc() {}

  public static final java.lang.String SERVICE_NAME = "llmgateway.v1.LLMGateway";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.llmgateway.v1.SendRequest,
      io.llmgateway.v1.SendResponse> getSendMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Send",
      requestType = io.llmgateway.v1.SendRequest.class,
      responseType = io.llmgateway.v1.SendResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.v1.SendRequest,
      io.llmgateway.v1.SendResponse> getSendMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.v1.SendRequest, io.llmgateway.v1.SendResponse> getSendMethod;
    if ((getSendMethod = LLMGatewayGrpc.getSendMethod) == null) {
      synchronized (LLMGatewayGrpc.class) {
        if ((getSendMethod = LLMGatewayGrpc.getSendMethod) == null) {
          LLMGatewayGrpc.getSendMethod = getSendMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.v1.SendRequest, io.llmgateway.v1.SendResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Send"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.v1.SendRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.v1.SendResponse.getDefaultInstance()))
              .setSchemaDescriptor(new LLMGatewayMethodDescriptorSupplier("Send"))
              .build();
        }
      }
    }
    return getSendMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.v1.StreamSendRequest,
      io.llmgateway.v1.StreamSendResponse> getStreamSendMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StreamSend",
      requestType = io.llmgateway.v1.StreamSendRequest.class,
      responseType = io.llmgateway.v1.StreamSendResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.llmgateway.v1.StreamSendRequest,
      io.llmgateway.v1.StreamSendResponse> getStreamSendMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.v1.StreamSendRequest, io.llmgateway.v1.StreamSendResponse> getStreamSendMethod;
    if ((getStreamSendMethod = LLMGatewayGrpc.getStreamSendMethod) == null) {
      synchronized (LLMGatewayGrpc.class) {
        if ((getStreamSendMethod = LLMGatewayGrpc.getStreamSendMethod) == null) {
          LLMGatewayGrpc.getStreamSendMethod = getStreamSendMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.v1.StreamSendRequest, io.llmgateway.v1.StreamSendResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StreamSend"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.v1.StreamSendRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.v1.StreamSendResponse.getDefaultInstance()))
              .setSchemaDescriptor(new LLMGatewayMethodDescriptorSupplier("StreamSend"))
              .build();
        }
      }
    }
    return getStreamSendMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.v1.ListModelsRequest,
      io.llmgateway.v1.ListModelsResponse> getListModelsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListModels",
      requestType = io.llmgateway.v1.ListModelsRequest.class,
      responseType = io.llmgateway.v1.ListModelsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.v1.ListModelsRequest,
      io.llmgateway.v1.ListModelsResponse> getListModelsMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.v1.ListModelsRequest, io.llmgateway.v1.ListModelsResponse> getListModelsMethod;
    if ((getListModelsMethod = LLMGatewayGrpc.getListModelsMethod) == null) {
      synchronized (LLMGatewayGrpc.class) {
        if ((getListModelsMethod = LLMGatewayGrpc.getListModelsMethod) == null) {
          LLMGatewayGrpc.getListModelsMethod = getListModelsMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.v1.ListModelsRequest, io.llmgateway.v1.ListModelsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListModels"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.v1.ListModelsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.v1.ListModelsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new LLMGatewayMethodDescriptorSupplier("ListModels"))
              .build();
        }
      }
    }
    return getListModelsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.v1.HealthRequest,
      io.llmgateway.v1.HealthResponse> getHealthMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Health",
      requestType = io.llmgateway.v1.HealthRequest.class,
      responseType = io.llmgateway.v1.HealthResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.v1.HealthRequest,
      io.llmgateway.v1.HealthResponse> getHealthMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.v1.HealthRequest, io.llmgateway.v1.HealthResponse> getHealthMethod;
    if ((getHealthMethod = LLMGatewayGrpc.getHealthMethod) == null) {
      synchronized (LLMGatewayGrpc.class) {
        if ((getHealthMethod = LLMGatewayGrpc.getHealthMethod) == null) {
          LLMGatewayGrpc.getHealthMethod = getHealthMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.v1.HealthRequest, io.llmgateway.v1.HealthResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Health"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.v1.HealthRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.v1.HealthResponse.getDefaultInstance()))
              .setSchemaDescriptor(new LLMGatewayMethodDescriptorSupplier("Health"))
              .build();
        }
      }
    }
    return getHealthMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static LLMGatewayStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<LLMGatewayStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<LLMGatewayStub>() {
        @java.lang.Override
        public LLMGatewayStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new LLMGatewayStub(channel, callOptions);
        }
      };
    return LLMGatewayStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static LLMGatewayBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<LLMGatewayBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<LLMGatewayBlockingV2Stub>() {
        @java.lang.Override
        public LLMGatewayBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new LLMGatewayBlockingV2Stub(channel, callOptions);
        }
      };
    return LLMGatewayBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static LLMGatewayBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<LLMGatewayBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<LLMGatewayBlockingStub>() {
        @java.lang.Override
        public LLMGatewayBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new LLMGatewayBlockingStub(channel, callOptions);
        }
      };
    return LLMGatewayBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static LLMGatewayFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<LLMGatewayFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<LLMGatewayFutureStub>() {
        @java.lang.Override
        public LLMGatewayFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new LLMGatewayFutureStub(channel, callOptions);
        }
      };
    return LLMGatewayFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * One interface over many LLM providers. Failures are a gRPC status with google.rpc details and llmgateway.v1.ProviderFailure.
   * The name is the product's; it leads rather than ends in Service.
   * buf:lint:ignore SERVICE_SUFFIX
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Runs one inference and returns the whole answer. It is the fold of the events that StreamSend would have sent.
     * </pre>
     */
    default void send(io.llmgateway.v1.SendRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.v1.SendResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSendMethod(), responseObserver);
    }

    /**
     * <pre>
     * Runs one inference and streams it as typed events. OK without a completed event means that the stream was cut.
     * </pre>
     */
    default void streamSend(io.llmgateway.v1.StreamSendRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.v1.StreamSendResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStreamSendMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the models that the caller may use.
     * </pre>
     */
    default void listModels(io.llmgateway.v1.ListModelsRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.v1.ListModelsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListModelsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reports the health of the gateway and its providers.
     * </pre>
     */
    default void health(io.llmgateway.v1.HealthRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.v1.HealthResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getHealthMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service LLMGateway.
   * <pre>
   * One interface over many LLM providers. Failures are a gRPC status with google.rpc details and llmgateway.v1.ProviderFailure.
   * The name is the product's; it leads rather than ends in Service.
   * buf:lint:ignore SERVICE_SUFFIX
   * </pre>
   */
  public static abstract class LLMGatewayImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return LLMGatewayGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service LLMGateway.
   * <pre>
   * One interface over many LLM providers. Failures are a gRPC status with google.rpc details and llmgateway.v1.ProviderFailure.
   * The name is the product's; it leads rather than ends in Service.
   * buf:lint:ignore SERVICE_SUFFIX
   * </pre>
   */
  public static final class LLMGatewayStub
      extends io.grpc.stub.AbstractAsyncStub<LLMGatewayStub> {
    private LLMGatewayStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected LLMGatewayStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new LLMGatewayStub(channel, callOptions);
    }

    /**
     * <pre>
     * Runs one inference and returns the whole answer. It is the fold of the events that StreamSend would have sent.
     * </pre>
     */
    public void send(io.llmgateway.v1.SendRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.v1.SendResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSendMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Runs one inference and streams it as typed events. OK without a completed event means that the stream was cut.
     * </pre>
     */
    public void streamSend(io.llmgateway.v1.StreamSendRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.v1.StreamSendResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getStreamSendMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the models that the caller may use.
     * </pre>
     */
    public void listModels(io.llmgateway.v1.ListModelsRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.v1.ListModelsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListModelsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reports the health of the gateway and its providers.
     * </pre>
     */
    public void health(io.llmgateway.v1.HealthRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.v1.HealthResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getHealthMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service LLMGateway.
   * <pre>
   * One interface over many LLM providers. Failures are a gRPC status with google.rpc details and llmgateway.v1.ProviderFailure.
   * The name is the product's; it leads rather than ends in Service.
   * buf:lint:ignore SERVICE_SUFFIX
   * </pre>
   */
  public static final class LLMGatewayBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<LLMGatewayBlockingV2Stub> {
    private LLMGatewayBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected LLMGatewayBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new LLMGatewayBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Runs one inference and returns the whole answer. It is the fold of the events that StreamSend would have sent.
     * </pre>
     */
    public io.llmgateway.v1.SendResponse send(io.llmgateway.v1.SendRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSendMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Runs one inference and streams it as typed events. OK without a completed event means that the stream was cut.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.llmgateway.v1.StreamSendResponse>
        streamSend(io.llmgateway.v1.StreamSendRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getStreamSendMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the models that the caller may use.
     * </pre>
     */
    public io.llmgateway.v1.ListModelsResponse listModels(io.llmgateway.v1.ListModelsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListModelsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reports the health of the gateway and its providers.
     * </pre>
     */
    public io.llmgateway.v1.HealthResponse health(io.llmgateway.v1.HealthRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getHealthMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service LLMGateway.
   * <pre>
   * One interface over many LLM providers. Failures are a gRPC status with google.rpc details and llmgateway.v1.ProviderFailure.
   * The name is the product's; it leads rather than ends in Service.
   * buf:lint:ignore SERVICE_SUFFIX
   * </pre>
   */
  public static final class LLMGatewayBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<LLMGatewayBlockingStub> {
    private LLMGatewayBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected LLMGatewayBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new LLMGatewayBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Runs one inference and returns the whole answer. It is the fold of the events that StreamSend would have sent.
     * </pre>
     */
    public io.llmgateway.v1.SendResponse send(io.llmgateway.v1.SendRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSendMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Runs one inference and streams it as typed events. OK without a completed event means that the stream was cut.
     * </pre>
     */
    public java.util.Iterator<io.llmgateway.v1.StreamSendResponse> streamSend(
        io.llmgateway.v1.StreamSendRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getStreamSendMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the models that the caller may use.
     * </pre>
     */
    public io.llmgateway.v1.ListModelsResponse listModels(io.llmgateway.v1.ListModelsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListModelsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reports the health of the gateway and its providers.
     * </pre>
     */
    public io.llmgateway.v1.HealthResponse health(io.llmgateway.v1.HealthRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getHealthMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service LLMGateway.
   * <pre>
   * One interface over many LLM providers. Failures are a gRPC status with google.rpc details and llmgateway.v1.ProviderFailure.
   * The name is the product's; it leads rather than ends in Service.
   * buf:lint:ignore SERVICE_SUFFIX
   * </pre>
   */
  public static final class LLMGatewayFutureStub
      extends io.grpc.stub.AbstractFutureStub<LLMGatewayFutureStub> {
    private LLMGatewayFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected LLMGatewayFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new LLMGatewayFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Runs one inference and returns the whole answer. It is the fold of the events that StreamSend would have sent.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.v1.SendResponse> send(
        io.llmgateway.v1.SendRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSendMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the models that the caller may use.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.v1.ListModelsResponse> listModels(
        io.llmgateway.v1.ListModelsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListModelsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reports the health of the gateway and its providers.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.v1.HealthResponse> health(
        io.llmgateway.v1.HealthRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getHealthMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_SEND = 0;
  private static final int METHODID_STREAM_SEND = 1;
  private static final int METHODID_LIST_MODELS = 2;
  private static final int METHODID_HEALTH = 3;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_SEND:
          serviceImpl.send((io.llmgateway.v1.SendRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.v1.SendResponse>) responseObserver);
          break;
        case METHODID_STREAM_SEND:
          serviceImpl.streamSend((io.llmgateway.v1.StreamSendRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.v1.StreamSendResponse>) responseObserver);
          break;
        case METHODID_LIST_MODELS:
          serviceImpl.listModels((io.llmgateway.v1.ListModelsRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.v1.ListModelsResponse>) responseObserver);
          break;
        case METHODID_HEALTH:
          serviceImpl.health((io.llmgateway.v1.HealthRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.v1.HealthResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getSendMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.v1.SendRequest,
              io.llmgateway.v1.SendResponse>(
                service, METHODID_SEND)))
        .addMethod(
          getStreamSendMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.llmgateway.v1.StreamSendRequest,
              io.llmgateway.v1.StreamSendResponse>(
                service, METHODID_STREAM_SEND)))
        .addMethod(
          getListModelsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.v1.ListModelsRequest,
              io.llmgateway.v1.ListModelsResponse>(
                service, METHODID_LIST_MODELS)))
        .addMethod(
          getHealthMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.v1.HealthRequest,
              io.llmgateway.v1.HealthResponse>(
                service, METHODID_HEALTH)))
        .build();
  }

  private static abstract class LLMGatewayBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    LLMGatewayBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.llmgateway.v1.Gateway.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("LLMGateway");
    }
  }

  private static final class LLMGatewayFileDescriptorSupplier
      extends LLMGatewayBaseDescriptorSupplier {
    LLMGatewayFileDescriptorSupplier() {}
  }

  private static final class LLMGatewayMethodDescriptorSupplier
      extends LLMGatewayBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    LLMGatewayMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (LLMGatewayGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new LLMGatewayFileDescriptorSupplier())
              .addMethod(getSendMethod())
              .addMethod(getStreamSendMethod())
              .addMethod(getListModelsMethod())
              .addMethod(getHealthMethod())
              .build();
        }
      }
    }
    return result;
  }
}
