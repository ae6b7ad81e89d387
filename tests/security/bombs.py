"""Row G11: what is too large is refused by the name of its limit, before it is expensive; what is large and allowed costs as much as it is long."""

from __future__ import annotations

import asyncio
import itertools
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from llmgateway.v1 import content_pb2, gateway_pb2

from tests.faults.rig import OPTIONS, Rig, Running, row
from tests.security import fields, providers
from tests.security.callers import TAKEN
from tests.support import http2
from tests.support import upstream as scripted
from tests.support.waiting import eventually

SERVICE = "llmgateway.v1.LLMGateway"
SEND = f"/{SERVICE}/Send"
MOST_BYTES = 32 << 20
"""`server.max_message_bytes`, by default."""
MOST_MB = 2 * MOST_BYTES / 1e6
TIMES_ITSELF = 10
"""What a request may cost that is 10 MB or more: gRPC has it in slices and in one piece, protobuf copies it, Python its texts, and what one call
has left the next finds."""
MOST_SECONDS = 0.05
LINEAR_SECONDS = 5.0
"""For a field of some hundred kilobytes; what is quadratic in it takes minutes."""
TIMES = 2
LARGE, COPIES = 10_000_000, 3 * TIMES
"""What takes longest of a large message is copying it, which other work on the machine slows."""
PERIOD = 0.005
"""What the probe takes off."""

Message = gateway_pb2.SendRequest


def _request(**more: Any) -> Message:
    request = Message(model="echo/echo", **more)
    request.messages.add(role=content_pb2.ROLE_USER).parts.add().text.text = "hi"
    return request


def _with(change: Callable[[Message], object]) -> bytes:
    request = _request()
    change(request)
    return request.SerializeToString()


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field of a message."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _in_message(parts: bytes) -> bytes:
    return _request().SerializeToString() + _field(3, b"\x08\x03" + parts)


def _options(text: str) -> Callable[[Message], object]:
    return lambda request: request.provider_options_json.update({"echo": text})


def _tools(count: int, schema: str) -> Callable[[Message], object]:
    def change(request: Message) -> None:
        for number in range(count):
            function = request.tools.add().function
            function.name, function.parameters_json_schema = f"f{number}", schema

    return change


