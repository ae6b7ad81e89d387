"""The RPC chain, outermost first: errors → telemetry → auth → admission → servicer.

Each is a grpc.aio.ServerInterceptor. What they know of a call travels in `state.current`, a context variable: grpc.aio runs the
interceptors and the handler of a call in one task.
"""
