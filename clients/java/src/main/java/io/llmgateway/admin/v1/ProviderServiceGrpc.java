package io.llmgateway.admin.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * The providers that are configured, switched off ones too. How they are doing, llmgateway.v1.LLMGateway.Health tells.
 * The file is the base, and what is set here is a layer above it, which is kept. Of the file's providers only enabled, default and keys can be
 * changed; for anything else the answer is FAILED_PRECONDITION with file and line. A change is in force for new calls when the call returns; nothing
 * of a refused one is. Without `store` in the configuration the changing methods answer FAILED_PRECONDITION; while the store cannot be reached,
 * UNAVAILABLE.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class ProviderServiceGrpc {

  private ProviderServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "llmgateway.admin.v1.ProviderService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.GetProviderRequest,
      io.llmgateway.admin.v1.GetProviderResponse> getGetProviderMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetProvider",
      requestType = io.llmgateway.admin.v1.GetProviderRequest.class,
      responseType = io.llmgateway.admin.v1.GetProviderResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.GetProviderRequest,
      io.llmgateway.admin.v1.GetProviderResponse> getGetProviderMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.GetProviderRequest, io.llmgateway.admin.v1.GetProviderResponse> getGetProviderMethod;
    if ((getGetProviderMethod = ProviderServiceGrpc.getGetProviderMethod) == null) {
      synchronized (ProviderServiceGrpc.class) {
        if ((getGetProviderMethod = ProviderServiceGrpc.getGetProviderMethod) == null) {
          ProviderServiceGrpc.getGetProviderMethod = getGetProviderMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.GetProviderRequest, io.llmgateway.admin.v1.GetProviderResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetProvider"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.GetProviderRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.GetProviderResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderServiceMethodDescriptorSupplier("GetProvider"))
              .build();
        }
      }
    }
    return getGetProviderMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListProvidersRequest,
      io.llmgateway.admin.v1.ListProvidersResponse> getListProvidersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListProviders",
      requestType = io.llmgateway.admin.v1.ListProvidersRequest.class,
      responseType = io.llmgateway.admin.v1.ListProvidersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListProvidersRequest,
      io.llmgateway.admin.v1.ListProvidersResponse> getListProvidersMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListProvidersRequest, io.llmgateway.admin.v1.ListProvidersResponse> getListProvidersMethod;
    if ((getListProvidersMethod = ProviderServiceGrpc.getListProvidersMethod) == null) {
      synchronized (ProviderServiceGrpc.class) {
        if ((getListProvidersMethod = ProviderServiceGrpc.getListProvidersMethod) == null) {
          ProviderServiceGrpc.getListProvidersMethod = getListProvidersMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.ListProvidersRequest, io.llmgateway.admin.v1.ListProvidersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListProviders"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ListProvidersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ListProvidersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderServiceMethodDescriptorSupplier("ListProviders"))
              .build();
        }
      }
    }
    return getListProvidersMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.TestProviderRequest,
      io.llmgateway.admin.v1.TestProviderResponse> getTestProviderMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "TestProvider",
      requestType = io.llmgateway.admin.v1.TestProviderRequest.class,
      responseType = io.llmgateway.admin.v1.TestProviderResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.TestProviderRequest,
      io.llmgateway.admin.v1.TestProviderResponse> getTestProviderMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.TestProviderRequest, io.llmgateway.admin.v1.TestProviderResponse> getTestProviderMethod;
    if ((getTestProviderMethod = ProviderServiceGrpc.getTestProviderMethod) == null) {
      synchronized (ProviderServiceGrpc.class) {
        if ((getTestProviderMethod = ProviderServiceGrpc.getTestProviderMethod) == null) {
          ProviderServiceGrpc.getTestProviderMethod = getTestProviderMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.TestProviderRequest, io.llmgateway.admin.v1.TestProviderResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "TestProvider"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.TestProviderRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.TestProviderResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderServiceMethodDescriptorSupplier("TestProvider"))
              .build();
        }
      }
    }
    return getTestProviderMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.CreateProviderRequest,
      io.llmgateway.admin.v1.CreateProviderResponse> getCreateProviderMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateProvider",
      requestType = io.llmgateway.admin.v1.CreateProviderRequest.class,
      responseType = io.llmgateway.admin.v1.CreateProviderResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.CreateProviderRequest,
      io.llmgateway.admin.v1.CreateProviderResponse> getCreateProviderMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.CreateProviderRequest, io.llmgateway.admin.v1.CreateProviderResponse> getCreateProviderMethod;
    if ((getCreateProviderMethod = ProviderServiceGrpc.getCreateProviderMethod) == null) {
      synchronized (ProviderServiceGrpc.class) {
        if ((getCreateProviderMethod = ProviderServiceGrpc.getCreateProviderMethod) == null) {
          ProviderServiceGrpc.getCreateProviderMethod = getCreateProviderMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.CreateProviderRequest, io.llmgateway.admin.v1.CreateProviderResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateProvider"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.CreateProviderRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.CreateProviderResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderServiceMethodDescriptorSupplier("CreateProvider"))
              .build();
        }
      }
    }
    return getCreateProviderMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.UpdateProviderRequest,
      io.llmgateway.admin.v1.UpdateProviderResponse> getUpdateProviderMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateProvider",
      requestType = io.llmgateway.admin.v1.UpdateProviderRequest.class,
      responseType = io.llmgateway.admin.v1.UpdateProviderResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.UpdateProviderRequest,
      io.llmgateway.admin.v1.UpdateProviderResponse> getUpdateProviderMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.UpdateProviderRequest, io.llmgateway.admin.v1.UpdateProviderResponse> getUpdateProviderMethod;
    if ((getUpdateProviderMethod = ProviderServiceGrpc.getUpdateProviderMethod) == null) {
      synchronized (ProviderServiceGrpc.class) {
        if ((getUpdateProviderMethod = ProviderServiceGrpc.getUpdateProviderMethod) == null) {
          ProviderServiceGrpc.getUpdateProviderMethod = getUpdateProviderMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.UpdateProviderRequest, io.llmgateway.admin.v1.UpdateProviderResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateProvider"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.UpdateProviderRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.UpdateProviderResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderServiceMethodDescriptorSupplier("UpdateProvider"))
              .build();
        }
      }
    }
    return getUpdateProviderMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.DeleteProviderRequest,
      io.llmgateway.admin.v1.DeleteProviderResponse> getDeleteProviderMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteProvider",
      requestType = io.llmgateway.admin.v1.DeleteProviderRequest.class,
      responseType = io.llmgateway.admin.v1.DeleteProviderResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.DeleteProviderRequest,
      io.llmgateway.admin.v1.DeleteProviderResponse> getDeleteProviderMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.DeleteProviderRequest, io.llmgateway.admin.v1.DeleteProviderResponse> getDeleteProviderMethod;
    if ((getDeleteProviderMethod = ProviderServiceGrpc.getDeleteProviderMethod) == null) {
      synchronized (ProviderServiceGrpc.class) {
        if ((getDeleteProviderMethod = ProviderServiceGrpc.getDeleteProviderMethod) == null) {
          ProviderServiceGrpc.getDeleteProviderMethod = getDeleteProviderMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.DeleteProviderRequest, io.llmgateway.admin.v1.DeleteProviderResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteProvider"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.DeleteProviderRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.DeleteProviderResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderServiceMethodDescriptorSupplier("DeleteProvider"))
              .build();
        }
      }
    }
    return getDeleteProviderMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.EnableProviderRequest,
      io.llmgateway.admin.v1.EnableProviderResponse> getEnableProviderMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "EnableProvider",
      requestType = io.llmgateway.admin.v1.EnableProviderRequest.class,
      responseType = io.llmgateway.admin.v1.EnableProviderResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.EnableProviderRequest,
      io.llmgateway.admin.v1.EnableProviderResponse> getEnableProviderMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.EnableProviderRequest, io.llmgateway.admin.v1.EnableProviderResponse> getEnableProviderMethod;
    if ((getEnableProviderMethod = ProviderServiceGrpc.getEnableProviderMethod) == null) {
      synchronized (ProviderServiceGrpc.class) {
        if ((getEnableProviderMethod = ProviderServiceGrpc.getEnableProviderMethod) == null) {
          ProviderServiceGrpc.getEnableProviderMethod = getEnableProviderMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.EnableProviderRequest, io.llmgateway.admin.v1.EnableProviderResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "EnableProvider"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.EnableProviderRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.EnableProviderResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderServiceMethodDescriptorSupplier("EnableProvider"))
              .build();
        }
      }
    }
    return getEnableProviderMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.DisableProviderRequest,
      io.llmgateway.admin.v1.DisableProviderResponse> getDisableProviderMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DisableProvider",
      requestType = io.llmgateway.admin.v1.DisableProviderRequest.class,
      responseType = io.llmgateway.admin.v1.DisableProviderResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.DisableProviderRequest,
      io.llmgateway.admin.v1.DisableProviderResponse> getDisableProviderMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.DisableProviderRequest, io.llmgateway.admin.v1.DisableProviderResponse> getDisableProviderMethod;
    if ((getDisableProviderMethod = ProviderServiceGrpc.getDisableProviderMethod) == null) {
      synchronized (ProviderServiceGrpc.class) {
        if ((getDisableProviderMethod = ProviderServiceGrpc.getDisableProviderMethod) == null) {
          ProviderServiceGrpc.getDisableProviderMethod = getDisableProviderMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.DisableProviderRequest, io.llmgateway.admin.v1.DisableProviderResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DisableProvider"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.DisableProviderRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.DisableProviderResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderServiceMethodDescriptorSupplier("DisableProvider"))
              .build();
        }
      }
    }
    return getDisableProviderMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.SetDefaultProviderRequest,
      io.llmgateway.admin.v1.SetDefaultProviderResponse> getSetDefaultProviderMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SetDefaultProvider",
      requestType = io.llmgateway.admin.v1.SetDefaultProviderRequest.class,
      responseType = io.llmgateway.admin.v1.SetDefaultProviderResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.SetDefaultProviderRequest,
      io.llmgateway.admin.v1.SetDefaultProviderResponse> getSetDefaultProviderMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.SetDefaultProviderRequest, io.llmgateway.admin.v1.SetDefaultProviderResponse> getSetDefaultProviderMethod;
    if ((getSetDefaultProviderMethod = ProviderServiceGrpc.getSetDefaultProviderMethod) == null) {
      synchronized (ProviderServiceGrpc.class) {
        if ((getSetDefaultProviderMethod = ProviderServiceGrpc.getSetDefaultProviderMethod) == null) {
          ProviderServiceGrpc.getSetDefaultProviderMethod = getSetDefaultProviderMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.SetDefaultProviderRequest, io.llmgateway.admin.v1.SetDefaultProviderResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SetDefaultProvider"))
              .setIdempotent(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.SetDefaultProviderRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.SetDefaultProviderResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderServiceMethodDescriptorSupplier("SetDefaultProvider"))
              .build();
        }
      }
    }
    return getSetDefaultProviderMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.AdoptProviderRequest,
      io.llmgateway.admin.v1.AdoptProviderResponse> getAdoptProviderMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "AdoptProvider",
      requestType = io.llmgateway.admin.v1.AdoptProviderRequest.class,
      responseType = io.llmgateway.admin.v1.AdoptProviderResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.AdoptProviderRequest,
      io.llmgateway.admin.v1.AdoptProviderResponse> getAdoptProviderMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.AdoptProviderRequest, io.llmgateway.admin.v1.AdoptProviderResponse> getAdoptProviderMethod;
    if ((getAdoptProviderMethod = ProviderServiceGrpc.getAdoptProviderMethod) == null) {
      synchronized (ProviderServiceGrpc.class) {
        if ((getAdoptProviderMethod = ProviderServiceGrpc.getAdoptProviderMethod) == null) {
          ProviderServiceGrpc.getAdoptProviderMethod = getAdoptProviderMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.AdoptProviderRequest, io.llmgateway.admin.v1.AdoptProviderResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "AdoptProvider"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.AdoptProviderRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.AdoptProviderResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ProviderServiceMethodDescriptorSupplier("AdoptProvider"))
              .build();
        }
      }
    }
    return getAdoptProviderMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static ProviderServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ProviderServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ProviderServiceStub>() {
        @java.lang.Override
        public ProviderServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ProviderServiceStub(channel, callOptions);
        }
      };
    return ProviderServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static ProviderServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ProviderServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ProviderServiceBlockingV2Stub>() {
        @java.lang.Override
        public ProviderServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ProviderServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return ProviderServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static ProviderServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ProviderServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ProviderServiceBlockingStub>() {
        @java.lang.Override
        public ProviderServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ProviderServiceBlockingStub(channel, callOptions);
        }
      };
    return ProviderServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static ProviderServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ProviderServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ProviderServiceFutureStub>() {
        @java.lang.Override
        public ProviderServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ProviderServiceFutureStub(channel, callOptions);
        }
      };
    return ProviderServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * The providers that are configured, switched off ones too. How they are doing, llmgateway.v1.LLMGateway.Health tells.
   * The file is the base, and what is set here is a layer above it, which is kept. Of the file's providers only enabled, default and keys can be
   * changed; for anything else the answer is FAILED_PRECONDITION with file and line. A change is in force for new calls when the call returns; nothing
   * of a refused one is. Without `store` in the configuration the changing methods answer FAILED_PRECONDITION; while the store cannot be reached,
   * UNAVAILABLE.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * One provider. NOT_FOUND where none has the name.
     * </pre>
     */
    default void getProvider(io.llmgateway.admin.v1.GetProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.GetProviderResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetProviderMethod(), responseObserver);
    }

    /**
     * <pre>
     * All providers, by name.
     * </pre>
     */
    default void listProviders(io.llmgateway.admin.v1.ListProvidersRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListProvidersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListProvidersMethod(), responseObserver);
    }

    /**
     * <pre>
     * Asks a provider for its models, at each address and with each key: whether the key is accepted, what is listed, how long it takes. No
     * tokens are used, and nothing is changed. What a provider answers is a result, never the status of this call.
     * </pre>
     */
    default void testProvider(io.llmgateway.admin.v1.TestProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.TestProviderResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTestProviderMethod(), responseObserver);
    }

    /**
     * <pre>
     * Adds a provider, switched on. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    default void createProvider(io.llmgateway.admin.v1.CreateProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.CreateProviderResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateProviderMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes settings of a provider that was set here. Where its addresses, headers, proxy or kind change, its keys are dropped unless they are
     * given again: they would go to another server.
     * </pre>
     */
    default void updateProvider(io.llmgateway.admin.v1.UpdateProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.UpdateProviderResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateProviderMethod(), responseObserver);
    }

    /**
     * <pre>
     * Removes a provider that was set here, with its keys. FAILED_PRECONDITION that names them where routes need it.
     * </pre>
     */
    default void deleteProvider(io.llmgateway.admin.v1.DeleteProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.DeleteProviderResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteProviderMethod(), responseObserver);
    }

    /**
     * <pre>
     * Switches a provider on.
     * </pre>
     */
    default void enableProvider(io.llmgateway.admin.v1.EnableProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.EnableProviderResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getEnableProviderMethod(), responseObserver);
    }

    /**
     * <pre>
     * Switches a provider off: new calls do not reach it, and its settings and keys stay. FAILED_PRECONDITION where a route has no other, or where
     * it is the default one.
     * </pre>
     */
    default void disableProvider(io.llmgateway.admin.v1.DisableProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.DisableProviderResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDisableProviderMethod(), responseObserver);
    }

    /**
     * <pre>
     * Has a provider serve calls that name neither provider nor route.
     * </pre>
     */
    default void setDefaultProvider(io.llmgateway.admin.v1.SetDefaultProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.SetDefaultProviderResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSetDefaultProviderMethod(), responseObserver);
    }

    /**
     * <pre>
     * Settles that the file has a provider of the same name as one that was set here: the file's serves from then on, with the keys that were set
     * here, unless its addresses, headers, proxy, TLS or kind are others.
     * </pre>
     */
    default void adoptProvider(io.llmgateway.admin.v1.AdoptProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.AdoptProviderResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getAdoptProviderMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service ProviderService.
   * <pre>
   * The providers that are configured, switched off ones too. How they are doing, llmgateway.v1.LLMGateway.Health tells.
   * The file is the base, and what is set here is a layer above it, which is kept. Of the file's providers only enabled, default and keys can be
   * changed; for anything else the answer is FAILED_PRECONDITION with file and line. A change is in force for new calls when the call returns; nothing
   * of a refused one is. Without `store` in the configuration the changing methods answer FAILED_PRECONDITION; while the store cannot be reached,
   * UNAVAILABLE.
   * </pre>
   */
  public static abstract class ProviderServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return ProviderServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service ProviderService.
   * <pre>
   * The providers that are configured, switched off ones too. How they are doing, llmgateway.v1.LLMGateway.Health tells.
   * The file is the base, and what is set here is a layer above it, which is kept. Of the file's providers only enabled, default and keys can be
   * changed; for anything else the answer is FAILED_PRECONDITION with file and line. A change is in force for new calls when the call returns; nothing
   * of a refused one is. Without `store` in the configuration the changing methods answer FAILED_PRECONDITION; while the store cannot be reached,
   * UNAVAILABLE.
   * </pre>
   */
  public static final class ProviderServiceStub
      extends io.grpc.stub.AbstractAsyncStub<ProviderServiceStub> {
    private ProviderServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ProviderServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ProviderServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * One provider. NOT_FOUND where none has the name.
     * </pre>
     */
    public void getProvider(io.llmgateway.admin.v1.GetProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.GetProviderResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetProviderMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * All providers, by name.
     * </pre>
     */
    public void listProviders(io.llmgateway.admin.v1.ListProvidersRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListProvidersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListProvidersMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Asks a provider for its models, at each address and with each key: whether the key is accepted, what is listed, how long it takes. No
     * tokens are used, and nothing is changed. What a provider answers is a result, never the status of this call.
     * </pre>
     */
    public void testProvider(io.llmgateway.admin.v1.TestProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.TestProviderResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTestProviderMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Adds a provider, switched on. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public void createProvider(io.llmgateway.admin.v1.CreateProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.CreateProviderResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateProviderMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes settings of a provider that was set here. Where its addresses, headers, proxy or kind change, its keys are dropped unless they are
     * given again: they would go to another server.
     * </pre>
     */
    public void updateProvider(io.llmgateway.admin.v1.UpdateProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.UpdateProviderResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateProviderMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Removes a provider that was set here, with its keys. FAILED_PRECONDITION that names them where routes need it.
     * </pre>
     */
    public void deleteProvider(io.llmgateway.admin.v1.DeleteProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.DeleteProviderResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteProviderMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Switches a provider on.
     * </pre>
     */
    public void enableProvider(io.llmgateway.admin.v1.EnableProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.EnableProviderResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getEnableProviderMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Switches a provider off: new calls do not reach it, and its settings and keys stay. FAILED_PRECONDITION where a route has no other, or where
     * it is the default one.
     * </pre>
     */
    public void disableProvider(io.llmgateway.admin.v1.DisableProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.DisableProviderResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDisableProviderMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Has a provider serve calls that name neither provider nor route.
     * </pre>
     */
    public void setDefaultProvider(io.llmgateway.admin.v1.SetDefaultProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.SetDefaultProviderResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSetDefaultProviderMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Settles that the file has a provider of the same name as one that was set here: the file's serves from then on, with the keys that were set
     * here, unless its addresses, headers, proxy, TLS or kind are others.
     * </pre>
     */
    public void adoptProvider(io.llmgateway.admin.v1.AdoptProviderRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.AdoptProviderResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getAdoptProviderMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service ProviderService.
   * <pre>
   * The providers that are configured, switched off ones too. How they are doing, llmgateway.v1.LLMGateway.Health tells.
   * The file is the base, and what is set here is a layer above it, which is kept. Of the file's providers only enabled, default and keys can be
   * changed; for anything else the answer is FAILED_PRECONDITION with file and line. A change is in force for new calls when the call returns; nothing
   * of a refused one is. Without `store` in the configuration the changing methods answer FAILED_PRECONDITION; while the store cannot be reached,
   * UNAVAILABLE.
   * </pre>
   */
  public static final class ProviderServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<ProviderServiceBlockingV2Stub> {
    private ProviderServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ProviderServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ProviderServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * One provider. NOT_FOUND where none has the name.
     * </pre>
     */
    public io.llmgateway.admin.v1.GetProviderResponse getProvider(io.llmgateway.admin.v1.GetProviderRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * All providers, by name.
     * </pre>
     */
    public io.llmgateway.admin.v1.ListProvidersResponse listProviders(io.llmgateway.admin.v1.ListProvidersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListProvidersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Asks a provider for its models, at each address and with each key: whether the key is accepted, what is listed, how long it takes. No
     * tokens are used, and nothing is changed. What a provider answers is a result, never the status of this call.
     * </pre>
     */
    public io.llmgateway.admin.v1.TestProviderResponse testProvider(io.llmgateway.admin.v1.TestProviderRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTestProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Adds a provider, switched on. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public io.llmgateway.admin.v1.CreateProviderResponse createProvider(io.llmgateway.admin.v1.CreateProviderRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes settings of a provider that was set here. Where its addresses, headers, proxy or kind change, its keys are dropped unless they are
     * given again: they would go to another server.
     * </pre>
     */
    public io.llmgateway.admin.v1.UpdateProviderResponse updateProvider(io.llmgateway.admin.v1.UpdateProviderRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes a provider that was set here, with its keys. FAILED_PRECONDITION that names them where routes need it.
     * </pre>
     */
    public io.llmgateway.admin.v1.DeleteProviderResponse deleteProvider(io.llmgateway.admin.v1.DeleteProviderRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeleteProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Switches a provider on.
     * </pre>
     */
    public io.llmgateway.admin.v1.EnableProviderResponse enableProvider(io.llmgateway.admin.v1.EnableProviderRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getEnableProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Switches a provider off: new calls do not reach it, and its settings and keys stay. FAILED_PRECONDITION where a route has no other, or where
     * it is the default one.
     * </pre>
     */
    public io.llmgateway.admin.v1.DisableProviderResponse disableProvider(io.llmgateway.admin.v1.DisableProviderRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDisableProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Has a provider serve calls that name neither provider nor route.
     * </pre>
     */
    public io.llmgateway.admin.v1.SetDefaultProviderResponse setDefaultProvider(io.llmgateway.admin.v1.SetDefaultProviderRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSetDefaultProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Settles that the file has a provider of the same name as one that was set here: the file's serves from then on, with the keys that were set
     * here, unless its addresses, headers, proxy, TLS or kind are others.
     * </pre>
     */
    public io.llmgateway.admin.v1.AdoptProviderResponse adoptProvider(io.llmgateway.admin.v1.AdoptProviderRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getAdoptProviderMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service ProviderService.
   * <pre>
   * The providers that are configured, switched off ones too. How they are doing, llmgateway.v1.LLMGateway.Health tells.
   * The file is the base, and what is set here is a layer above it, which is kept. Of the file's providers only enabled, default and keys can be
   * changed; for anything else the answer is FAILED_PRECONDITION with file and line. A change is in force for new calls when the call returns; nothing
   * of a refused one is. Without `store` in the configuration the changing methods answer FAILED_PRECONDITION; while the store cannot be reached,
   * UNAVAILABLE.
   * </pre>
   */
  public static final class ProviderServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<ProviderServiceBlockingStub> {
    private ProviderServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ProviderServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ProviderServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * One provider. NOT_FOUND where none has the name.
     * </pre>
     */
    public io.llmgateway.admin.v1.GetProviderResponse getProvider(io.llmgateway.admin.v1.GetProviderRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * All providers, by name.
     * </pre>
     */
    public io.llmgateway.admin.v1.ListProvidersResponse listProviders(io.llmgateway.admin.v1.ListProvidersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListProvidersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Asks a provider for its models, at each address and with each key: whether the key is accepted, what is listed, how long it takes. No
     * tokens are used, and nothing is changed. What a provider answers is a result, never the status of this call.
     * </pre>
     */
    public io.llmgateway.admin.v1.TestProviderResponse testProvider(io.llmgateway.admin.v1.TestProviderRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTestProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Adds a provider, switched on. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public io.llmgateway.admin.v1.CreateProviderResponse createProvider(io.llmgateway.admin.v1.CreateProviderRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes settings of a provider that was set here. Where its addresses, headers, proxy or kind change, its keys are dropped unless they are
     * given again: they would go to another server.
     * </pre>
     */
    public io.llmgateway.admin.v1.UpdateProviderResponse updateProvider(io.llmgateway.admin.v1.UpdateProviderRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes a provider that was set here, with its keys. FAILED_PRECONDITION that names them where routes need it.
     * </pre>
     */
    public io.llmgateway.admin.v1.DeleteProviderResponse deleteProvider(io.llmgateway.admin.v1.DeleteProviderRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Switches a provider on.
     * </pre>
     */
    public io.llmgateway.admin.v1.EnableProviderResponse enableProvider(io.llmgateway.admin.v1.EnableProviderRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getEnableProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Switches a provider off: new calls do not reach it, and its settings and keys stay. FAILED_PRECONDITION where a route has no other, or where
     * it is the default one.
     * </pre>
     */
    public io.llmgateway.admin.v1.DisableProviderResponse disableProvider(io.llmgateway.admin.v1.DisableProviderRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDisableProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Has a provider serve calls that name neither provider nor route.
     * </pre>
     */
    public io.llmgateway.admin.v1.SetDefaultProviderResponse setDefaultProvider(io.llmgateway.admin.v1.SetDefaultProviderRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSetDefaultProviderMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Settles that the file has a provider of the same name as one that was set here: the file's serves from then on, with the keys that were set
     * here, unless its addresses, headers, proxy, TLS or kind are others.
     * </pre>
     */
    public io.llmgateway.admin.v1.AdoptProviderResponse adoptProvider(io.llmgateway.admin.v1.AdoptProviderRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getAdoptProviderMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service ProviderService.
   * <pre>
   * The providers that are configured, switched off ones too. How they are doing, llmgateway.v1.LLMGateway.Health tells.
   * The file is the base, and what is set here is a layer above it, which is kept. Of the file's providers only enabled, default and keys can be
   * changed; for anything else the answer is FAILED_PRECONDITION with file and line. A change is in force for new calls when the call returns; nothing
   * of a refused one is. Without `store` in the configuration the changing methods answer FAILED_PRECONDITION; while the store cannot be reached,
   * UNAVAILABLE.
   * </pre>
   */
  public static final class ProviderServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<ProviderServiceFutureStub> {
    private ProviderServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ProviderServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ProviderServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * One provider. NOT_FOUND where none has the name.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.GetProviderResponse> getProvider(
        io.llmgateway.admin.v1.GetProviderRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetProviderMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * All providers, by name.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.ListProvidersResponse> listProviders(
        io.llmgateway.admin.v1.ListProvidersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListProvidersMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Asks a provider for its models, at each address and with each key: whether the key is accepted, what is listed, how long it takes. No
     * tokens are used, and nothing is changed. What a provider answers is a result, never the status of this call.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.TestProviderResponse> testProvider(
        io.llmgateway.admin.v1.TestProviderRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTestProviderMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Adds a provider, switched on. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.CreateProviderResponse> createProvider(
        io.llmgateway.admin.v1.CreateProviderRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateProviderMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes settings of a provider that was set here. Where its addresses, headers, proxy or kind change, its keys are dropped unless they are
     * given again: they would go to another server.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.UpdateProviderResponse> updateProvider(
        io.llmgateway.admin.v1.UpdateProviderRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateProviderMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Removes a provider that was set here, with its keys. FAILED_PRECONDITION that names them where routes need it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.DeleteProviderResponse> deleteProvider(
        io.llmgateway.admin.v1.DeleteProviderRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteProviderMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Switches a provider on.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.EnableProviderResponse> enableProvider(
        io.llmgateway.admin.v1.EnableProviderRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getEnableProviderMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Switches a provider off: new calls do not reach it, and its settings and keys stay. FAILED_PRECONDITION where a route has no other, or where
     * it is the default one.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.DisableProviderResponse> disableProvider(
        io.llmgateway.admin.v1.DisableProviderRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDisableProviderMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Has a provider serve calls that name neither provider nor route.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.SetDefaultProviderResponse> setDefaultProvider(
        io.llmgateway.admin.v1.SetDefaultProviderRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSetDefaultProviderMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Settles that the file has a provider of the same name as one that was set here: the file's serves from then on, with the keys that were set
     * here, unless its addresses, headers, proxy, TLS or kind are others.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.AdoptProviderResponse> adoptProvider(
        io.llmgateway.admin.v1.AdoptProviderRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getAdoptProviderMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_PROVIDER = 0;
  private static final int METHODID_LIST_PROVIDERS = 1;
  private static final int METHODID_TEST_PROVIDER = 2;
  private static final int METHODID_CREATE_PROVIDER = 3;
  private static final int METHODID_UPDATE_PROVIDER = 4;
  private static final int METHODID_DELETE_PROVIDER = 5;
  private static final int METHODID_ENABLE_PROVIDER = 6;
  private static final int METHODID_DISABLE_PROVIDER = 7;
  private static final int METHODID_SET_DEFAULT_PROVIDER = 8;
  private static final int METHODID_ADOPT_PROVIDER = 9;

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
        case METHODID_GET_PROVIDER:
          serviceImpl.getProvider((io.llmgateway.admin.v1.GetProviderRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.GetProviderResponse>) responseObserver);
          break;
        case METHODID_LIST_PROVIDERS:
          serviceImpl.listProviders((io.llmgateway.admin.v1.ListProvidersRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListProvidersResponse>) responseObserver);
          break;
        case METHODID_TEST_PROVIDER:
          serviceImpl.testProvider((io.llmgateway.admin.v1.TestProviderRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.TestProviderResponse>) responseObserver);
          break;
        case METHODID_CREATE_PROVIDER:
          serviceImpl.createProvider((io.llmgateway.admin.v1.CreateProviderRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.CreateProviderResponse>) responseObserver);
          break;
        case METHODID_UPDATE_PROVIDER:
          serviceImpl.updateProvider((io.llmgateway.admin.v1.UpdateProviderRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.UpdateProviderResponse>) responseObserver);
          break;
        case METHODID_DELETE_PROVIDER:
          serviceImpl.deleteProvider((io.llmgateway.admin.v1.DeleteProviderRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.DeleteProviderResponse>) responseObserver);
          break;
        case METHODID_ENABLE_PROVIDER:
          serviceImpl.enableProvider((io.llmgateway.admin.v1.EnableProviderRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.EnableProviderResponse>) responseObserver);
          break;
        case METHODID_DISABLE_PROVIDER:
          serviceImpl.disableProvider((io.llmgateway.admin.v1.DisableProviderRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.DisableProviderResponse>) responseObserver);
          break;
        case METHODID_SET_DEFAULT_PROVIDER:
          serviceImpl.setDefaultProvider((io.llmgateway.admin.v1.SetDefaultProviderRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.SetDefaultProviderResponse>) responseObserver);
          break;
        case METHODID_ADOPT_PROVIDER:
          serviceImpl.adoptProvider((io.llmgateway.admin.v1.AdoptProviderRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.AdoptProviderResponse>) responseObserver);
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
          getGetProviderMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.GetProviderRequest,
              io.llmgateway.admin.v1.GetProviderResponse>(
                service, METHODID_GET_PROVIDER)))
        .addMethod(
          getListProvidersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.ListProvidersRequest,
              io.llmgateway.admin.v1.ListProvidersResponse>(
                service, METHODID_LIST_PROVIDERS)))
        .addMethod(
          getTestProviderMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.TestProviderRequest,
              io.llmgateway.admin.v1.TestProviderResponse>(
                service, METHODID_TEST_PROVIDER)))
        .addMethod(
          getCreateProviderMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.CreateProviderRequest,
              io.llmgateway.admin.v1.CreateProviderResponse>(
                service, METHODID_CREATE_PROVIDER)))
        .addMethod(
          getUpdateProviderMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.UpdateProviderRequest,
              io.llmgateway.admin.v1.UpdateProviderResponse>(
                service, METHODID_UPDATE_PROVIDER)))
        .addMethod(
          getDeleteProviderMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.DeleteProviderRequest,
              io.llmgateway.admin.v1.DeleteProviderResponse>(
                service, METHODID_DELETE_PROVIDER)))
        .addMethod(
          getEnableProviderMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.EnableProviderRequest,
              io.llmgateway.admin.v1.EnableProviderResponse>(
                service, METHODID_ENABLE_PROVIDER)))
        .addMethod(
          getDisableProviderMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.DisableProviderRequest,
              io.llmgateway.admin.v1.DisableProviderResponse>(
                service, METHODID_DISABLE_PROVIDER)))
        .addMethod(
          getSetDefaultProviderMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.SetDefaultProviderRequest,
              io.llmgateway.admin.v1.SetDefaultProviderResponse>(
                service, METHODID_SET_DEFAULT_PROVIDER)))
        .addMethod(
          getAdoptProviderMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.AdoptProviderRequest,
              io.llmgateway.admin.v1.AdoptProviderResponse>(
                service, METHODID_ADOPT_PROVIDER)))
        .build();
  }

  private static abstract class ProviderServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    ProviderServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.llmgateway.admin.v1.ProviderOuterClass.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("ProviderService");
    }
  }

  private static final class ProviderServiceFileDescriptorSupplier
      extends ProviderServiceBaseDescriptorSupplier {
    ProviderServiceFileDescriptorSupplier() {}
  }

  private static final class ProviderServiceMethodDescriptorSupplier
      extends ProviderServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    ProviderServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (ProviderServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new ProviderServiceFileDescriptorSupplier())
              .addMethod(getGetProviderMethod())
              .addMethod(getListProvidersMethod())
              .addMethod(getTestProviderMethod())
              .addMethod(getCreateProviderMethod())
              .addMethod(getUpdateProviderMethod())
              .addMethod(getDeleteProviderMethod())
              .addMethod(getEnableProviderMethod())
              .addMethod(getDisableProviderMethod())
              .addMethod(getSetDefaultProviderMethod())
              .addMethod(getAdoptProviderMethod())
              .build();
        }
      }
    }
    return result;
  }
}
