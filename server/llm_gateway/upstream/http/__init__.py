"""HTTP/1.1 to one endpoint: `client` is the seam, `h1` the connection, `proxied` the way through a proxy, `resolver` the addresses. Imports nothing of the gateway's."""

from llm_gateway.upstream.http.client import CUT_BYTES, Body, HttpClient, HttpResponse
from llm_gateway.upstream.http.h1 import (
    ConnectFailed,
    ConnectionBroken,
    ConnectTimeout,
    Headers,
    ProtocolViolation,
    ResponseTooLarge,
    TlsFailed,
    TransportError,
)

__all__ = [
    "CUT_BYTES",
    "Body",
    "ConnectFailed",
    "ConnectTimeout",
    "ConnectionBroken",
    "Headers",
    "HttpClient",
    "HttpResponse",
    "ProtocolViolation",
    "ResponseTooLarge",
    "TlsFailed",
    "TransportError",
]
