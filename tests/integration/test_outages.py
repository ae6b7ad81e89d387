"""Failures that other gateways are known for, and real servers that die under load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from llmgateway import AsyncClient, StreamInterrupted, make_request
from llmgateway.v1 import gateway_pb2, gateway_pb2_grpc

from tests.faults.history import Outcome, ask, flaw, numbers
from tests.faults.rig import until
from tests.support import gateway as gateways
from tests.support import llama as llama_server
from tests.support import upstream as scripted
from tests.support.upstream import HANG, Head, Upstream, event, numbered
from tests.support.waiting import eventually

Factory = Callable[..., Any]
EVENT_STREAM = Head(200, (("content-type", "text/event-stream"),))


def with_fallback(primary: Upstream, fallback: Upstream, **settings: Any) -> dict[str, Any]:
    return {
        "providers": {"a": gateways.provider(primary.url, **settings), "b": gateways.provider(fallback.url)},
        "routes": {"r": {"targets": ["a/m"], "fallbacks": ["b/m"]}},
    }


@pytest.mark.parametrize("stream", [True, False])
async def test_a_provider_that_accepts_and_never_answers_is_left_behind(
    gateway_factory: Factory, upstream: Upstream, stream: bool
) -> None:
    """Its call is ended, the fallback answers, and after five of them it is not asked any more."""
    upstream.script((HANG,))
    limits = {"first_event": "100ms", "attempt": "150ms"}
    async with scripted.running() as fallback:
        fallback.script(scripted.chat_stream(3) if stream else scripted.chat(numbers(3)))
        rest = {"breaker": {"base_ejection": "1h", "max_ejection": "1h"}}  # no probe, however long the calls take
        running = await gateway_factory({**with_fallback(upstream, fallback, timeouts=limits), **rest})
        seen = [await ask(running.client, "r", stream=stream) for _ in range(6)]
        assert [flaw(one, 3, stream=stream) for one in seen] == [""] * 6
        assert all(one.ok and one.provider == "b" for one in seen)
        assert [attempt.reason for attempt in seen[0].attempts] == ["PROVIDER_TIMEOUT", ""]
        assert [one.attempts[0].skip_reason for one in seen] == [""] * 5 + ["CIRCUIT_OPEN"]
        await upstream.idle()
        # Where the machine is slow, an attempt may be over before its request is written.
        assert len(upstream.aborts) == len(upstream.requests) <= 5


async def test_a_stream_cut_midway_is_never_ok_never_spliced_and_told_with_its_usage(
    gateway_factory: Factory, upstream: Upstream
) -> None:
    """The fallback is not asked: the client holds part of an answer."""
    upstream.script((*scripted.stream(*numbered(5), end=False), scripted.CLOSE))
    async with scripted.running() as fallback:
        fallback.script(scripted.chat_stream(9))
        running = await gateway_factory(with_fallback(upstream, fallback))
        seen = await ask(running.client, "r")
        assert (seen.reason, seen.text) == ("STREAM_INTERRUPTED", numbers(5))
        assert isinstance(seen.error, StreamInterrupted)
        assert seen.error.provider_failure is not None
        usage = seen.error.provider_failure.partial_usage
        assert usage.estimated
        assert usage.output_tokens > 0
        assert (len(upstream.requests), len(fallback.requests)) == (1, 0)


async def test_an_outage_of_the_only_target_fails_fast_and_ends_by_itself(
    gateway_factory: Factory, upstream: Upstream
) -> None:
    """Refused at once with a time to come back, probed rarely, and served again after it."""
    upstream.script(scripted.whole(503, {"error": {"message": "down"}}))
    running = await gateway_factory({"providers": {"a": gateways.provider(upstream.url)}})
    started = time.monotonic()
    seen = [await ask(running.client, "a/m") for _ in range(200)]
    assert {one.code for one in seen} == {"UNAVAILABLE"}
    assert len(upstream.requests) <= 15 + (time.monotonic() - started)  # a probe a second at most
    refused = next(one for one in reversed(seen) if one.attempts[0].skip_reason)
    assert refused.attempts[0].skip_reason == "CIRCUIT_OPEN"
    assert refused.retry_delay is not None
    assert 0 < refused.retry_delay <= 4
    upstream.script(scripted.chat_stream(3))
    await asyncio.sleep(refused.retry_delay)
    outcomes: list[Outcome] = []

    async def served() -> bool:
        outcomes.append(await ask(running.client, "a/m"))
        return outcomes[-1].ok

    await eventually(served, "the target is called again")
    assert flaw(outcomes[-1], 3) == ""


async def test_a_client_that_does_not_read_is_dropped_and_its_provider_call_ended(
    gateway_factory: Factory, upstream: Upstream
) -> None:
    """ABORTED once it reads."""
    big = event("x" * 60_000)
    upstream.script((EVENT_STREAM, *(big,) * 3000, HANG))
    running = await gateway_factory(
        {"providers": {"a": gateways.provider(upstream.url)}, "server": {"send_timeout": "300ms"}}
    )
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535)]
    async with grpc.aio.insecure_channel(running.address, options=options) as channel:
        stub = gateway_pb2_grpc.LLMGatewayStub(channel)
        call = stub.StreamSend(gateway_pb2.StreamSendRequest(request=make_request("hi", model="a/m")))
        await upstream.seen(requests=1, aborts=1)
        assert await until(lambda: running.gateway.admission.in_flight == 0, 60)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in call:
                pass
        assert caught.value.code() is grpc.StatusCode.ABORTED


async def test_a_slow_client_is_not_its_providers_fault(gateway_factory: Factory, upstream: Upstream) -> None:
    """Pauses longer than the provider's idle limit: the whole answer arrives, and no breaker hears of it."""
    count = 40
    upstream.script(
        (
            *scripted.stream(
                *(event(f"{number} " + " " * 60_000) for number in range(count)), event("", "stop"), scripted.DONE
            ),
        )
    )
    running = await gateway_factory({"providers": {"a": gateways.provider(upstream.url, timeouts={"idle": "2s"})}})
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535)]
    async with grpc.aio.insecure_channel(running.address, options=options) as channel:
        stub = gateway_pb2_grpc.LLMGatewayStub(channel)
        text, pauses = "", 2
        async for one in stub.StreamSend(gateway_pb2.StreamSendRequest(request=make_request("hi", model="a/m"))):
            text += one.part_delta.text
            if one.part_delta.text and pauses:
                pauses -= 1
                await asyncio.sleep(2.5)
    assert text.split() == [str(number) for number in range(count)]


