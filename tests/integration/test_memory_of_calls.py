"""A call that is over holds nothing, also where Python's collector does not come by: a request may have 32 MB."""

import asyncio
import contextlib
import gc
import types
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from llmgateway import make_request
from llmgateway.v1 import gateway_pb2

from tests.support import upstream as scripted
from tests.support.gateway import Local, provider
from tests.support.upstream import END, HANG, RESET, Head, Raw, Upstream, chat, chat_stream, event, whole
from tests.support.waiting import eventually

Factory = Callable[..., Any]
MARK = "held-by-nobody"
BAD_GATEWAY = whole(502, b"{}")
OUTCOMES: dict[str, list[scripted.Script]] = {
    "answered": [],
    "answered at the second try": [BAD_GATEWAY],
    "answered by the fallback": [BAD_GATEWAY, BAD_GATEWAY],
    "failed everywhere": [BAD_GATEWAY] * 3,
    "refused by the provider": [whole(400, b'{"error": {"message": "no"}}')] * 3,
    "wrong answers": [whole(200, b"[]")] * 3,
    "reset connections": [(RESET,)] * 3,
    "cut in the middle": [(Head(200, (("content-type", "text/event-stream"),)), event("a"), RESET)] * 3,
    "no answer's bytes": [(Head(200, (("content-type", "text/event-stream"),)), event("a"), Raw(b"zz\r\n"), END)] * 3,
    "a refused request": [],
    "a deadline": [(HANG,)],
    "a cancelled call": [(HANG,)],
}


def held() -> list[str]:
    """The kinds of what holds a request that bears the mark."""
    found = [
        each
        for each in gc.get_objects()
        if isinstance(each, gateway_pb2.SendRequest | gateway_pb2.StreamSendRequest) and MARK in str(each)
    ]
    return [
        f"{kind.f_code.co_qualname}:{kind.f_lineno}" if isinstance(kind, types.FrameType) else type(kind).__name__
        for each in found
        for kind in gc.get_referrers(each)
        if kind is not found and not (isinstance(kind, types.FrameType) and kind.f_code.co_name == "held")
    ]


@pytest.mark.parametrize("streamed", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_a_call_that_is_over_holds_no_request(
    outcome: str, streamed: bool, gateway_factory: Factory, upstream: Upstream
) -> None:
    """Whatever came of it: an exception that keeps its frames, which keep it, would hold the request until the collector finds the circle."""
    running: Local = await gateway_factory(
        {
            "providers": {"edge": provider(upstream.url), "spare": provider(upstream.url)},
            "routes": {"r": {"targets": ["edge/m"], "fallbacks": ["spare/m"]}},
            "defaults": {"retry": {"max_attempts": 3, "initial_backoff": "1ms"}},
        }
    )
    answer = chat_stream() if streamed else chat("hi")
    upstream.script(*OUTCOMES[outcome], answer)
    await asyncio.sleep(0)
    gc.collect()
    gc.disable()
    try:
        task = asyncio.ensure_future(ask(running, outcome, streamed))
        if outcome == "a cancelled call":
            await eventually(lambda: bool(upstream.requests), "a call of the provider")
            task.cancel()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            await task
        del task
        with contextlib.suppress(AssertionError):
            await eventually(lambda: not held(), "nothing holds it")
        assert held() == []
    finally:
        gc.enable()


async def ask(running: Local, outcome: str, streamed: bool) -> None:
    """Sends bytes, so that each message that is found is the gateway's."""
    request = make_request("hi", model="r")
    request.labels["mark"] = MARK
    if outcome == "a refused request":
        request.generation_config.temperature = -1
    timeout = 1.0 if outcome == "a deadline" else 30.0
    service = gateway_pb2.DESCRIPTOR.services_by_name["LLMGateway"].full_name
    async with grpc.aio.insecure_channel(running.address) as channel:
        if streamed:
            data = gateway_pb2.StreamSendRequest(request=request).SerializeToString()
            del request
            stream: Any = channel.unary_stream(f"/{service}/StreamSend")
            async for _ in stream(data, timeout=timeout):
                pass
        else:
            data = request.SerializeToString()
            del request
            send: Any = channel.unary_unary(f"/{service}/Send")
            await send(data, timeout=timeout)
