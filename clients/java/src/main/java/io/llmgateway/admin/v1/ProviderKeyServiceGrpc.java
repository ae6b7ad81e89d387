package io.llmgateway.admin.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * The keys of providers that were set at run time, of the file's providers too. Where a provider has any, they are used in place of the file's.
 * Without `store` and its master key the changing methods answer FAILED_PRECONDITION; while the store cannot be reached, UNAVAILABLE.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class ProviderKeyServiceGrpc {

  private ProviderKeyServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "llmgateway.admin.v1.ProviderKeyService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.AddProviderKeyRequest,
      io.llmgateway.admin.v1.AddProviderKeyResponse> getAddProviderKeyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "AddProviderKey",
      requestType = io.llmgateway.admin.v1.AddProviderKeyRequest.class,
      responseType = io.llmgateway.admin.v1.AddProviderKeyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.AddProviderKeyRequest,
      io.llmgateway.admin.v1.AddProviderKeyResponse> getAddProviderKeyMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.AddProviderKeyRequest, io.llmgateway.admin.v1.AddProviderKeyResponse> getAddProviderKeyMethod;
    if ((getAddProviderKeyMethod = ProviderKeyServiceGrpc.getAddProviderKeyMethod) == null) {
      synchronized (ProviderKeyServiceGrpc.class) {
        if ((getAddProviderKeyMethod = ProviderKeyServiceGrpc.getAddProviderKeyMethod) == null) {
          ProviderKeyServiceGrpc.getAddProviderKeyMethod = getAddProviderKeyMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.AddProviderKeyRequest, io.llmgateway.admin.v1.AddProviderKeyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "AddProviderKey"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.AddProviderKeyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.AddProviderKeyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderKeyServiceMethodDescriptorSupplier("AddProviderKey"))
              .build();
        }
      }
    }
    return getAddProviderKeyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListProviderKeysRequest,
      io.llmgateway.admin.v1.ListProviderKeysResponse> getListProviderKeysMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListProviderKeys",
      requestType = io.llmgateway.admin.v1.ListProviderKeysRequest.class,
      responseType = io.llmgateway.admin.v1.ListProviderKeysResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListProviderKeysRequest,
      io.llmgateway.admin.v1.ListProviderKeysResponse> getListProviderKeysMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListProviderKeysRequest, io.llmgateway.admin.v1.ListProviderKeysResponse> getListProviderKeysMethod;
    if ((getListProviderKeysMethod = ProviderKeyServiceGrpc.getListProviderKeysMethod) == null) {
      synchronized (ProviderKeyServiceGrpc.class) {
        if ((getListProviderKeysMethod = ProviderKeyServiceGrpc.getListProviderKeysMethod) == null) {
          ProviderKeyServiceGrpc.getListProviderKeysMethod = getListProviderKeysMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.ListProviderKeysRequest, io.llmgateway.admin.v1.ListProviderKeysResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListProviderKeys"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ListProviderKeysRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ListProviderKeysResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderKeyServiceMethodDescriptorSupplier("ListProviderKeys"))
              .build();
        }
      }
    }
    return getListProviderKeysMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.RotateProviderKeyRequest,
      io.llmgateway.admin.v1.RotateProviderKeyResponse> getRotateProviderKeyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RotateProviderKey",
      requestType = io.llmgateway.admin.v1.RotateProviderKeyRequest.class,
      responseType = io.llmgateway.admin.v1.RotateProviderKeyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.RotateProviderKeyRequest,
      io.llmgateway.admin.v1.RotateProviderKeyResponse> getRotateProviderKeyMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.RotateProviderKeyRequest, io.llmgateway.admin.v1.RotateProviderKeyResponse> getRotateProviderKeyMethod;
    if ((getRotateProviderKeyMethod = ProviderKeyServiceGrpc.getRotateProviderKeyMethod) == null) {
      synchronized (ProviderKeyServiceGrpc.class) {
        if ((getRotateProviderKeyMethod = ProviderKeyServiceGrpc.getRotateProviderKeyMethod) == null) {
          ProviderKeyServiceGrpc.getRotateProviderKeyMethod = getRotateProviderKeyMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.RotateProviderKeyRequest, io.llmgateway.admin.v1.RotateProviderKeyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RotateProviderKey"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.RotateProviderKeyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.RotateProviderKeyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderKeyServiceMethodDescriptorSupplier("RotateProviderKey"))
              .build();
        }
      }
    }
    return getRotateProviderKeyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.RemoveProviderKeyRequest,
      io.llmgateway.admin.v1.RemoveProviderKeyResponse> getRemoveProviderKeyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RemoveProviderKey",
      requestType = io.llmgateway.admin.v1.RemoveProviderKeyRequest.class,
      responseType = io.llmgateway.admin.v1.RemoveProviderKeyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.RemoveProviderKeyRequest,
      io.llmgateway.admin.v1.RemoveProviderKeyResponse> getRemoveProviderKeyMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.RemoveProviderKeyRequest, io.llmgateway.admin.v1.RemoveProviderKeyResponse> getRemoveProviderKeyMethod;
    if ((getRemoveProviderKeyMethod = ProviderKeyServiceGrpc.getRemoveProviderKeyMethod) == null) {
      synchronized (ProviderKeyServiceGrpc.class) {
        if ((getRemoveProviderKeyMethod = ProviderKeyServiceGrpc.getRemoveProviderKeyMethod) == null) {
          ProviderKeyServiceGrpc.getRemoveProviderKeyMethod = getRemoveProviderKeyMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.RemoveProviderKeyRequest, io.llmgateway.admin.v1.RemoveProviderKeyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RemoveProviderKey"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.RemoveProviderKeyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.RemoveProviderKeyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderKeyServiceMethodDescriptorSupplier("RemoveProviderKey"))
              .build();
        }
      }
    }
    return getRemoveProviderKeyMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static ProviderKeyServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ProviderKeyServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ProviderKeyServiceStub>() {
        @java.lang.Override
        public ProviderKeyServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ProviderKeyServiceStub(channel, callOptions);
        }
      };
    return ProviderKeyServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static ProviderKeyServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ProviderKeyServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ProviderKeyServiceBlockingV2Stub>() {
        @java.lang.Override
        public ProviderKeyServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ProviderKeyServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return ProviderKeyServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static ProviderKeyServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ProviderKeyServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ProviderKeyServiceBlockingStub>() {
        @java.lang.Override
        public ProviderKeyServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ProviderKeyServiceBlockingStub(channel, callOptions);
        }
      };
    return ProviderKeyServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static ProviderKeyServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ProviderKeyServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ProviderKeyServiceFutureStub>() {
        @java.lang.Override
        public ProviderKeyServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ProviderKeyServiceFutureStub(channel, callOptions);
        }
      };
    return ProviderKeyServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * The keys of providers that were set at run time, of the file's providers too. Where a provider has any, they are used in place of the file's.
   * Without `store` and its master key the changing methods answer FAILED_PRECONDITION; while the store cannot be reached, UNAVAILABLE.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Adds a key to a provider, beside those it has here. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    default void addProviderKey(io.llmgateway.admin.v1.AddProviderKeyRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.AddProviderKeyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getAddProviderKeyMethod(), responseObserver);
    }

    /**
     * <pre>
     * A provider's keys, by name.
     * </pre>
     */
    default void listProviderKeys(io.llmgateway.admin.v1.ListProviderKeysRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListProviderKeysResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListProviderKeysMethod(), responseObserver);
    }

    /**
     * <pre>
     * Puts a new key in the place of one. The old one is used beside it until the overlap is over, as NAME.old.
     * </pre>
     */
    default void rotateProviderKey(io.llmgateway.admin.v1.RotateProviderKeyRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.RotateProviderKeyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRotateProviderKeyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Takes a key away. After a provider's last one the file's are used again; FAILED_PRECONDITION where it has none and needs one.
     * </pre>
     */
    default void removeProviderKey(io.llmgateway.admin.v1.RemoveProviderKeyRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.RemoveProviderKeyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRemoveProviderKeyMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service ProviderKeyService.
   * <pre>
   * The keys of providers that were set at run time, of the file's providers too. Where a provider has any, they are used in place of the file's.
   * Without `store` and its master key the changing methods answer FAILED_PRECONDITION; while the store cannot be reached, UNAVAILABLE.
   * </pre>
   */
  public static abstract class ProviderKeyServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return ProviderKeyServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service ProviderKeyService.
   * <pre>
   * The keys of providers that were set at run time, of the file's providers too. Where a provider has any, they are used in place of the file's.
   * Without `store` and its master key the changing methods answer FAILED_PRECONDITION; while the store cannot be reached, UNAVAILABLE.
   * </pre>
   */
  public static final class ProviderKeyServiceStub
      extends io.grpc.stub.AbstractAsyncStub<ProviderKeyServiceStub> {
    private ProviderKeyServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ProviderKeyServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ProviderKeyServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Adds a key to a provider, beside those it has here. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public void addProviderKey(io.llmgateway.admin.v1.AddProviderKeyRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.AddProviderKeyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getAddProviderKeyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * A provider's keys, by name.
     * </pre>
     */
    public void listProviderKeys(io.llmgateway.admin.v1.ListProviderKeysRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListProviderKeysResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListProviderKeysMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Puts a new key in the place of one. The old one is used beside it until the overlap is over, as NAME.old.
     * </pre>
     */
    public void rotateProviderKey(io.llmgateway.admin.v1.RotateProviderKeyRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.RotateProviderKeyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRotateProviderKeyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Takes a key away. After a provider's last one the file's are used again; FAILED_PRECONDITION where it has none and needs one.
     * </pre>
     */
    public void removeProviderKey(io.llmgateway.admin.v1.RemoveProviderKeyRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.RemoveProviderKeyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRemoveProviderKeyMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service ProviderKeyService.
   * <pre>
   * The keys of providers that were set at run time, of the file's providers too. Where a provider has any, they are used in place of the file's.
   * Without `store` and its master key the changing methods answer FAILED_PRECONDITION; while the store cannot be reached, UNAVAILABLE.
   * </pre>
   */
  public static final class ProviderKeyServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<ProviderKeyServiceBlockingV2Stub> {
    private ProviderKeyServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ProviderKeyServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ProviderKeyServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Adds a key to a provider, beside those it has here. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public io.llmgateway.admin.v1.AddProviderKeyResponse addProviderKey(io.llmgateway.admin.v1.AddProviderKeyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getAddProviderKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * A provider's keys, by name.
     * </pre>
     */
    public io.llmgateway.admin.v1.ListProviderKeysResponse listProviderKeys(io.llmgateway.admin.v1.ListProviderKeysRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListProviderKeysMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Puts a new key in the place of one. The old one is used beside it until the overlap is over, as NAME.old.
     * </pre>
     */
    public io.llmgateway.admin.v1.RotateProviderKeyResponse rotateProviderKey(io.llmgateway.admin.v1.RotateProviderKeyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRotateProviderKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Takes a key away. After a provider's last one the file's are used again; FAILED_PRECONDITION where it has none and needs one.
     * </pre>
     */
    public io.llmgateway.admin.v1.RemoveProviderKeyResponse removeProviderKey(io.llmgateway.admin.v1.RemoveProviderKeyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRemoveProviderKeyMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service ProviderKeyService.
   * <pre>
   * The keys of providers that were set at run time, of the file's providers too. Where a provider has any, they are used in place of the file's.
   * Without `store` and its master key the changing methods answer FAILED_PRECONDITION; while the store cannot be reached, UNAVAILABLE.
   * </pre>
   */
  public static final class ProviderKeyServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<ProviderKeyServiceBlockingStub> {
    private ProviderKeyServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ProviderKeyServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ProviderKeyServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Adds a key to a provider, beside those it has here. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public io.llmgateway.admin.v1.AddProviderKeyResponse addProviderKey(io.llmgateway.admin.v1.AddProviderKeyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getAddProviderKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * A provider's keys, by name.
     * </pre>
     */
    public io.llmgateway.admin.v1.ListProviderKeysResponse listProviderKeys(io.llmgateway.admin.v1.ListProviderKeysRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListProviderKeysMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Puts a new key in the place of one. The old one is used beside it until the overlap is over, as NAME.old.
     * </pre>
     */
    public io.llmgateway.admin.v1.RotateProviderKeyResponse rotateProviderKey(io.llmgateway.admin.v1.RotateProviderKeyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRotateProviderKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Takes a key away. After a provider's last one the file's are used again; FAILED_PRECONDITION where it has none and needs one.
     * </pre>
     */
    public io.llmgateway.admin.v1.RemoveProviderKeyResponse removeProviderKey(io.llmgateway.admin.v1.RemoveProviderKeyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRemoveProviderKeyMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service ProviderKeyService.
   * <pre>
   * The keys of providers that were set at run time, of the file's providers too. Where a provider has any, they are used in place of the file's.
   * Without `store` and its master key the changing methods answer FAILED_PRECONDITION; while the store cannot be reached, UNAVAILABLE.
   * </pre>
   */
  public static final class ProviderKeyServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<ProviderKeyServiceFutureStub> {
    private ProviderKeyServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ProviderKeyServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ProviderKeyServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Adds a key to a provider, beside those it has here. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.AddProviderKeyResponse> addProviderKey(
        io.llmgateway.admin.v1.AddProviderKeyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getAddProviderKeyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * A provider's keys, by name.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.ListProviderKeysResponse> listProviderKeys(
        io.llmgateway.admin.v1.ListProviderKeysRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListProviderKeysMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Puts a new key in the place of one. The old one is used beside it until the overlap is over, as NAME.old.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.RotateProviderKeyResponse> rotateProviderKey(
        io.llmgateway.admin.v1.RotateProviderKeyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRotateProviderKeyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Takes a key away. After a provider's last one the file's are used again; FAILED_PRECONDITION where it has none and needs one.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.RemoveProviderKeyResponse> removeProviderKey(
        io.llmgateway.admin.v1.RemoveProviderKeyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRemoveProviderKeyMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_ADD_PROVIDER_KEY = 0;
  private static final int METHODID_LIST_PROVIDER_KEYS = 1;
  private static final int METHODID_ROTATE_PROVIDER_KEY = 2;
  private static final int METHODID_REMOVE_PROVIDER_KEY = 3;

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
        case METHODID_ADD_PROVIDER_KEY:
          serviceImpl.addProviderKey((io.llmgateway.admin.v1.AddProviderKeyRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.AddProviderKeyResponse>) responseObserver);
          break;
        case METHODID_LIST_PROVIDER_KEYS:
          serviceImpl.listProviderKeys((io.llmgateway.admin.v1.ListProviderKeysRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListProviderKeysResponse>) responseObserver);
          break;
        case METHODID_ROTATE_PROVIDER_KEY:
          serviceImpl.rotateProviderKey((io.llmgateway.admin.v1.RotateProviderKeyRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.RotateProviderKeyResponse>) responseObserver);
          break;
        case METHODID_REMOVE_PROVIDER_KEY:
          serviceImpl.removeProviderKey((io.llmgateway.admin.v1.RemoveProviderKeyRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.RemoveProviderKeyResponse>) responseObserver);
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
          getAddProviderKeyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.AddProviderKeyRequest,
              io.llmgateway.admin.v1.AddProviderKeyResponse>(
                service, METHODID_ADD_PROVIDER_KEY)))
        .addMethod(
          getListProviderKeysMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.ListProviderKeysRequest,
              io.llmgateway.admin.v1.ListProviderKeysResponse>(
                service, METHODID_LIST_PROVIDER_KEYS)))
        .addMethod(
          getRotateProviderKeyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.RotateProviderKeyRequest,
              io.llmgateway.admin.v1.RotateProviderKeyResponse>(
                service, METHODID_ROTATE_PROVIDER_KEY)))
        .addMethod(
          getRemoveProviderKeyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.RemoveProviderKeyRequest,
              io.llmgateway.admin.v1.RemoveProviderKeyResponse>(
                service, METHODID_REMOVE_PROVIDER_KEY)))
        .build();
  }

  private static abstract class ProviderKeyServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    ProviderKeyServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.llmgateway.admin.v1.Key.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("ProviderKeyService");
    }
  }

  private static final class ProviderKeyServiceFileDescriptorSupplier
      extends ProviderKeyServiceBaseDescriptorSupplier {
    ProviderKeyServiceFileDescriptorSupplier() {}
  }

  private static final class ProviderKeyServiceMethodDescriptorSupplier
      extends ProviderKeyServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    ProviderKeyServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (ProviderKeyServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new ProviderKeyServiceFileDescriptorSupplier())
              .addMethod(getAddProviderKeyMethod())
              .addMethod(getListProviderKeysMethod())
              .addMethod(getRotateProviderKeyMethod())
              .addMethod(getRemoveProviderKeyMethod())
              .build();
        }
      }
    }
    return result;
  }
}