def _deep(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def _wide(size: int) -> str:
    """Objects in a list, which take many times their text when they are read."""
    return '{"a":[' + ",".join(["{}"] * (size // 3)) + "]}"


def _part_options(count: int, text: str) -> Callable[[Message], object]:
    def change(request: Message) -> None:
        for _ in range(count):
            part = request.messages[0].parts.add()
            part.text.text = "x"
            part.provider_options_json["echo"] = text

    return change


def _bombs(*, quick: bool) -> Iterator[tuple[str, bytes, str]]:
    """(what, the bytes of a request, the name of the limit)."""
    million = 200_000 if quick else 1_000_000
    yield "messages", _request().SerializeToString() + b"\x1a\x02\x08\x03" * million, "max_messages"
    yield "empty messages to the limit", b"\x1a\x00" * ((4 << 20 if quick else MOST_BYTES) // 2), "max_messages"
    yield "numbers to the limit", b"\x08\x00" * ((4 << 20 if quick else MOST_BYTES) // 2), "max_fields"
    yield "empty texts to the limit", b"\x0a\x00" * ((4 << 20 if quick else MOST_BYTES) // 2), "max_fields"
    yield "parts", _in_message(_field(2, _field(1, b"")) * million), "max_parts"
    yield (
        "empty parts to the limit",
        _field(3, b"\x08\x03" + b"\x12\x00" * ((4 << 20 if quick else MOST_BYTES) // 2 - 8)),
        "max_parts",
    )
    yield (
        "parts of a tool's result",
        _in_message(_field(2, _field(4, _field(1, b"c") + _field(3, b"") * million))),
        "max_parts",
    )
    yield "citations", _in_message(_field(2, _field(1, _field(2, b"") * million))), "max_citations"
    yield (
        "citations in many parts",
        _in_message(_field(2, _field(1, _field(2, b"") * 100)) * (million // 100)),
        "max_citations",
    )
    yield "tools", _request().SerializeToString() + _field(5, b"") * million, "max_tools"
    yield "labels", _with(lambda r: r.labels.update({str(n): "" for n in range(million // 4)})), "max_labels"
    yield "safety settings", _request().SerializeToString() + _field(10, b"") * million, "max_safety_settings"
    yield (
        "options of many providers",
        _with(lambda r: r.provider_options_json.update({str(n): "{}" for n in range(million // 4)})),
        "max_provider_options_json",
    )
    yield (
        "options of a part for many providers",
        _with(
            lambda r: r.messages[0].parts[0].provider_options_json.update({str(n): "{}" for n in range(million // 4)})
        ),
        "max_provider_options_json",
    )
    yield (
        "stop sequences",
        _with(lambda r: r.generation_config.stop_sequences.extend(["x"] * million)),
        "max_stop_sequences",
    )
    yield (
        "biases",
        _with(lambda r: r.generation_config.logit_bias.update(dict.fromkeys(range(million // 4), 1.0))),
        "max_logit_bias",
    )
    yield (
        "allowed tools",
        _with(lambda r: r.tool_config.allowed_tool_names.extend(["x"] * million)),
        "max_allowed_tool_names",
    )
    yield "fallbacks", _with(lambda r: r.routing.fallback_models.extend(["x"] * million)), "max_fallback_models"
    yield (
        "excluded providers",
        _with(lambda r: r.routing.excluded_providers.extend(["x"] * million)),
        "max_excluded_providers",
    )
    yield "a model's name", _request().SerializeToString() + _field(1, b"x" * 10_000_000), "max_name"
    yield "a label", _with(lambda r: r.labels.update({"a": "x" * 10_000_000})), "max_name"
    yield "a label's name", _with(lambda r: r.labels.update({"x" * 10_000_000: "a"})), "max_name"
    yield "a deep schema", _with(_tools(1, _deep(101))), "max_depth"
    yield "a very deep schema", _with(_tools(1, _deep(10_000))), "max_depth"
    yield "deep options", _with(_options(_deep(101))), "max_depth"
    yield "very deep options", _with(_options(_deep(10_000))), "max_depth"
    yield (
        "an answer's deep schema",
        _with(lambda r: setattr(r.output_format.json_schema, "schema_json", _deep(10_000))),
        "max_depth",
    )
    yield "options", _with(_options(_wide(2 << 20))), "max_json"
    yield "a schema", _with(_tools(1, _wide(2 << 20))), "max_json"
    yield "options of all parts", _with(_part_options(10 if quick else 30, _wide(1_000_000))), "max_json_values"
    yield "small options of all parts", _with(_part_options(10_000, _wide(60))), "max_json_values"
    yield "schemas of all tools", _with(_tools(10 if quick else 30, _wide(1_000_000))), "max_json_values"
    yield (
        "arguments",
        _with(lambda r: setattr(r.messages[0].parts.add().tool_call, "arguments_json", _wide(20 * million))),
        "max_json_values",
    )
    yield (
        "an opaque block",
        _with(
            lambda r: r.messages[0].parts.add(opaque=content_pb2.OpaquePart(provider="echo", json=_wide(20 * million)))
        ),
        "max_json_values",
    )
    yield (
        "a source",
        _with(lambda r: r.messages[0].parts[0].text.citations.add(provider_json=_wide(20 * million))),
        "max_json_values",
    )


# ---------------------------------------------------------------- measuring
class Bomb:
    """One kind of request, sent a few times: what came back, how long the gateway took of its own, and what it grew by."""

    def __init__(self, what: str, data: bytes, limit: str) -> None:
        self.what, self.data, self.limit = what, data, limit
        self.code, self.told = "", ""
        self.seconds = self.grown = 0.0
        self.parsing = min(self._parse() for _ in range(TIMES)) if len(data) <= MOST_BYTES else 0.0

    def _parse(self) -> float:
        begun = time.thread_time()
        Message.FromString(self.data)
        return time.thread_time() - begun

    @property
    def flaw(self) -> str:
        if self.code not in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED") or f"({self.limit}" not in self.told:
            return f"{self.what}: {self.code} {self.told[:100]!r}, not by {self.limit}"
        if self.seconds > MOST_SECONDS:
            return f"{self.what}: {self.seconds * 1000:.0f} ms"
        return (
            f"{self.what}: + {self.grown:.0f} MB"
            if self.grown > max(MOST_MB, TIMES_ITSELF * len(self.data) / 1e6)
            else ""
        )


def _reasons(error: grpc.aio.AioRpcError) -> str:
    """The message, and what is told of each field."""
    told = error.details() or ""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                bad = error_details_pb2.BadRequest()
                if detail.Unpack(bad):
                    told += "".join(
                        f" {violation.field}: {violation.description}" for violation in bad.field_violations
                    )
    return told


async def _sent(
    gateway: Running, channel: grpc.aio.Channel, bomb: Bomb, handing: float = 0.0, times: int = TIMES
) -> None:
    """The longest that the event loop was held, by the CPU time of its thread, the best of a few times; without what is not ours: the parsing
    of protobuf, and what gRPC takes to hand a byte over (handing, measured at a bare server)."""
    before, top = gateway.rss(), 0.0
    send: Any = channel.unary_unary(SEND)
    held = []
    for _ in range(times):
        gateway.forget_lag()
        call = send(bomb.data, timeout=120)
        ended = asyncio.ensure_future(call.code())
        while not ended.done():
            top = max(top, gateway.rss() - before)
            await asyncio.sleep(0.005)
        bomb.code = ended.result().name
        try:
            await call
        except grpc.aio.AioRpcError as error:
            bomb.told = _reasons(error)
        written = gateway.probe.stat().st_mtime_ns
        await eventually(lambda: gateway.probe.stat().st_mtime_ns != written, "the gateway's probe writes its figures")  # noqa: B023 - awaited here
        held.append(gateway.figures()["max"] + PERIOD)
    parsed = "in all (" not in bomb.told  # what is counted before is not
    bomb.seconds = max(0.0, min(held) - bomb.parsing * parsed - handing * len(bomb.data))
    bomb.grown = max(top, gateway.rss() - before)


async def _endless(gateway: Running, size: int) -> str:
    """A message of this size, as its first bytes say: refused before it has come."""
    begun = time.perf_counter()
    async with http2.connect(gateway.address) as peer:
        peer.send(http2.HEADERS, http2.headers(SEND, gateway.address), flags=http2.END_HEADERS, stream=1)
        peer.send(http2.DATA, b"\0" + struct.pack(">I", size) + bytes(10_000), stream=1)
        async for frame in peer.frames():
            if frame.kind in (http2.RST_STREAM, http2.GOAWAY) or (
                frame.kind == http2.HEADERS and frame.flags & http2.END_STREAM
            ):
                break
        else:
            return f"a message of {size >> 20} MB is not refused"
    seconds = time.perf_counter() - begun
    return f"a message of {size >> 20} MB is refused after {seconds * 1000:.0f} ms" if seconds > 1.0 else ""


# ---------------------------------------------------------------- what is allowed
HOSTILE = (
    "a" * 32, "a-" * 16, "../" * 10, "a.b" * 10, " " * 32, "data:image/png;a=b" * 2, "claude-" * 5, "AAAA1111" * 4, "\u2028" * 8, "((((" * 8, '{"a":' * 6, "1234567890" * 3,
    "toolu_" * 5, "https://a/" * 3, "x/y;q=" * 5,
)  # fmt: skip
"""What patterns that look back would look back over."""


async def _linear(rig: Rig, size: int) -> list[str]:
    """Each field of each kind with a long text: calls that took longer than any that is linear in it would."""
    secret: Callable[[str], str] = lambda name: f"{name}-correct-horse"  # noqa: E731
    flaws, slowest = [], (0.0, "")
    async with scripted.running() as upstream:
        upstream.answer = lambda request: providers.answer(request, "ok")
        known = {
            name: settings for name, settings in providers.configured(upstream.url, secret).items() if name in TAKEN
        }
        config = {"providers": known, "defaults": {"retry": {"max_attempts": 1}}, "breaker": {"enabled": False}}
        texts = itertools.cycle(HOSTILE)
        async with rig.process(config) as gateway, grpc.aio.insecure_channel(gateway.address, OPTIONS) as channel:
            send: Any = channel.unary_unary(SEND)
            for name in TAKEN[:2] if rig.quick else TAKEN:
                for path, put in fields.places(fields.filled(f"{name}/m")):
                    text = next(texts)
                    request = fields.filled(f"{name}/m")
                    put(request, (text * (size // len(text) + 1))[:size] + "!")
                    data = request.SerializeToString()
                    begun = time.perf_counter()
                    code = (await send(data, timeout=300).code()).name
                    seconds = time.perf_counter() - begun
                    slowest = max(slowest, (seconds, f"{name}, {path}"))
                    if seconds > LINEAR_SECONDS or code not in ("OK", "INVALID_ARGUMENT", "NOT_FOUND"):
                        flaws.append(f"{name}, {path} of {text[:12]!r}: {seconds:.2f} s, {code}")
    rig.note(f"slowest of the long texts: {slowest[1]}, {slowest[0] * 1000:.0f} ms")
    return flaws


# ---------------------------------------------------------------- the row
@row("G11", star=True, most=0, timed=True)
async def what_is_too_large_is_refused_at_once(rig: Rig) -> float:
    """Bombs of each size that has a limit: refused otherwise than by its name, in more than 50 ms beside protobuf's parsing, or for more memory than twice the limit of a request, of one of 10 MB ten times itself; long texts that cost more than their length."""
    options = [*OPTIONS, ("grpc.max_send_message_length", -1)]
    whole = bytes(MOST_BYTES + 1)
    handed = Bomb("a message at a bare server", whole, "")
    async with rig.floor() as bare, grpc.aio.insecure_channel(bare.address, options) as channel:
        await _sent(bare, channel, handed, times=COPIES)
    handing = handed.seconds / len(whole)
    flaws = []
    async with rig.process({"providers": {"echo": {"default_model": "echo"}}}) as gateway:
        async with grpc.aio.insecure_channel(gateway.address, options) as channel:
            await _sent(gateway, channel, Bomb("", _with(lambda request: None), ""))
            for what, data, limit in [("a message", whole, "server.max_message_bytes"), *_bombs(quick=rig.quick)]:
                bomb = Bomb(what, data, limit)
                await _sent(gateway, channel, bomb, handing, TIMES if len(data) < LARGE else COPIES)
                flaws.append(bomb.flaw)
                rig.note(
                    f"{what}: {bomb.seconds * 1000:.1f} ms beside {bomb.parsing * 1000:.0f} of parsing and {handing * len(data) * 1000:.0f} of"
                    f" handing it over, + {bomb.grown:.0f} MB, {len(data) / 1e6:.1f} MB"
                )
        flaws += [await _endless(gateway, size) for size in (65 << 20, 500 << 20, 4095 << 20)]
    flaws += await _linear(rig, 50_000 if rig.quick else 300_000)
    return rig.flaws(flaws)
