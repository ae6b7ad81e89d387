"""Both chains, outermost first."""

from __future__ import annotations

from opentelemetry import trace

from llm_gateway.calls.blocked import Blocked
from llm_gateway.calls.call import Call, Handler, call_endpoint
from llm_gateway.calls.chain import Chain
from llm_gateway.calls.deadline import Deadline
from llm_gateway.calls.fallback import Fallback
from llm_gateway.calls.limit import Limit
from llm_gateway.calls.load_balance import LoadBalance
from llm_gateway.calls.retry import Retry
from llm_gateway.calls.trace import Trace, TraceAttempt
from llm_gateway.rpc.admission import Admission
from llm_gateway.rpc.auth import Auth
from llm_gateway.rpc.errors import Errors
from llm_gateway.rpc.server import RpcChain
from llm_gateway.rpc.sizes import Sizes
from llm_gateway.rpc.telemetry import Telemetry


def rpc_chain(telemetry: Telemetry, auth: Auth, admission: Admission, *, most: int) -> RpcChain:
    """What happens to every RPC before its servicer. most: bytes that a request may have."""
    return RpcChain(
        Errors(),
        telemetry,
        auth,
        admission,
        Sizes(most),
        most=most,
    )


def provider_chain(tracer: trace.Tracer | None = None) -> Handler[Call]:
    """What happens to a Send or StreamSend between the servicer and the provider. tracer: makes the spans, if any are wanted."""
    return (
        Chain(Trace(), Deadline(), Blocked())
        .then(Fallback())
        .then(Retry())
        .then(LoadBalance())
        .then(Limit())
        .then(TraceAttempt(tracer))
        .to(call_endpoint)
    )
