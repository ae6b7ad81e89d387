"""Rows A: what a provider says arrives whole, in order, once, or the status says that it did not."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress
from typing import Any

from google.protobuf import json_format
from llm_gateway.protocols import anthropic, gemini, openai_chat
from llm_gateway.protocols.wire import WireFormat
from llm_gateway.routing.needs import CHARACTERS_PER_TOKEN
from llmgateway import AsyncClient, GatewayError, make_request
from llmgateway.accumulator import Accumulator
from llmgateway.v1 import gateway_pb2, usage_pb2

from tests.faults.history import Outcome, ask, flaw, numbers
from tests.faults.rig import Rig, Running, attempts, provider, row, until
from tests.golden import runner
from tests.support import dialects
from tests.support import upstream as scripted
from tests.support.upstream import CLOSE, DONE, END, HANG, RESET, Head, Pause, Script, sse

GOLDEN: tuple[tuple[str, WireFormat, Any, str], ...] = (
    ("openai_chat", openai_chat, dialects.CHAT, "GENERIC"),
    ("anthropic", anthropic, anthropic, "ANTHROPIC"),
    ("gemini", gemini, gemini, "GEMINI"),
)
FRAME_LIMIT = 16 << 20
NASTY = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei \U0001f600\U0001f468\u200d\U0001f469 \\u0000 data: {} \\n\\n : ping 名前\u0301"


@row("A1", star=True, most=0)
async def many_streams_at_once_are_exact(rig: Rig) -> float:
    """200 concurrent streams of 200 numbered events: flawed histories."""
    streams, events, every = (20, 20, 0.02) if rig.quick else (200, 200, 0.1)
    async with scripted.running() as upstream, rig.process({"providers": {"p": provider(upstream)}}) as gateway:
        upstream.script(scripted.chat_stream(events, every=every))
        seen = await asyncio.gather(*(ask(gateway.client, "p/m", timeout=120) for _ in range(streams)))
        return rig.flaws([flaw(one, events) or ("" if one.ok else f"{one.code} {one.reason}") for one in seen])


@row("A2", star=True, most=0)
async def a_burst_is_served_or_refused_with_a_time(rig: Rig) -> float:
    """2,500 calls at once at a limit of 1,000: outcomes other than OK and a refusal with RetryInfo."""
    burst = 250 if rig.quick else 2500
    server = {"max_in_flight": burst * 2 // 5, "max_streams": burst}  # else the client keeps back what would be refused
    async with scripted.running() as upstream:
        limits = {"limits": {"concurrency": burst}}
        async with rig.process({"providers": {"p": provider(upstream, **limits)}, "server": server}) as gateway:
            upstream.script((Pause(0.2), *scripted.chat("ok")))
            seen = await asyncio.gather(*(ask(gateway.client, "p/m", stream=False) for _ in range(burst)))
    served = sum(one.ok for one in seen)
    if not served:
        rig.note("nothing was served")
        return float(burst)
    return rig.flaws(["" if one.ok or _refused(one) else f"{one.code} {one.reason} {one.retry_delay}" for one in seen])


def _refused(outcome: Outcome) -> bool:
    return outcome.code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED") and bool(outcome.retry_delay)


def _golden_streams() -> list[tuple[str, WireFormat, Any, runner.Case]]:
    found = []
    for module, wire, home, usual in GOLDEN:
        for parameter in runner.cases(module, "stream"):
            case = parameter.values[0]
            if "response" in case:
                dialect = getattr(home, case.get("dialect", usual))
                found.append((f"{module}/{parameter.id}", wire, dialect, case))
    return found


@row("A3", star=True, most=0)
async def bytes_may_be_cut_anywhere(rig: Rig) -> float:
    """Every golden stream cut at every byte, and 10,000 random cuts: answers that differ."""
    rng = random.Random(7)
    streams = _golden_streams()
    wrong = []
    for name, wire, dialect, case in streams:
        body = case["stream"].encode()
        given = case.get("provider", "p")
        whole = runner.parse_stream(wire, dialect, given, [body])
        step = max(1, len(body) // 40) if rig.quick else 1
        cuts = [[body[:at], body[at:]] for at in range(1, len(body), step)]
        cuts.append([body[at : at + 1] for at in range(len(body))])
        for _ in range(10 if rig.quick else 10_000 // len(streams)):
            places = sorted(rng.sample(range(len(body) + 1), min(len(body), rng.randint(2, 9))))
            cuts.append([body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)])
        for chunks in cuts:
            seen = runner.parse_stream(wire, dialect, given, chunks)
            if seen != whole or "\ufffd" in json.dumps(seen, ensure_ascii=False):
                wrong.append(f"{name} cut in {len(chunks)}")
                break
    return rig.flaws(wrong)


def _framed(text: str) -> dict[str, bytes]:
    """The same answer in every shape of server-sent events."""
    event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    body = json.dumps({**event, "choices": [{"index": 0, "delta": {"content": text}}]}, ensure_ascii=False)
    end = json.dumps({**event, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    plain = f"data: {body}\n\ndata: {end}\n\ndata: [DONE]\n\n"
    halves = body.replace(', "choices"', ',\ndata: "choices"')
    return {
        "LF": plain.encode(),
        "CR": plain.replace("\n", "\r").encode(),
        "CRLF": plain.replace("\n", "\r\n").encode(),
        "BOM": b"\xef\xbb\xbf" + plain.encode(),
        "comments": f": ping\n\n:\n\n{plain}".replace("\n\ndata", "\n\n: ping\n\ndata").encode(),
        "no space": f"\n{plain}".replace("\ndata: ", "\ndata:").encode(),
        "several lines": f"data: {halves}\n\ndata: {end}\n\ndata: [DONE]\n\n".encode(),
        "no last blank line": plain.rstrip("\n").encode(),
        "other fields": f"\n{plain}".replace("\ndata", "\nid: 7\nretry: 10\nevent: chunk\ndata").encode(),
    }


@row("A4", star=True, most=0)
async def text_is_text_whatever_its_characters_and_line_ends(rig: Rig) -> float:
    """U+2028, U+0085, C0 separators, emoji and every line end, whole and in single bytes: texts that differ."""
    wrong = []
    async with scripted.running() as upstream, rig.local({"providers": {"p": provider(upstream)}}) as gateway:
        for name, body in _framed(NASTY).items():
            for chunks in ([body], [body[at : at + 1] for at in range(len(body))]):
                upstream.script(scripted.stream(*chunks))
                seen = await ask(gateway.client, "p/m")
                wrong.append("" if seen.ok and seen.text == NASTY else f"{name}: {seen.code} {seen.text!r}")
        upstream.script(scripted.chat(NASTY))
        seen = await ask(gateway.client, "p/m", stream=False)
        wrong.append("" if seen.text == NASTY else f"unary: {seen.code} {seen.text!r}")
    return rig.flaws(wrong)


def _unary_of(case: runner.Case) -> bytes | None:
    body = case.get("response_body")
    if body is None or "response" not in case:
        return None
    return body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()


@row("A5", star=True, most=0)
async def send_is_the_fold_of_the_stream(rig: Rig) -> float:
    """Golden answers through the gateway, Send against the folded events of StreamSend: answers that differ."""
    kinds = {"openai_chat": ("openai_compatible", "/v1"), "anthropic": ("anthropic", ""), "gemini": ("gemini", "")}
    wrong = []
    async with scripted.running() as upstream:
        providers = {
            module: {"kind": kind, "endpoint": f"{upstream.url}/{module}{path}", "api_key": "k", "models": ["m"]}
            for module, (kind, path) in kinds.items()
        }
        config = {"providers": providers, "defaults": attempts(1), "breaker": {"enabled": False}}
        async with rig.local(config) as gateway:
            for module, _, _, _ in GOLDEN:
                for parameter in runner.cases(module, "response_body"):
                    body = _unary_of(parameter.values[0])
                    if body is None or "dialect" in parameter.values[0] or "provider" in parameter.values[0]:
                        continue
                    upstream.script(scripted.whole(200, body))
                    wrong.append(await _compare(gateway.client, module, str(parameter.id)))
    if len(wrong) < 10:
        rig.note("too few cases")
        return float("nan")
    return rig.flaws(wrong)


async def _compare(client: AsyncClient, module: str, name: str) -> str:
    """A server that ignores `stream` answers both with the same body: both RPCs must say the same."""
    request = make_request("hi", model=f"{module}/m")
    folded = Accumulator()
    reasons = []
    try:
        whole = await client.send(request)
    except GatewayError as error:
        reasons.append(error.reason)
    try:
        async for event in client.stream_send(gateway_pb2.StreamSendRequest(request=request)).events():
            folded.add(event)
    except GatewayError as error:
        reasons.append(error.reason)
    if reasons:
        return (
            "" if reasons in (2 * [reasons[0]], [reasons[0], "STREAM_INTERRUPTED"]) else f"{module}/{name}: {reasons}"
        )
    found = [json_format.MessageToDict(one) for one in (whole, folded.response())]
    for one in found:
        for varying in ("responseId", "createTime"):
            one.pop(varying, None)
        for attempt in one.get("route", {}).get("attempts", []):
            attempt.pop("duration", None)
    return "" if found[0] == found[1] else f"{module}/{name}: {found[0]} != {found[1]}"


@row("A6", most=0)
async def a_huge_event_arrives_or_is_refused(rig: Rig) -> float:
    """One event of 1 MiB, of 8 MiB, of the limit and one more: wrong outcomes, or more than 3 × the limit of memory."""
    wrong = []
    sizes = (1 << 20,) if rig.quick else (1 << 20, 8 << 20)
    limits = {"timeouts": {"first_event": "20s"}}
    async with scripted.running() as upstream:
        config = {"providers": {"p": provider(upstream, **limits)}, "defaults": attempts(1)}
        async with rig.process(config) as gateway:
            base = gateway.rss()
            for size in sizes:
                text = "x" * size
                upstream.script(scripted.stream(scripted.event(text), scripted.event("", "stop"), DONE))
                seen = await ask(gateway.client, "p/m")
                wrong.append("" if seen.ok and seen.text == text else f"{size}: {seen.code} {seen.reason}")
            upstream.script((Head(200, (("content-type", "text/event-stream"),)), b"data: " + b"x" * FRAME_LIMIT, END))
            seen = await ask(gateway.client, "p/m")
            wrong.append("" if seen.reason == "PROVIDER_RESPONSE_INVALID" else f"over: {seen.code} {seen.reason}")
            risen = gateway.rss() - base
            wrong.append("" if risen < 3 * FRAME_LIMIT / 1e6 else f"RSS rose by {risen:.0f} MB")
    return rig.flaws(wrong)


def _cut_streams() -> dict[str, tuple[str, Script]]:
    """Streams without their end mark: name → (kind, script)."""
    text = scripted.numbered(3)
    open_stream = scripted.stream(*text, end=False)
    stop = scripted.event("", "stop")
    start = sse(
        {"type": "message_start", "message": {"id": "m", "model": "m", "usage": {"input_tokens": 1}}}, "message_start"
    )
    block = sse(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        "content_block_start",
    )
    delta = sse(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "0 "}},
        "content_block_delta",
    )
    said = sse({"candidates": [{"content": {"parts": [{"text": "0 "}]}}]})
    closing: Script = (Head(200, (("content-type", "text/event-stream"),), "close"), *text)
    return {
        "chat: end of the chunks": ("openai_compatible", (*open_stream, END)),
        "chat: close": ("openai_compatible", (*open_stream, CLOSE)),
        "chat: reset": ("openai_compatible", (*open_stream, RESET)),
        "chat: close-delimited": ("openai_compatible", (*closing, CLOSE)),
        "chat: reset before the end mark": ("openai_compatible", (*open_stream, stop, RESET)),
        "messages: end of the chunks": ("anthropic", scripted.stream(start, block, delta)),
        "messages: close": ("anthropic", (*scripted.stream(start, block, delta, end=False), CLOSE)),
        "generateContent: end of the chunks": ("gemini", scripted.stream(said)),
        "generateContent: reset": ("gemini", (*scripted.stream(said, end=False), RESET)),
        "chat: nothing at all": ("openai_compatible", scripted.stream()),
        "chat: role only": ("openai_compatible", scripted.stream(scripted.event(""))),
    }


@row("A7", star=True, most=0)
async def an_answer_without_its_end_mark_is_never_ok(rig: Rig) -> float:
    """Streams and bodies cut by close, reset and missing end marks: those that ended OK."""
    wrong = []
    async with scripted.running() as upstream:
        kinds = {"openai_compatible": "/v1", "anthropic": "", "gemini": ""}
        providers = {
            kind: {"kind": kind, "endpoint": f"{upstream.url}{path}", "api_key": "k", "models": ["m"]}
            for kind, path in kinds.items()
        }
        config = {"providers": providers, "defaults": attempts(1), "breaker": {"enabled": False}}
        async with rig.local(config) as gateway:
            for name, (kind, script) in _cut_streams().items():
                upstream.script(script)
                seen = await ask(gateway.client, f"{kind}/m")
                wrong.append(f"{name}: OK" if seen.ok else flaw(seen, 3))
            for name, script in {
                "short body": (Head(200, (("content-type", "application/json"),), "length", 500), b'{"id": "x"', CLOSE),
                "half a body": scripted.whole(200, b'{"choices": [{"message": {"content": "hal'),
                "reset": (Head(200, (("content-type", "application/json"),)), b'{"choices": ', RESET),
            }.items():
                upstream.script(script)
                seen = await ask(gateway.client, "openai_compatible/m", stream=False)
                wrong.append(f"unary, {name}: OK" if seen.ok else "")
            await until(lambda: not upstream.open_connections, 2)
    return rig.flaws(wrong)


def _sized(text: str) -> int:
    """Tokens that the gateway takes a text for that nobody counted."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _counted_streams(deltas: int) -> dict[str, tuple[dict[str, Any], list[bytes], list[bytes], tuple[int, int, bool]]]:
    """name → (provider, all events but the end, the end, what is known before the end: input, output, whether that is estimated).

    The whole answer has 11 input tokens and 1,000 output tokens. An input of 0 is one that nobody has told yet."""
    text = numbers(deltas)
    said = scripted.numbered(deltas)
    start = {"id": "m", "model": "m", "usage": {"input_tokens": 1, "cache_read_input_tokens": 10, "output_tokens": 1}}
    messages = [
        sse({"type": "message_start", "message": start}, "message_start"),
        sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        *(
            sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"{n} "}})
            for n in range(deltas)
        ),
    ]
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1000}}
    totals = {"prompt_tokens": 11, "completion_tokens": 1000}

    def running(event: dict[str, Any], number: int) -> bytes:
        return sse({**event, "usage": {"prompt_tokens": 11, "completion_tokens": number + 1}})

    chunk: dict[str, Any] = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    spoken = [{**chunk, "choices": [{"index": 0, "delta": {"content": f"{n} "}}]} for n in range(deltas)]
    ended = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

    def generated(piece: str, **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [{"text": piece}]}, **more}]}

    def metadata(output: int | None) -> dict[str, Any]:
        return {"usageMetadata": {"promptTokenCount": 11, **({"candidatesTokenCount": output} if output else {})}}

    chat = {"kind": "openai_compatible"}
    return {
        "chat, counted at the end": (
            chat,
            list(said),
            [sse({**ended, "usage": totals}), DONE],
            (0, _sized(text), True),
        ),
        "chat, counted all along": (
            chat,
            [running(event, n) for n, event in enumerate(spoken)],
            [sse({**ended, "usage": totals}), DONE],
            (11, deltas, False),
        ),
        "messages": (
            {"kind": "anthropic"},
            messages,
            [sse({"type": "content_block_stop", "index": 0}), sse(stop), sse({"type": "message_stop"})],
            (11, 1 + _sized(text), True),
        ),
        "generateContent, counted all along": (
            {"kind": "gemini"},
            [sse({**generated(f"{n} "), **metadata(n + 1)}) for n in range(deltas)],
            [sse({**generated("", finishReason="STOP"), **metadata(1000)})],
            (11, deltas, False),
        ),
        "generateContent, counted at the end": (
            {"kind": "gemini"},
            [sse({**generated(f"{n} "), **metadata(None)}) for n in range(deltas)],
            [sse({**generated("", finishReason="STOP"), **metadata(1000)})],
            (11, _sized(text), True),
        ),
    }


