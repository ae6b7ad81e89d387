"""LLMGateway: one gRPC contract in front of many LLM providers."""

import os

__version__ = "0.1.0"

# uvloop starts child processes by fork(2). gRPC's handlers of it would run in the child, among locks of threads that are not there, and some
# children end before they begin. It reads the variable when it is first used; who needs the handlers sets it before.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