async def test_two_real_servers_and_one_killed_under_load(gateway_factory: Factory, tmp_path: Path) -> None:
    """llama.cpp at two endpoints: streams under way may break and say so; every call after that is served by the other."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with llama_server.running(tmp_path / "one") as first, llama_server.running(tmp_path / "two") as second:
        provider = gateways.provider(first.url, models=[llama_server.MODEL])
        del provider["endpoint"]
        provider["endpoints"] = [
            {"url": f"{first.url}/v1", "region": "stays"},
            {"url": f"{second.url}/v1", "region": "dies"},
        ]
        running = await gateway_factory({"providers": {"llama": provider}})
        seen: list[Outcome] = []
        stop = asyncio.Event()

        async def load() -> None:
            while not stop.is_set():
                request = make_request("go", model=f"llama/{llama_server.MODEL}", max_output_tokens=30)
                seen.append(await ask(running.client, "", request=request))

        workers = [asyncio.create_task(load()) for _ in range(4)]
        assert await until(lambda: len({a.deployment for one in seen for a in one.attempts}) == 2, 120)
        second.process.kill()
        killed = time.monotonic()
        assert await until(lambda: sum(one.started_at > killed for one in seen) >= 30, 120)
        stop.set()
        await asyncio.gather(*workers)
    assert {one.reason for one in seen if not one.ok} <= {"STREAM_INTERRUPTED"}
    assert all(one.ok and one.ended for one in seen if one.started_at > killed)
    assert seen[-1].attempts[-1].deployment == "stays"


async def test_a_cancelled_stream_is_told_to_the_log_as_cancelled_with_the_tokens_so_far(
    gateway_process: Callable[..., gateways.Process], upstream: Upstream
) -> None:
    """And to no breaker: the next call is served."""
    upstream.script((EVENT_STREAM, *numbered(20), HANG), scripted.chat_stream(3))
    running = gateway_process({"providers": {"a": gateways.provider(upstream.url)}})
    async with AsyncClient(running.address) as client:
        call = client.stream("hi", model="a/m")
        async for _ in call:
            break
        await call.close()
        await upstream.seen(aborts=1)
        assert (await ask(client, "a/m")).ok
    lines = await asyncio.to_thread(running.rpcs, 2)
    [cancelled] = [line for line in lines if line["code"] == "CANCELLED"]
    assert cancelled["output_tokens"] > 0
    assert cancelled["provider"] == "a"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("allowed", [None, 1, 2])
async def test_a_clients_own_retries_do_not_multiply_provider_calls(
    gateway_factory: Factory, upstream: Upstream, stream: bool, allowed: int | None
) -> None:
    """A client that retries twice, as by default, and a gateway that does: three provider calls, or as many as the caller allows."""
    upstream.script(scripted.whole(503, {"error": {"message": "down"}}))
    running = await gateway_factory({"providers": {"a": gateways.provider(upstream.url)}})
    request = make_request("hi", model="a/m")
    if allowed is not None:
        request.routing.max_attempts = allowed
    async with AsyncClient(running.address, timeout=60) as client:
        seen = await ask(client, "a/m", stream=stream, request=request)
    assert (seen.code, len(upstream.requests)) == ("UNAVAILABLE", allowed or 3)
    assert seen.error is not None
    pushback = dict(seen.error.__cause__.trailing_metadata() or ())["grpc-retry-pushback-ms"]  # type: ignore[union-attr]
    assert pushback == "-1"


async def test_a_rate_limit_is_no_wait_for_the_clients_stack(gateway_factory: Factory, upstream: Upstream) -> None:
    """RetryInfo names it to the caller; a push-back would make grpc-java wait and retry, for which nobody asked."""
    upstream.script(scripted.whole(429, {"error": {"message": "slow down"}}, headers=[("retry-after", "42")]))
    running = await gateway_factory({"providers": {"a": gateways.provider(upstream.url)}})
    seen = await ask(running.client, "a/m", stream=False)
    assert (seen.code, len(upstream.requests), seen.retry_delay) == ("RESOURCE_EXHAUSTED", 1, 42.0)
    assert seen.error is not None
    assert "grpc-retry-pushback-ms" not in dict(seen.error.__cause__.trailing_metadata() or ())  # type: ignore[union-attr]


async def test_a_call_that_no_provider_heard_of_is_pushed_back_by_the_wait(
    gateway_factory: Factory, upstream: Upstream
) -> None:
    """In an outage: a status with RetryInfo, and the same time for the client's own retry."""
    upstream.script(scripted.whole(503, {"error": {"message": "down"}}))
    rest = {"breaker": {"base_ejection": "30s", "max_ejection": "30s"}}
    running = await gateway_factory({"providers": {"a": gateways.provider(upstream.url)}, **rest})
    for _ in range(3):
        await ask(running.client, "a/m", stream=False)
    before = len(upstream.requests)
    seen = await ask(running.client, "a/m", stream=False)
    assert (seen.code, len(upstream.requests)) == ("UNAVAILABLE", before)
    assert seen.error is not None
    assert seen.retry_delay is not None
    pushback = dict(seen.error.__cause__.trailing_metadata() or ())["grpc-retry-pushback-ms"]  # type: ignore[union-attr]
    assert int(pushback) == pytest.approx(seen.retry_delay * 1000, abs=2)


async def test_a_call_that_a_rest_holds_back_is_no_attempt(gateway_factory: Factory, upstream: Upstream) -> None:
    """A used-up quota with its end: the next call is refused without a provider call, none is told of, and none is spent."""
    used_up = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    upstream.script(scripted.whole(429, used_up, headers=[("retry-after", "42")]))
    running = await gateway_factory({"providers": {"a": gateways.provider(upstream.url)}})
    first = await ask(running.client, "a/m", stream=False)
    second = await ask(running.client, "a/m", stream=False)
    assert (first.reason, second.reason) == ("PROVIDER_QUOTA_EXHAUSTED", "PROVIDER_QUOTA_EXHAUSTED")
    assert (first.calls, second.calls, len(upstream.requests)) == (1, 0, 1)
    assert second.retry_delay == pytest.approx(42.0, abs=30.0)