@row("A9", most=0)
async def usage_is_told_once_and_covers_what_was_said(rig: Rig) -> float:
    """Whole, broken and cancelled streams of each kind of counting: usages, costs and log lines that are wrong."""
    deltas = 300
    cases = _counted_streams(deltas)
    wrong = []
    async with scripted.running() as upstream:
        providers = {
            f"p{n}": {
                "endpoint": f"{upstream.url}{'/v1' if settings['kind'] == 'openai_compatible' else ''}",
                "api_key": "k",
                "models": ["m"],
                "prices": {"m": {"input": 1, "cache_read": 1, "output": 5}},
                **settings,
            }
            for n, (settings, _, _, _) in enumerate(cases.values())
        }
        config = {"providers": providers, "defaults": attempts(1), "breaker": {"enabled": False}}
        async with rig.process(config) as gateway:
            for n, (name, (_, said, end, known)) in enumerate(cases.items()):
                upstream.script(scripted.stream(*said, *end))
                whole = await _usages(gateway.client, f"p{n}/m", f"whole-{n}")
                right = usage_pb2.Usage(input_tokens=11, output_tokens=1000, total_tokens=1011, cost_nano_usd=5_011_000)
                wrong.append("" if _same(whole, right) else f"{name}, whole: {whole}")
                upstream.script((*scripted.stream(*said, end=False), CLOSE))
                broken = await ask(gateway.client, f"p{n}/m", metadata=(("x-request-id", f"broken-{n}"),))
                failure = broken.error and broken.error.provider_failure
                found = failure.partial_usage if failure else usage_pb2.Usage()
                wrong.append("" if _partial(found, known) else f"{name}, broken: {broken.code} {found}")
                upstream.script((*scripted.stream(*said, end=False), HANG))
                await _leave(gateway.client, f"p{n}/m", f"cancelled-{n}", deltas)
            await upstream.idle()
            lines = await _lines(gateway, 3 * len(cases))
    for n, (name, (_, _, _, known)) in enumerate(cases.items()):
        for how in ("broken", "cancelled"):
            line = lines.get(f"{how}-{n}", {})
            logged = usage_pb2.Usage(
                input_tokens=line.get("input_tokens", 0),
                output_tokens=line.get("output_tokens", 0),
                cost_nano_usd=line.get("cost_nano_usd", 0),
                estimated=known[2],
            )
            wrong.append("" if _partial(logged, known) else f"{name}, {how}, log: {line}")
    return rig.flaws(wrong)


