package io.llmgateway.admin.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * The routes that are configured. Aliases of models are with their provider. The file's cannot be changed here: FAILED_PRECONDITION with file and
 * line. What ProviderService says of changes holds here too.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class RouteServiceGrpc {

  private RouteServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "llmgateway.admin.v1.RouteService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.GetRouteRequest,
      io.llmgateway.admin.v1.GetRouteResponse> getGetRouteMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetRoute",
      requestType = io.llmgateway.admin.v1.GetRouteRequest.class,
      responseType = io.llmgateway.admin.v1.GetRouteResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.GetRouteRequest,
      io.llmgateway.admin.v1.GetRouteResponse> getGetRouteMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.GetRouteRequest, io.llmgateway.admin.v1.GetRouteResponse> getGetRouteMethod;
    if ((getGetRouteMethod = RouteServiceGrpc.getGetRouteMethod) == null) {
      synchronized (RouteServiceGrpc.class) {
        if ((getGetRouteMethod = RouteServiceGrpc.getGetRouteMethod) == null) {
          RouteServiceGrpc.getGetRouteMethod = getGetRouteMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.GetRouteRequest, io.llmgateway.admin.v1.GetRouteResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetRoute"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.GetRouteRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.GetRouteResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RouteServiceMethodDescriptorSupplier("GetRoute"))
              .build();
        }
      }
    }
    return getGetRouteMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListRoutesRequest,
      io.llmgateway.admin.v1.ListRoutesResponse> getListRoutesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListRoutes",
      requestType = io.llmgateway.admin.v1.ListRoutesRequest.class,
      responseType = io.llmgateway.admin.v1.ListRoutesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListRoutesRequest,
      io.llmgateway.admin.v1.ListRoutesResponse> getListRoutesMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ListRoutesRequest, io.llmgateway.admin.v1.ListRoutesResponse> getListRoutesMethod;
    if ((getListRoutesMethod = RouteServiceGrpc.getListRoutesMethod) == null) {
      synchronized (RouteServiceGrpc.class) {
        if ((getListRoutesMethod = RouteServiceGrpc.getListRoutesMethod) == null) {
          RouteServiceGrpc.getListRoutesMethod = getListRoutesMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.ListRoutesRequest, io.llmgateway.admin.v1.ListRoutesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListRoutes"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ListRoutesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ListRoutesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RouteServiceMethodDescriptorSupplier("ListRoutes"))
              .build();
        }
      }
    }
    return getListRoutesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ExplainRequest,
      io.llmgateway.admin.v1.ExplainResponse> getExplainMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Explain",
      requestType = io.llmgateway.admin.v1.ExplainRequest.class,
      responseType = io.llmgateway.admin.v1.ExplainResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ExplainRequest,
      io.llmgateway.admin.v1.ExplainResponse> getExplainMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.ExplainRequest, io.llmgateway.admin.v1.ExplainResponse> getExplainMethod;
    if ((getExplainMethod = RouteServiceGrpc.getExplainMethod) == null) {
      synchronized (RouteServiceGrpc.class) {
        if ((getExplainMethod = RouteServiceGrpc.getExplainMethod) == null) {
          RouteServiceGrpc.getExplainMethod = getExplainMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.ExplainRequest, io.llmgateway.admin.v1.ExplainResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Explain"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ExplainRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.ExplainResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RouteServiceMethodDescriptorSupplier("Explain"))
              .build();
        }
      }
    }
    return getExplainMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.EstimateCostRequest,
      io.llmgateway.admin.v1.EstimateCostResponse> getEstimateCostMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "EstimateCost",
      requestType = io.llmgateway.admin.v1.EstimateCostRequest.class,
      responseType = io.llmgateway.admin.v1.EstimateCostResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.EstimateCostRequest,
      io.llmgateway.admin.v1.EstimateCostResponse> getEstimateCostMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.EstimateCostRequest, io.llmgateway.admin.v1.EstimateCostResponse> getEstimateCostMethod;
    if ((getEstimateCostMethod = RouteServiceGrpc.getEstimateCostMethod) == null) {
      synchronized (RouteServiceGrpc.class) {
        if ((getEstimateCostMethod = RouteServiceGrpc.getEstimateCostMethod) == null) {
          RouteServiceGrpc.getEstimateCostMethod = getEstimateCostMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.EstimateCostRequest, io.llmgateway.admin.v1.EstimateCostResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "EstimateCost"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.EstimateCostRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.EstimateCostResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RouteServiceMethodDescriptorSupplier("EstimateCost"))
              .build();
        }
      }
    }
    return getEstimateCostMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.CreateRouteRequest,
      io.llmgateway.admin.v1.CreateRouteResponse> getCreateRouteMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateRoute",
      requestType = io.llmgateway.admin.v1.CreateRouteRequest.class,
      responseType = io.llmgateway.admin.v1.CreateRouteResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.CreateRouteRequest,
      io.llmgateway.admin.v1.CreateRouteResponse> getCreateRouteMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.CreateRouteRequest, io.llmgateway.admin.v1.CreateRouteResponse> getCreateRouteMethod;
    if ((getCreateRouteMethod = RouteServiceGrpc.getCreateRouteMethod) == null) {
      synchronized (RouteServiceGrpc.class) {
        if ((getCreateRouteMethod = RouteServiceGrpc.getCreateRouteMethod) == null) {
          RouteServiceGrpc.getCreateRouteMethod = getCreateRouteMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.CreateRouteRequest, io.llmgateway.admin.v1.CreateRouteResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateRoute"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.CreateRouteRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.CreateRouteResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RouteServiceMethodDescriptorSupplier("CreateRoute"))
              .build();
        }
      }
    }
    return getCreateRouteMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.UpdateRouteRequest,
      io.llmgateway.admin.v1.UpdateRouteResponse> getUpdateRouteMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateRoute",
      requestType = io.llmgateway.admin.v1.UpdateRouteRequest.class,
      responseType = io.llmgateway.admin.v1.UpdateRouteResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.UpdateRouteRequest,
      io.llmgateway.admin.v1.UpdateRouteResponse> getUpdateRouteMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.UpdateRouteRequest, io.llmgateway.admin.v1.UpdateRouteResponse> getUpdateRouteMethod;
    if ((getUpdateRouteMethod = RouteServiceGrpc.getUpdateRouteMethod) == null) {
      synchronized (RouteServiceGrpc.class) {
        if ((getUpdateRouteMethod = RouteServiceGrpc.getUpdateRouteMethod) == null) {
          RouteServiceGrpc.getUpdateRouteMethod = getUpdateRouteMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.UpdateRouteRequest, io.llmgateway.admin.v1.UpdateRouteResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateRoute"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.UpdateRouteRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.UpdateRouteResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RouteServiceMethodDescriptorSupplier("UpdateRoute"))
              .build();
        }
      }
    }
    return getUpdateRouteMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.llmgateway.admin.v1.DeleteRouteRequest,
      io.llmgateway.admin.v1.DeleteRouteResponse> getDeleteRouteMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteRoute",
      requestType = io.llmgateway.admin.v1.DeleteRouteRequest.class,
      responseType = io.llmgateway.admin.v1.DeleteRouteResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.llmgateway.admin.v1.DeleteRouteRequest,
      io.llmgateway.admin.v1.DeleteRouteResponse> getDeleteRouteMethod() {
    io.grpc.MethodDescriptor<io.llmgateway.admin.v1.DeleteRouteRequest, io.llmgateway.admin.v1.DeleteRouteResponse> getDeleteRouteMethod;
    if ((getDeleteRouteMethod = RouteServiceGrpc.getDeleteRouteMethod) == null) {
      synchronized (RouteServiceGrpc.class) {
        if ((getDeleteRouteMethod = RouteServiceGrpc.getDeleteRouteMethod) == null) {
          RouteServiceGrpc.getDeleteRouteMethod = getDeleteRouteMethod =
              io.grpc.MethodDescriptor.<io.llmgateway.admin.v1.DeleteRouteRequest, io.llmgateway.admin.v1.DeleteRouteResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteRoute"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.DeleteRouteRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.llmgateway.admin.v1.DeleteRouteResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RouteServiceMethodDescriptorSupplier("DeleteRoute"))
              .build();
        }
      }
    }
    return getDeleteRouteMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static RouteServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RouteServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RouteServiceStub>() {
        @java.lang.Override
        public RouteServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RouteServiceStub(channel, callOptions);
        }
      };
    return RouteServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static RouteServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RouteServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RouteServiceBlockingV2Stub>() {
        @java.lang.Override
        public RouteServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RouteServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return RouteServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static RouteServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RouteServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RouteServiceBlockingStub>() {
        @java.lang.Override
        public RouteServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RouteServiceBlockingStub(channel, callOptions);
        }
      };
    return RouteServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static RouteServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RouteServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RouteServiceFutureStub>() {
        @java.lang.Override
        public RouteServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RouteServiceFutureStub(channel, callOptions);
        }
      };
    return RouteServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * The routes that are configured. Aliases of models are with their provider. The file's cannot be changed here: FAILED_PRECONDITION with file and
   * line. What ProviderService says of changes holds here too.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * One route. NOT_FOUND where none has the name.
     * </pre>
     */
    default void getRoute(io.llmgateway.admin.v1.GetRouteRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.GetRouteResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetRouteMethod(), responseObserver);
    }

    /**
     * <pre>
     * All routes, by name.
     * </pre>
     */
    default void listRoutes(io.llmgateway.admin.v1.ListRoutesRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListRoutesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListRoutesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Where a request would go now, and why not elsewhere. No model is called; for a bare name that the configuration does not have,
     * providers are asked for their lists.
     * </pre>
     */
    default void explain(io.llmgateway.admin.v1.ExplainRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ExplainResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExplainMethod(), responseObserver);
    }

    /**
     * <pre>
     * What a request would cost at each model that may serve it. No model is called.
     * </pre>
     */
    default void estimateCost(io.llmgateway.admin.v1.EstimateCostRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.EstimateCostResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getEstimateCostMethod(), responseObserver);
    }

    /**
     * <pre>
     * Adds a route. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    default void createRoute(io.llmgateway.admin.v1.CreateRouteRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.CreateRouteResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateRouteMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes settings of a route that was set here.
     * </pre>
     */
    default void updateRoute(io.llmgateway.admin.v1.UpdateRouteRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.UpdateRouteResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateRouteMethod(), responseObserver);
    }

    /**
     * <pre>
     * Removes a route that was set here. Where the file has one of the same name, that one serves from then on.
     * </pre>
     */
    default void deleteRoute(io.llmgateway.admin.v1.DeleteRouteRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.DeleteRouteResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteRouteMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service RouteService.
   * <pre>
   * The routes that are configured. Aliases of models are with their provider. The file's cannot be changed here: FAILED_PRECONDITION with file and
   * line. What ProviderService says of changes holds here too.
   * </pre>
   */
  public static abstract class RouteServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return RouteServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service RouteService.
   * <pre>
   * The routes that are configured. Aliases of models are with their provider. The file's cannot be changed here: FAILED_PRECONDITION with file and
   * line. What ProviderService says of changes holds here too.
   * </pre>
   */
  public static final class RouteServiceStub
      extends io.grpc.stub.AbstractAsyncStub<RouteServiceStub> {
    private RouteServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RouteServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RouteServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * One route. NOT_FOUND where none has the name.
     * </pre>
     */
    public void getRoute(io.llmgateway.admin.v1.GetRouteRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.GetRouteResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetRouteMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * All routes, by name.
     * </pre>
     */
    public void listRoutes(io.llmgateway.admin.v1.ListRoutesRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListRoutesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListRoutesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Where a request would go now, and why not elsewhere. No model is called; for a bare name that the configuration does not have,
     * providers are asked for their lists.
     * </pre>
     */
    public void explain(io.llmgateway.admin.v1.ExplainRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ExplainResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExplainMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * What a request would cost at each model that may serve it. No model is called.
     * </pre>
     */
    public void estimateCost(io.llmgateway.admin.v1.EstimateCostRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.EstimateCostResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getEstimateCostMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Adds a route. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public void createRoute(io.llmgateway.admin.v1.CreateRouteRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.CreateRouteResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateRouteMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes settings of a route that was set here.
     * </pre>
     */
    public void updateRoute(io.llmgateway.admin.v1.UpdateRouteRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.UpdateRouteResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateRouteMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Removes a route that was set here. Where the file has one of the same name, that one serves from then on.
     * </pre>
     */
    public void deleteRoute(io.llmgateway.admin.v1.DeleteRouteRequest request,
        io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.DeleteRouteResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteRouteMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service RouteService.
   * <pre>
   * The routes that are configured. Aliases of models are with their provider. The file's cannot be changed here: FAILED_PRECONDITION with file and
   * line. What ProviderService says of changes holds here too.
   * </pre>
   */
  public static final class RouteServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<RouteServiceBlockingV2Stub> {
    private RouteServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RouteServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RouteServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * One route. NOT_FOUND where none has the name.
     * </pre>
     */
    public io.llmgateway.admin.v1.GetRouteResponse getRoute(io.llmgateway.admin.v1.GetRouteRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetRouteMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * All routes, by name.
     * </pre>
     */
    public io.llmgateway.admin.v1.ListRoutesResponse listRoutes(io.llmgateway.admin.v1.ListRoutesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListRoutesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Where a request would go now, and why not elsewhere. No model is called; for a bare name that the configuration does not have,
     * providers are asked for their lists.
     * </pre>
     */
    public io.llmgateway.admin.v1.ExplainResponse explain(io.llmgateway.admin.v1.ExplainRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExplainMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * What a request would cost at each model that may serve it. No model is called.
     * </pre>
     */
    public io.llmgateway.admin.v1.EstimateCostResponse estimateCost(io.llmgateway.admin.v1.EstimateCostRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getEstimateCostMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Adds a route. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public io.llmgateway.admin.v1.CreateRouteResponse createRoute(io.llmgateway.admin.v1.CreateRouteRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateRouteMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes settings of a route that was set here.
     * </pre>
     */
    public io.llmgateway.admin.v1.UpdateRouteResponse updateRoute(io.llmgateway.admin.v1.UpdateRouteRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateRouteMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes a route that was set here. Where the file has one of the same name, that one serves from then on.
     * </pre>
     */
    public io.llmgateway.admin.v1.DeleteRouteResponse deleteRoute(io.llmgateway.admin.v1.DeleteRouteRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeleteRouteMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service RouteService.
   * <pre>
   * The routes that are configured. Aliases of models are with their provider. The file's cannot be changed here: FAILED_PRECONDITION with file and
   * line. What ProviderService says of changes holds here too.
   * </pre>
   */
  public static final class RouteServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<RouteServiceBlockingStub> {
    private RouteServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RouteServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RouteServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * One route. NOT_FOUND where none has the name.
     * </pre>
     */
    public io.llmgateway.admin.v1.GetRouteResponse getRoute(io.llmgateway.admin.v1.GetRouteRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetRouteMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * All routes, by name.
     * </pre>
     */
    public io.llmgateway.admin.v1.ListRoutesResponse listRoutes(io.llmgateway.admin.v1.ListRoutesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListRoutesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Where a request would go now, and why not elsewhere. No model is called; for a bare name that the configuration does not have,
     * providers are asked for their lists.
     * </pre>
     */
    public io.llmgateway.admin.v1.ExplainResponse explain(io.llmgateway.admin.v1.ExplainRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExplainMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * What a request would cost at each model that may serve it. No model is called.
     * </pre>
     */
    public io.llmgateway.admin.v1.EstimateCostResponse estimateCost(io.llmgateway.admin.v1.EstimateCostRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getEstimateCostMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Adds a route. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public io.llmgateway.admin.v1.CreateRouteResponse createRoute(io.llmgateway.admin.v1.CreateRouteRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateRouteMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes settings of a route that was set here.
     * </pre>
     */
    public io.llmgateway.admin.v1.UpdateRouteResponse updateRoute(io.llmgateway.admin.v1.UpdateRouteRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateRouteMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes a route that was set here. Where the file has one of the same name, that one serves from then on.
     * </pre>
     */
    public io.llmgateway.admin.v1.DeleteRouteResponse deleteRoute(io.llmgateway.admin.v1.DeleteRouteRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteRouteMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service RouteService.
   * <pre>
   * The routes that are configured. Aliases of models are with their provider. The file's cannot be changed here: FAILED_PRECONDITION with file and
   * line. What ProviderService says of changes holds here too.
   * </pre>
   */
  public static final class RouteServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<RouteServiceFutureStub> {
    private RouteServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RouteServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RouteServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * One route. NOT_FOUND where none has the name.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.GetRouteResponse> getRoute(
        io.llmgateway.admin.v1.GetRouteRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetRouteMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * All routes, by name.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.ListRoutesResponse> listRoutes(
        io.llmgateway.admin.v1.ListRoutesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListRoutesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Where a request would go now, and why not elsewhere. No model is called; for a bare name that the configuration does not have,
     * providers are asked for their lists.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.ExplainResponse> explain(
        io.llmgateway.admin.v1.ExplainRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExplainMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * What a request would cost at each model that may serve it. No model is called.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.EstimateCostResponse> estimateCost(
        io.llmgateway.admin.v1.EstimateCostRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getEstimateCostMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Adds a route. ALREADY_EXISTS where the name is in use.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.CreateRouteResponse> createRoute(
        io.llmgateway.admin.v1.CreateRouteRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateRouteMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes settings of a route that was set here.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.UpdateRouteResponse> updateRoute(
        io.llmgateway.admin.v1.UpdateRouteRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateRouteMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Removes a route that was set here. Where the file has one of the same name, that one serves from then on.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.llmgateway.admin.v1.DeleteRouteResponse> deleteRoute(
        io.llmgateway.admin.v1.DeleteRouteRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteRouteMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_ROUTE = 0;
  private static final int METHODID_LIST_ROUTES = 1;
  private static final int METHODID_EXPLAIN = 2;
  private static final int METHODID_ESTIMATE_COST = 3;
  private static final int METHODID_CREATE_ROUTE = 4;
  private static final int METHODID_UPDATE_ROUTE = 5;
  private static final int METHODID_DELETE_ROUTE = 6;

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
        case METHODID_GET_ROUTE:
          serviceImpl.getRoute((io.llmgateway.admin.v1.GetRouteRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.GetRouteResponse>) responseObserver);
          break;
        case METHODID_LIST_ROUTES:
          serviceImpl.listRoutes((io.llmgateway.admin.v1.ListRoutesRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ListRoutesResponse>) responseObserver);
          break;
        case METHODID_EXPLAIN:
          serviceImpl.explain((io.llmgateway.admin.v1.ExplainRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.ExplainResponse>) responseObserver);
          break;
        case METHODID_ESTIMATE_COST:
          serviceImpl.estimateCost((io.llmgateway.admin.v1.EstimateCostRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.EstimateCostResponse>) responseObserver);
          break;
        case METHODID_CREATE_ROUTE:
          serviceImpl.createRoute((io.llmgateway.admin.v1.CreateRouteRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.CreateRouteResponse>) responseObserver);
          break;
        case METHODID_UPDATE_ROUTE:
          serviceImpl.updateRoute((io.llmgateway.admin.v1.UpdateRouteRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.UpdateRouteResponse>) responseObserver);
          break;
        case METHODID_DELETE_ROUTE:
          serviceImpl.deleteRoute((io.llmgateway.admin.v1.DeleteRouteRequest) request,
              (io.grpc.stub.StreamObserver<io.llmgateway.admin.v1.DeleteRouteResponse>) responseObserver);
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
          getGetRouteMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.GetRouteRequest,
              io.llmgateway.admin.v1.GetRouteResponse>(
                service, METHODID_GET_ROUTE)))
        .addMethod(
          getListRoutesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.ListRoutesRequest,
              io.llmgateway.admin.v1.ListRoutesResponse>(
                service, METHODID_LIST_ROUTES)))
        .addMethod(
          getExplainMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.ExplainRequest,
              io.llmgateway.admin.v1.ExplainResponse>(
                service, METHODID_EXPLAIN)))
        .addMethod(
          getEstimateCostMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.EstimateCostRequest,
              io.llmgateway.admin.v1.EstimateCostResponse>(
                service, METHODID_ESTIMATE_COST)))
        .addMethod(
          getCreateRouteMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.CreateRouteRequest,
              io.llmgateway.admin.v1.CreateRouteResponse>(
                service, METHODID_CREATE_ROUTE)))
        .addMethod(
          getUpdateRouteMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.UpdateRouteRequest,
              io.llmgateway.admin.v1.UpdateRouteResponse>(
                service, METHODID_UPDATE_ROUTE)))
        .addMethod(
          getDeleteRouteMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.llmgateway.admin.v1.DeleteRouteRequest,
              io.llmgateway.admin.v1.DeleteRouteResponse>(
                service, METHODID_DELETE_ROUTE)))
        .build();
  }

  private static abstract class RouteServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    RouteServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.llmgateway.admin.v1.RouteOuterClass.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("RouteService");
    }
  }

  private static final class RouteServiceFileDescriptorSupplier
      extends RouteServiceBaseDescriptorSupplier {
    RouteServiceFileDescriptorSupplier() {}
  }

  private static final class RouteServiceMethodDescriptorSupplier
      extends RouteServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    RouteServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (RouteServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new RouteServiceFileDescriptorSupplier())
              .addMethod(getGetRouteMethod())
              .addMethod(getListRoutesMethod())
              .addMethod(getExplainMethod())
              .addMethod(getEstimateCostMethod())
              .addMethod(getCreateRouteMethod())
              .addMethod(getUpdateRouteMethod())
              .addMethod(getDeleteRouteMethod())
              .build();
        }
      }
    }
    return result;
  }
}
