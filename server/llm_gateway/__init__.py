"""LLMGateway: one gRPC contract in front of many LLM providers."""

import os

__version__ = "0.1.0"

# uvloop starts child processes by fork(2). gRPC's handlers of it would run in the child, among locks of threads that are not there, and some
# children end before they begin. It reads the variable when it is first used; who needs the handlers sets it before.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# gRPC's core writes lines of its own to standard error, which are no JSON. What they tell of is in our lines, or in statuses. The core reads
# the variable when grpc is imported; who wants the lines sets it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
