"""Python client of LLMGateway: `Client`, `AsyncClient`, typed errors; the protos are in `llmgateway.v1`."""

from llmgateway.accumulator import Accumulator
from llmgateway.aio import AsyncClient, AsyncStream
from llmgateway.channel import DEFAULT_ADDRESS, DEFAULT_TIMEOUT, SERVICE_CONFIG, TLS
from llmgateway.client import Client, Stream
from llmgateway.core import Conversation, Generation, make_request, trace_context
from llmgateway.diagnosis import Diagnosis, diagnose
from llmgateway.errors import (
    Cancelled,
    ContextWindowExceeded,
    DeadlineExceeded,
    FailedPrecondition,
    GatewayError,
    Internal,
    InvalidArgument,
    ModelNotFound,
    NotFound,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    ResourceExhausted,
    StreamInterrupted,
    StreamTruncated,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    from_rpc_error,
)
from llmgateway.reply import ChatReply, ModelList

__all__ = [
    "DEFAULT_ADDRESS",
    "DEFAULT_TIMEOUT",
    "SERVICE_CONFIG",
    "TLS",
    "Accumulator",
    "AsyncClient",
    "AsyncStream",
    "Cancelled",
    "ChatReply",
    "Client",
    "ContextWindowExceeded",
    "Conversation",
    "DeadlineExceeded",
    "Diagnosis",
    "FailedPrecondition",
    "GatewayError",
    "Generation",
    "Internal",
    "InvalidArgument",
    "ModelList",
    "ModelNotFound",
    "NotFound",
    "PermissionDenied",
    "QuotaExhausted",
    "RateLimited",
    "ResourceExhausted",
    "Stream",
    "StreamInterrupted",
    "StreamTruncated",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "diagnose",
    "from_rpc_error",
    "make_request",
    "trace_context",
]
