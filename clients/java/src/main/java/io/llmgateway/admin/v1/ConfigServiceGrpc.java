package io.llmgateway.admin.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * The configuration in force. Failures are a gRPC status with google.rpc details.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class ConfigServiceGrpc {

  private ConfigServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "llmgateway.admin.v1.ConfigService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.GetEffectiveConfigRequest,
      io.llmgateway.admin.v1.GetEffectiveConfigResponse> getGetEffectiveConfigMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetEffectiveConfig",
      requestType = io.llmgateway.admin.v1.GetEffectiveConfigRequest.class,
      responseType = io.llmgateway.admin.v1.GetEffectiveConfigResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.GetEffectiveConfigRequest,
      io.llmgateway.admin.v1.GetEffectiveConfigResponse> getGetEffectiveConfigMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.GetEffectiveConfigRequest, io.llmgateway.admin.v1.GetEffectiveConfigResponse> getGetEffectiveConfigMethod;
    if ((getGetEffectiveConfigMethod = ConfigServiceGrpc.getGetEffectiveConfigMethod) == null) {
      synchronized (ConfigServiceGrpc.class) {
        if ((getGetEffectiveConfigMethod = ConfigServiceGrpc.getGetEffectiveConfigMethod) == null) {
          ConfigServiceGrpc.getGetEffectiveConfigMethod = getGetEffectiveConfigMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.GetEffectiveConfigRequest, io.llmgateway.admin.v1.GetEffectiveConfigResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetEffectiveConfig"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.GetEffectiveConfigRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.GetEffectiveConfigResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConfigServiceMethodDescriptorSupplier("GetEffectiveConfig"))
              .build();
        }
      }
    }
    return getGetEffectiveConfigMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ReloadConfigRequest,
      io.llmgateway.admin.v1.ReloadConfigResponse> getReloadConfigMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ReloadConfig",
      requestType = io.llmgateway.admin.v1.ReloadConfigRequest.class,
      responseType = io.llmgateway.admin.v1.ReloadConfigResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ReloadConfigRequest,
      io.llmgateway.admin.v1.ReloadConfigResponse> getReloadConfigMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ReloadConfigRequest, io.llmgateway.admin.v1.ReloadConfigResponse> getReloadConfigMethod;
    if ((getReloadConfigMethod = ConfigServiceGrpc.getReloadConfigMethod) == null) {
      synchronized (ConfigServiceGrpc.class) {
        if ((getReloadConfigMethod = ConfigServiceGrpc.getReloadConfigMethod) == null) {
          ConfigServiceGrpc.getReloadConfigMethod = getReloadConfigMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.ReloadConfigRequest, io.llmgateway.admin.v1.ReloadConfigResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ReloadConfig"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ReloadConfigRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ReloadConfigResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConfigServiceMethodDescriptorSupplier("ReloadConfig"))
              .build();
        }
      }
    }
    return getReloadConfigMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListRevisionsRequest,
      io.llmgateway.admin.v1.ListRevisionsResponse> getListRevisionsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListRevisions",
      requestType = io.llmgateway.admin.v1.ListRevisionsRequest.class,
      responseType = io.llmgateway.admin.v1.ListRevisionsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListRevisionsRequest,
      io.llmgateway.admin.v1.ListRevisionsResponse> getListRevisionsMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListRevisionsRequest, io.llmgateway.admin.v1.ListRevisionsResponse> getListRevisionsMethod;
    if ((getListRevisionsMethod = ConfigServiceGrpc.getListRevisionsMethod) == null) {
      synchronized (ConfigServiceGrpc.class) {
        if ((getListRevisionsMethod = ConfigServiceGrpc.getListRevisionsMethod) == null) {
          ConfigServiceGrpc.getListRevisionsMethod = getListRevisionsMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.ListRevisionsRequest, io.llmgateway.admin.v1.ListRevisionsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListRevisions"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ListRevisionsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ListRevisionsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConfigServiceMethodDescriptorSupplier("ListRevisions"))
              .build();
        }
      }
    }
    return getListRevisionsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.RollbackConfigRequest,
      io.llmgateway.admin.v1.RollbackConfigResponse> getRollbackConfigMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RollbackConfig",
      requestType = io.llmgateway.admin.v1.RollbackConfigRequest.class,
      responseType = io.llmgateway.admin.v1.RollbackConfigResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.RollbackConfigRequest,
      io.llmgateway.admin.v1.RollbackConfigResponse> getRollbackConfigMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.RollbackConfigRequest, io.llmgateway.admin.v1.RollbackConfigResponse> getRollbackConfigMethod;
    if ((getRollbackConfigMethod = ConfigServiceGrpc.getRollbackConfigMethod) == null) {
      synchronized (ConfigServiceGrpc.class) {
        if ((getRollbackConfigMethod = ConfigServiceGrpc.getRollbackConfigMethod) == null) {
          ConfigServiceGrpc.getRollbackConfigMethod = getRollbackConfigMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.RollbackConfigRequest, io.llmgateway.admin.v1.RollbackConfigResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RollbackConfig"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.RollbackConfigRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.RollbackConfigResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ConfigServiceMethodDescriptorSupplier("RollbackConfig"))
              .build();
        }
      }
    }
    return getRollbackConfigMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static ConfigServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConfigServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConfigServiceStub>() {
        @java.lang.Override
        public ConfigServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConfigServiceStub(channel, callOptions);
        }
      };
    return ConfigServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static ConfigServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConfigServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConfigServiceBlockingV2Stub>() {
        @java.lang.Override
        public ConfigServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConfigServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return ConfigServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static ConfigServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConfigServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConfigServiceBlockingStub>() {
        @java.lang.Override
        public ConfigServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConfigServiceBlockingStub(channel, callOptions);
        }
      };
    return ConfigServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static ConfigServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ConfigServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ConfigServiceFutureStub>() {
        @java.lang.Override
        public ConfigServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ConfigServiceFutureStub(channel, callOptions);
        }
      };
    return ConfigServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * The configuration in force. Failures are a gRPC status with google.rpc details.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Every setting, and where it comes from. No secret is ever in the answer.
     * </pre>
     */
    default void getEffectiveConfig(io.llmgateway.admin.v1.GetEffectiveConfigRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.GetEffectiveConfigResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetEffectiveConfigMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads the configuration again and serves new calls by it, as SIGHUP does. A wrong one is refused as a whole: FAILED_PRECONDITION with a
     * violation for each problem, whose subject is file and line. What was in force stays so.
     * </pre>
     */
    default void reloadConfig(io.llmgateway.admin.v1.ReloadConfigRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ReloadConfigResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getReloadConfigMethod(), responseObserver);
    }

    /**
     * <pre>
     * The revisions of what was set at run time, the latest first. AuditService.ListChanges tells what each changed.
     * </pre>
     */
    default void listRevisions(io.llmgateway.admin.v1.ListRevisionsRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListRevisionsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListRevisionsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Sets again at run time what was set in an earlier revision, as a new one. A key that was removed since stays so: a provider that needs one
     * comes back switched off. A provider whose addresses, headers, proxy or kind are others then loses its keys.
     * </pre>
     */
    default void rollbackConfig(io.llmgateway.admin.v1.RollbackConfigRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.RollbackConfigResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRollbackConfigMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service ConfigService.
   * <pre>
   * The configuration in force. Failures are a gRPC status with google.rpc details.
   * </pre>
   */
  public static abstract class ConfigServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return ConfigServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service ConfigService.
   * <pre>
   * The configuration in force. Failures are a gRPC status with google.rpc details.
   * </pre>
   */
  public static final class ConfigServiceStub
      extends io.grpc.stub.AbstractAsyncStub<ConfigServiceStub> {
    private ConfigServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConfigServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConfigServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Every setting, and where it comes from. No secret is ever in the answer.
     * </pre>
     */
    public void getEffectiveConfig(io.llmgateway.admin.v1.GetEffectiveConfigRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.GetEffectiveConfigResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetEffectiveConfigMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads the configuration again and serves new calls by it, as SIGHUP does. A wrong one is refused as a whole: FAILED_PRECONDITION with a
     * violation for each problem, whose subject is file and line. What was in force stays so.
     * </pre>
     */
    public void reloadConfig(io.llmgateway.admin.v1.ReloadConfigRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ReloadConfigResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getReloadConfigMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * The revisions of what was set at run time, the latest first. AuditService.ListChanges tells what each changed.
     * </pre>
     */
    public void listRevisions(io.llmgateway.admin.v1.ListRevisionsRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListRevisionsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListRevisionsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Sets again at run time what was set in an earlier revision, as a new one. A key that was removed since stays so: a provider that needs one
     * comes back switched off. A provider whose addresses, headers, proxy or kind are others then loses its keys.
     * </pre>
     */
    public void rollbackConfig(io.llmgateway.admin.v1.RollbackConfigRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.RollbackConfigResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRollbackConfigMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service ConfigService.
   * <pre>
   * The configuration in force. Failures are a gRPC status with google.rpc details.
   * </pre>
   */
  public static final class ConfigServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<ConfigServiceBlockingV2Stub> {
    private ConfigServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConfigServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConfigServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Every setting, and where it comes from. No secret is ever in the answer.
     * </pre>
     */
    public io.llmgateway.admin.v1.GetEffectiveConfigResponse getEffectiveConfig(io.llmgateway.admin.v1.GetEffectiveConfigRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetEffectiveConfigMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the configuration again and serves new calls by it, as SIGHUP does. A wrong one is refused as a whole: FAILED_PRECONDITION with a
     * violation for each problem, whose subject is file and line. What was in force stays so.
     * </pre>
     */
    public io.llmgateway.admin.v1.ReloadConfigResponse reloadConfig(io.llmgateway.admin.v1.ReloadConfigRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getReloadConfigMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * The revisions of what was set at run time, the latest first. AuditService.ListChanges tells what each changed.
     * </pre>
     */
    public io.llmgateway.admin.v1.ListRevisionsResponse listRevisions(io.llmgateway.admin.v1.ListRevisionsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListRevisionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sets again at run time what was set in an earlier revision, as a new one. A key that was removed since stays so: a provider that needs one
     * comes back switched off. A provider whose addresses, headers, proxy or kind are others then loses its keys.
     * </pre>
     */
    public io.llmgateway.admin.v1.RollbackConfigResponse rollbackConfig(io.llmgateway.admin.v1.RollbackConfigRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRollbackConfigMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service ConfigService.
   * <pre>
   * The configuration in force. Failures are a gRPC status with google.rpc details.
   * </pre>
   */
  public static final class ConfigServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<ConfigServiceBlockingStub> {
    private ConfigServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConfigServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConfigServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Every setting, and where it comes from. No secret is ever in the answer.
     * </pre>
     */
    public io.llmgateway.admin.v1.GetEffectiveConfigResponse getEffectiveConfig(io.llmgateway.admin.v1.GetEffectiveConfigRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetEffectiveConfigMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the configuration again and serves new calls by it, as SIGHUP does. A wrong one is refused as a whole: FAILED_PRECONDITION with a
     * violation for each problem, whose subject is file and line. What was in force stays so.
     * </pre>
     */
    public io.llmgateway.admin.v1.ReloadConfigResponse reloadConfig(io.llmgateway.admin.v1.ReloadConfigRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getReloadConfigMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * The revisions of what was set at run time, the latest first. AuditService.ListChanges tells what each changed.
     * </pre>
     */
    public io.llmgateway.admin.v1.ListRevisionsResponse listRevisions(io.llmgateway.admin.v1.ListRevisionsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListRevisionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sets again at run time what was set in an earlier revision, as a new one. A key that was removed since stays so: a provider that needs one
     * comes back switched off. A provider whose addresses, headers, proxy or kind are others then loses its keys.
     * </pre>
     */
    public io.llmgateway.admin.v1.RollbackConfigResponse rollbackConfig(io.llmgateway.admin.v1.RollbackConfigRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRollbackConfigMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service ConfigService.
   * <pre>
   * The configuration in force. Failures are a gRPC status with google.rpc details.
   * </pre>
   */
  public static final class ConfigServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<ConfigServiceFutureStub> {
    private ConfigServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ConfigServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ConfigServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Every setting, and where it comes from. No secret is ever in the answer.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.GetEffectiveConfigResponse> getEffectiveConfig(
        io.llmgateway.admin.v1.GetEffectiveConfigRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetEffectiveConfigMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads the configuration again and serves new calls by it, as SIGHUP does. A wrong one is refused as a whole: FAILED_PRECONDITION with a
     * violation for each problem, whose subject is file and line. What was in force stays so.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.ReloadConfigResponse> reloadConfig(
        io.llmgateway.admin.v1.ReloadConfigRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getReloadConfigMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * The revisions of what was set at run time, the latest first. AuditService.ListChanges tells what each changed.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.ListRevisionsResponse> listRevisions(
        io.llmgateway.admin.v1.ListRevisionsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListRevisionsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Sets again at run time what was set in an earlier revision, as a new one. A key that was removed since stays so: a provider that needs one
     * comes back switched off. A provider whose addresses, headers, proxy or kind are others then loses its keys.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.RollbackConfigResponse> rollbackConfig(
        io.llmgateway.admin.v1.RollbackConfigRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRollbackConfigMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_EFFECTIVE_CONFIG = 0;
  private static final int METHODID_RELOAD_CONFIG = 1;
  private static final int METHODID_LIST_REVISIONS = 2;
  private static final int METHODID_ROLLBACK_CONFIG = 3;

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
        case METHODID_GET_EFFECTIVE_CONFIG:
          serviceImpl.getEffectiveConfig((io.llmgateway.admin.v1.GetEffectiveConfigRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.GetEffectiveConfigResponse>) responseObserver);
          break;
        case METHODID_RELOAD_CONFIG:
          serviceImpl.reloadConfig((io.llmgateway.admin.v1.ReloadConfigRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ReloadConfigResponse>) responseObserver);
          break;
        case METHODID_LIST_REVISIONS:
          serviceImpl.listRevisions((io.llmgateway.admin.v1.ListRevisionsRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListRevisionsResponse>) responseObserver);
          break;
        case METHODID_ROLLBACK_CONFIG:
          serviceImpl.rollbackConfig((io.llmgateway.admin.v1.RollbackConfigRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.RollbackConfigResponse>) responseObserver);
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
          getGetEffectiveConfigMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.GetEffectiveConfigRequest,
              io.llmgateway.admin.v1.GetEffectiveConfigResponse>(
                service, METHODID_GET_EFFECTIVE_CONFIG)))
        .addMethod(
          getReloadConfigMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.ReloadConfigRequest,
              io.llmgateway.admin.v1.ReloadConfigResponse>(
                service, METHODID_RELOAD_CONFIG)))
        .addMethod(
          getListRevisionsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.ListRevisionsRequest,
              io.llmgateway.admin.v1.ListRevisionsResponse>(
                service, METHODID_LIST_REVISIONS)))
        .addMethod(
          getRollbackConfigMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.RollbackConfigRequest,
              io.llmgateway.admin.v1.RollbackConfigResponse>(
                service, METHODID_ROLLBACK_CONFIG)))
        .build();
  }

  private static abstract class ConfigServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    ConfigServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.llmgateway.admin.v1.Config.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("ConfigService");
    }
  }

  private static final class ConfigServiceFileDescriptorSupplier
      extends ConfigServiceBaseDescriptorSupplier {
    ConfigServiceFileDescriptorSupplier() {}
  }

  private static final class ConfigServiceMethodDescriptorSupplier
      extends ConfigServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    ConfigServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (ConfigServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new ConfigServiceFileDescriptorSupplier())
              .addMethod(getGetEffectiveConfigMethod())
              .addMethod(getReloadConfigMethod())
              .addMethod(getListRevisionsMethod())
              .addMethod(getRollbackConfigMethod())
              .build();
        }
      }
    }
    return result;
  }
}