def _partial(usage: usage_pb2.Usage, known: tuple[int, int, bool]) -> bool:
    told, output, estimated = known
    return (
        usage.input_tokens == (told or usage.input_tokens)
        and (usage.output_tokens, usage.estimated) == (output, estimated)
        and usage.cost_nano_usd == 1000 * usage.input_tokens + 5000 * usage.output_tokens
    )


def _same(found: list[usage_pb2.Usage], right: usage_pb2.Usage) -> bool:
    if len(found) != 1:
        return False
    fields = ("input_tokens", "output_tokens", "total_tokens", "cost_nano_usd", "estimated")
    return all(getattr(found[0], field) == getattr(right, field) for field in fields)


async def _usages(client: AsyncClient, model: str, request_id: str) -> list[usage_pb2.Usage]:
    """The usages of the terminal events of a stream."""
    request = gateway_pb2.StreamSendRequest(request=make_request("hi", model=model))
    call = client.stream_send(request, metadata=(("x-request-id", request_id),))
    return [event.completed.usage async for event in call.events() if event.HasField("completed")]


async def _leave(client: AsyncClient, model: str, request_id: str, deltas: int) -> None:
    """Read so many deltas of a stream, then go."""
    request = gateway_pb2.StreamSendRequest(request=make_request("hi", model=model))
    text = ""
    async with client.stream_send(request, metadata=(("x-request-id", request_id),)) as call:
        async for event in call.events():
            text += event.part_started.part.text.text + event.part_delta.text
            if text == numbers(deltas):
                return


async def _lines(gateway: Running, count: int) -> dict[str, dict[str, Any]]:
    """The access log by request id, once it has so many calls."""
    found: dict[str, dict[str, Any]] = {}

    def complete() -> bool:
        for line in gateway.log.read_text().splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                if entry.get("event") == "rpc" and entry.get("method") == "StreamSend":
                    found[entry["request_id"]] = entry
        return len(found) >= count

    await until(complete, 10)
    return found
