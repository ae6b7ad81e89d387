"""Load: calls that check their own answer, and the ways to issue them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import grpc
import msgspec
from llmgateway.v1 import content_pb2, gateway_pb2, gateway_pb2_grpc

from tests.bench.http1 import LOOPBACK, Client
from tests.bench.upstream import BACK_TO_BACK, SILENT, STREAM_TEXT, UNARY_TEXT

Call: TypeAlias = Callable[[], Awaitable[None]]
"""One call; raises `WrongAnswerError` or `grpc.RpcError` unless the answer is whole and as the upstream wrote it."""

Stub: TypeAlias = "gateway_pb2_grpc.LLMGatewayAsyncStub"

SYSTEM = "You answer in one short sentence."
PROMPT = "What does a gateway in front of language models do?"
CONCURRENCY = 16


class WrongAnswerError(Exception):
    """A call succeeded without the text, or without the end, that the fake upstream sent."""


def _expect(text: str, expected: str) -> None:
    if text != expected:
        raise WrongAnswerError(f"{len(text)} characters, expected {len(expected)}: {text[:80]!r}")


def connect(port: int) -> grpc.aio.Channel:
    """A channel of its own to a server on loopback, which shares no connection with other channels."""
    return grpc.aio.insecure_channel(f"{LOOPBACK}:{port}", options=[("grpc.use_local_subchannel_pool", 1)])


def _send_request(model: str, turns: int = 1) -> gateway_pb2.SendRequest:
    def message(role: content_pb2.Role.ValueType, text: str) -> content_pb2.Message:
        return content_pb2.Message(role=role, parts=[content_pb2.Part(text=content_pb2.TextPart(text=text))])

    turn = [message(content_pb2.ROLE_USER, PROMPT), message(content_pb2.ROLE_ASSISTANT, UNARY_TEXT)]
    return gateway_pb2.SendRequest(
        model=model, messages=[message(content_pb2.ROLE_SYSTEM, SYSTEM), *(turn * turns)[:-1]]
    )


def send(stub: Stub, model: str = f"edge/{BACK_TO_BACK}", turns: int = 1) -> Call:
    """`Send` of a system message and so many turns, the last without its answer."""
    request = _send_request(model, turns)

    async def call() -> None:
        response = await stub.Send(request)
        _expect("".join(part.text.text for part in response.candidates[0].message.parts), UNARY_TEXT)

    return call


def stream_send(stub: Stub, model: str) -> Call:
    """`StreamSend`, read to its terminal event."""
    request = gateway_pb2.StreamSendRequest(request=_send_request(f"edge/{model}"))

    async def call() -> None:
        text: list[str] = []
        last = ""
        async for response in stub.StreamSend(request):
            last = response.WhichOneof("event") or ""
            if last == "part_delta":
                text.append(response.part_delta.text)
            elif last == "part_started":
                text.append(response.part_started.part.text.text)
        _expect("".join(text), STREAM_TEXT)
        if last != "completed":
            raise WrongAnswerError(f"the stream ended with {last!r} instead of its terminal event")

    return call


def _chat_body(model: str, **fields: object) -> bytes:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    return msgspec.json.encode({"model": model, "messages": messages, **fields})


def chat(client: Client) -> Call:
    """An OpenAI chat completion over HTTP."""
    body = _chat_body(BACK_TO_BACK)

    async def call() -> None:
        status, answer = await client.post("/v1/chat/completions", body)
        if status != 200:
            raise WrongAnswerError(f"HTTP {status}: {answer[:200]!r}")
        _expect(msgspec.json.decode(answer)["choices"][0]["message"]["content"], UNARY_TEXT)

    return call


def stream_chat(client: Client, model: str) -> Call:
    """A streamed OpenAI chat completion over HTTP, read to `[DONE]`."""
    body = _chat_body(model, stream=True, stream_options={"include_usage": True})

    async def call() -> None:
        status, answer = await client.post("/v1/chat/completions", body)
        if status != 200:
            raise WrongAnswerError(f"HTTP {status}: {answer[:200]!r}")
        data = [line[6:] for line in answer.split(b"\n") if line.startswith(b"data: ")]
        if data[-1].strip() != b"[DONE]":
            raise WrongAnswerError("the stream ended without [DONE]")
        choices = [choice for chunk in data[:-1] for choice in msgspec.json.decode(chunk).get("choices", [])]
        _expect("".join(choice["delta"].get("content") or "" for choice in choices), STREAM_TEXT)

    return call


async def repeat(call: Call, count: int, concurrency: int = CONCURRENCY) -> None:
    """`count` calls, `concurrency` at a time."""
    turns = iter(range(count))

    async def work() -> None:
        for _ in turns:
            await call()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, count)):
            group.create_task(work())


async def latencies(calls: list[Call], rate: float, seconds: float) -> list[list[float]]:
    """Open loop: seconds to the answers of each call, issued `rate` times a second whether or not answered, in turn."""
    loop = asyncio.get_running_loop()
    taken: list[list[float]] = [[] for _ in calls]

    async def timed(index: int) -> None:
        issued = time.perf_counter()
        await calls[index]()
        taken[index].append(time.perf_counter() - issued)

    start = loop.time()
    async with asyncio.TaskGroup() as group:
        for turn in range(int(rate * seconds) * len(calls)):
            await asyncio.sleep(start + turn / (rate * len(calls)) - loop.time())
            group.create_task(timed(turn % len(calls)))
    return taken


@asynccontextmanager
async def silent_streams(stub: Stub, count: int) -> AsyncIterator[None]:
    """Holds `count` streams open, each past its first delta, against an upstream that then stays silent."""
    request = gateway_pb2.StreamSendRequest(request=_send_request(f"edge/{SILENT}"))
    calls = [stub.StreamSend(request) for _ in range(count)]

    async def first_delta(
        call: grpc.aio.UnaryStreamCall[gateway_pb2.StreamSendRequest, gateway_pb2.StreamSendResponse],
    ) -> None:
        async for response in call:
            if response.WhichOneof("event") == "part_delta":
                return
        raise WrongAnswerError("a stream ended before its first delta")

    try:
        await asyncio.gather(*map(first_delta, calls))
        yield
    finally:
        for call in calls:
            call.cancel()
