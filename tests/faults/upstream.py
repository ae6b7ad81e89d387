"""Rows B: what providers and networks do wrong, before and after the first content, alone and with a fallback."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import gzip
import json
import random
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import trustme

from tests.faults.history import Outcome, ask, flaw, numbers
from tests.faults.rig import Rig, attempts, provider, row, upstreams
from tests.support import upstream as scripted
from tests.support.upstream import (
    CLOSE,
    DONE,
    END,
    HANG,
    RESET,
    Head,
    Pause,
    Raw,
    Script,
    Upstream,
    event,
    numbered,
    sse,
)

EVENT_STREAM = Head(200, (("content-type", "text/event-stream"),))
JSON_HEAD = Head(200, (("content-type", "application/json"),))
QUICK: Mapping[str, Any] = {"max_backoff": "20ms", "initial_backoff": "20ms", "budget_size": 1000}


def guarded(name: str, primary: dict[str, Any], fallback: Upstream, **settings: Any) -> dict[str, Any]:
    """A configuration with `primary` alone as `p/m` and with a fallback as route `r`; breakers are off, so that every call meets the fault."""
    return {
        "providers": {"p": primary, "f": provider(fallback)},
        "routes": {"r": {"targets": [f"{name}/m"], "fallbacks": ["f/m"], "retry": QUICK}},
        "defaults": {"retry": QUICK},
        "breaker": {"enabled": False},
        **settings,
    }


# ---------------------------------------------------------------- B1
@contextmanager
def black_hole() -> Iterator[int]:
    """A port whose connections are never completed: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port: int = full.getsockname()[1]
        held = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            held.append(one)
        try:
            yield port
        finally:
            for one in held:
                one.close()


@asynccontextmanager
async def tls_server(authority: trustme.CA, *names: str, expired: bool = False) -> AsyncIterator[Upstream]:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC) if expired else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_after=past).configure_cert(context)
    async with scripted.running(context) as server:
        server.script(scripted.chat_stream(3))
        yield server


@row("B1", star=True, most=0.05, timed=True)
async def an_address_that_cannot_be_reached_fails_in_the_connect_time(rig: Rig) -> float:
    """Refused, black hole, unknown host, four kinds of bad TLS: most seconds beyond the connect limit; a wrong outcome counts 10."""
    limit = 0.5
    ours, theirs = trustme.CA(), trustme.CA()
    roots = rig.folder / "roots.pem"
    ours.cert_pem.write_to_path(str(roots))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refused = f"http://127.0.0.1:{closed.getsockname()[1]}"
    worst = 0.0
    async with (
        upstreams(2) as (fallback, stalling),
        tls_server(ours, "127.0.0.1", expired=True) as expired,
        tls_server(ours, "elsewhere.test") as wrong_host,
        tls_server(theirs, "127.0.0.1") as unknown,
        tls_server(ours, "127.0.0.1") as good,
    ):
        fallback.script(scripted.chat_stream(3))
        with black_hole() as hole:
            cases = {
                "refused": refused,
                "black hole": f"http://127.0.0.1:{hole}",
                "no such host": "http://gateway-test.invalid",
                "expired": expired.url,
                "wrong host": wrong_host.url,
                "unknown authority": unknown.url,
                "stalled handshake": stalling.url.replace("http:", "https:"),
            }
            providers = {
                f"p{number}": provider(
                    url,
                    timeouts={"connect": f"{int(limit * 1000)}ms"},
                    tls={"ca_file": str(roots)} if "https" in url else {},
                )
                for number, url in enumerate(cases.values())
            }
            config = {
                "providers": {
                    **providers,
                    "f": provider(fallback),
                    "good": provider(good.url, tls={"ca_file": str(roots)}),
                },
                "routes": {f"r-{name}": {"targets": [f"{name}/m"], "fallbacks": ["f/m"]} for name in providers},
                "defaults": attempts(1),
                "breaker": {"enabled": False},
            }
            async with rig.local(config) as gateway:
                sane = await ask(gateway.client, "good/m")
                if not sane.ok:
                    rig.note(f"TLS that is right: {sane.code} {sane.reason}")
                    worst = 10.0
                for name, case in zip(providers, cases, strict=True):
                    for stream in (True, False):
                        alone = await ask(gateway.client, f"{name}/m", stream=stream)
                        fallback.script(scripted.chat_stream(3) if stream else scripted.chat(numbers(3)))
                        helped = await ask(gateway.client, f"r-{name}", stream=stream)
                        late = max(alone.seconds, helped.seconds) - limit
                        if alone.code != "UNAVAILABLE" or not helped.ok or flaw(helped, 3, stream=stream):
                            rig.note(f"{case}: {alone.code} {alone.reason}; fallback {helped.code} {helped.reason}")
                            late = 10.0
                        if late > 0.05:
                            rig.note(f"{case}: {late:+.3f} s")
                        worst = max(worst, late)
        for server in (expired, wrong_host, unknown):
            if server.requests:
                rig.note("a request was sent to a server whose certificate is wrong")
                worst = 10.0
    return worst


# ---------------------------------------------------------------- B2, B9
def _broken() -> dict[str, tuple[bool, Script, Script]]:
    """name → (content was sent, streamed script, unary script)."""
    opened: Script = (EVENT_STREAM, *numbered(3))
    whole = json.dumps({"choices": [{"message": {"content": numbers(3)}, "finish_reason": "stop"}]}).encode()
    part = (Head(200, (("content-type", "application/json"),), "length", len(whole)), whole[:-9])
    return {
        "reset before the head": (False, (RESET,), (RESET,)),
        "reset in the head": (
            False,
            (Raw(b"HTTP/1.1 200 OK\r\ncontent-"), RESET),
            (Raw(b"HTTP/1.1 200 OK\r\ncontent-"), RESET),
        ),
        "reset after the head": (False, (EVENT_STREAM, RESET), (JSON_HEAD, RESET)),
        "close after the head": (False, (EVENT_STREAM, CLOSE), (JSON_HEAD, CLOSE)),
        "reset in a chunk": (True, (*opened, Raw(b"40\r\ndata: {"), RESET), (*part, RESET)),
        "close in a chunk": (True, (*opened, Raw(b"40\r\ndata: {"), CLOSE), (*part, CLOSE)),
        "reset after the last event": (True, (*opened, event("", "stop"), RESET), (*part, RESET)),
    }


def _in_stream_errors() -> dict[str, tuple[bool, Script, Script]]:
    failure = sse({"error": {"message": "overloaded", "type": "server_error", "code": 503}})
    body = scripted.whole(200, {"error": {"message": "overloaded", "type": "server_error", "code": 503}})
    return {
        "error first": (False, scripted.stream(failure), body),
        "error after pings": (False, scripted.stream(b": ping\n\n", event(""), b": ping\n\n", failure), body),
        "error after content": (True, scripted.stream(*numbered(3), failure), body),
    }


async def _faults(rig: Rig, cases: dict[str, tuple[bool, Script, Script]]) -> float:
    """Flaws of each fault × stream or not × alone or with a fallback. Alone, the second call meets a healthy provider."""
    wrong = []
    async with upstreams(2) as (primary, fallback), rig.local(guarded("p", provider(primary), fallback)) as gateway:
        for name, (late, streamed, unary) in cases.items():
            for stream in (True, False):
                fault = streamed if stream else unary
                well = scripted.chat_stream(3) if stream else scripted.chat(numbers(3))
                committed = late and stream
                for model in ("p/m", "r"):
                    primary.script(fault, *((well,) if model == "p/m" else ()))
                    fallback.script(well)
                    before = len(primary.requests) + len(fallback.requests)
                    seen = await ask(gateway.client, model, stream=stream)
                    sent = len(primary.requests) + len(fallback.requests) - before
                    wrong.append(_fault_flaw(f"{name}, {model}, stream={stream}", seen, stream, committed, sent))
    return rig.flaws(wrong)


def _fault_flaw(name: str, seen: Outcome, stream: bool, committed: bool, sent: int) -> str:
    found = flaw(seen, 3, stream=stream)
    if found:
        return f"{name}: {found}"
    if committed and (seen.reason != "STREAM_INTERRUPTED" or sent != 1):
        return f"{name}: {seen.code} {seen.reason} after {sent} provider calls"
    if not committed and (not seen.ok or sent < 2):
        return f"{name}: {seen.code} {seen.reason} after {sent} provider calls"
    return ""


@row("B2", star=True, most=0)
async def a_broken_connection_is_retried_before_content_and_told_after_it(rig: Rig) -> float:
    """Resets and closes at every place: flawed outcomes."""
    return await _faults(rig, _broken())


@row("B9", star=True, most=0)
async def an_error_inside_a_200_is_an_error(rig: Rig) -> float:
    """Error events first, after pings, after content: flawed outcomes."""
    return await _faults(rig, _in_stream_errors())


# ---------------------------------------------------------------- B3, B4
async def _overshoot(rig: Rig, cases: Mapping[str, tuple[Script, str, float, bool]], config: dict[str, Any]) -> float:
    """Most seconds beyond its limit that a call took; a wrong reason counts 10. Cases: script, reason, limit, stream."""
    worst = 0.0
    for name, (script, reason, limit, stream) in cases.items():
        async with upstreams(2) as (primary, fallback):
            primary.script(script)
            fallback.script(scripted.chat_stream(3) if stream else scripted.chat(numbers(3)))
            async with rig.local(guarded("p", provider(primary, **config), fallback)) as gateway:
                timeout = limit if reason == "CALLER_DEADLINE" else 10.0
                alone, helped = await asyncio.gather(
                    ask(gateway.client, "p/m", stream=stream, timeout=timeout), ask(gateway.client, "r", stream=stream)
                )
        committed = reason == "STREAM_INTERRUPTED"
        good = alone.reason == reason and bool(flaw(alone, 3, stream=stream)) is False
        good = good and (committed or helped.ok or reason == "CALLER_DEADLINE")
        late = alone.seconds - limit if good else 10.0
        if late > 0.1:
            rig.note(
                f"{name}: {alone.code} {alone.reason} after {alone.seconds:.3f} s, fallback {helped.code} {helped.reason}"
            )
        worst = max(worst, late)
    return worst


@row("B3", star=True, most=0.1, timed=True)
async def silence_ends_by_its_limit(rig: Rig) -> float:
    """No head, head then silence, silence mid-stream, for either RPC: most seconds beyond first-event, idle, attempt limit and deadline."""
    limits = {"timeouts": {"first_event": "400ms", "idle": "300ms", "attempt": "800ms"}}
    opened: Script = (EVENT_STREAM, *numbered(2))
    cases: dict[str, tuple[Script, str, float, bool]] = {
        "no head": ((HANG,), "PROVIDER_TIMEOUT", 0.4, True),
        "head only": ((EVENT_STREAM, HANG), "PROVIDER_TIMEOUT", 0.4, True),
        "mid-stream": ((*opened, HANG), "STREAM_INTERRUPTED", 0.3, True),
        "endless": (
            (EVENT_STREAM, *(s for e in numbered(3) for s in (Pause(0.28), e)), Pause(0.28), HANG),
            "STREAM_INTERRUPTED",
            0.8,
            True,
        ),
        "unary, no head": ((HANG,), "PROVIDER_TIMEOUT", 0.8, False),
        "unary, half a body": ((JSON_HEAD, b'{"choices"', HANG), "PROVIDER_TIMEOUT", 0.8, False),
        "deadline": ((HANG,), "CALLER_DEADLINE", 0.25, True),
        "unary, deadline": ((HANG,), "CALLER_DEADLINE", 0.25, False),
    }
    return await _overshoot(rig, cases, limits)


@row("B4", star=True, most=0.1, timed=True)
async def a_trickle_without_content_is_silence(rig: Rig) -> float:
    """One byte every 50 ms, and pings for ever, before and after content: most seconds beyond the first-event or idle limit."""
    limits = {"timeouts": {"first_event": "500ms", "idle": "400ms"}}
    letters = [step for byte in numbered(1)[0][:80] for step in (bytes([byte]), Pause(0.05))]
    pings = [step for _ in range(80) for step in (b": ping\n\n", Pause(0.05))]
    roles = [step for _ in range(80) for step in (event(""), Pause(0.05))]
    cases: dict[str, tuple[Script, str, float, bool]] = {
        "bytes": ((EVENT_STREAM, *letters, HANG), "PROVIDER_TIMEOUT", 0.5, True),
        "pings": ((EVENT_STREAM, *pings, HANG), "PROVIDER_TIMEOUT", 0.5, True),
        "empty deltas": ((EVENT_STREAM, *roles, HANG), "PROVIDER_TIMEOUT", 0.5, True),
        "bytes after content": ((EVENT_STREAM, *numbered(1), *letters, HANG), "STREAM_INTERRUPTED", 0.4, True),
        "pings after content": ((EVENT_STREAM, *numbered(1), *pings, HANG), "STREAM_INTERRUPTED", 0.4, True),
    }
    return await _overshoot(rig, cases, limits)


@row("B5", most=0)
async def a_slow_network_delivers_the_same(rig: Rig) -> float:
    """100 kB/s, 1 kB/s, and 16-byte slices 10 ms apart: flawed histories."""
    body = b"".join((*numbered(6), event("", "stop"), DONE))
    big = b"".join((*numbered(40), event("", "stop"), DONE))

    def sliced(data: bytes, size: int, gap: float) -> Script:
        steps = [step for at in range(0, len(data), size) for step in (data[at : at + size], Pause(gap))]
        return (EVENT_STREAM, *steps, END)

    wrong = []
    async with scripted.running() as upstream, rig.local({"providers": {"p": provider(upstream)}}) as gateway:
        for count, script in (
            (40, sliced(big, 1000, 0.01)),
            (6, sliced(body, 100, 0.01 if rig.quick else 0.1)),
            (6, sliced(body, 16, 0.001 if rig.quick else 0.01)),
        ):
            upstream.script(script)
            seen = await ask(gateway.client, "p/m")
            wrong.append(flaw(seen, count) or ("" if seen.ok else f"{seen.code} {seen.reason}"))
    return rig.flaws(wrong)


# ---------------------------------------------------------------- B6
HTML = b"<html><body>502 canary-of-a-proxy</body></html>"


def _odd() -> dict[str, tuple[bool, Script]]:
    """name → (the answer is whole all the same, streamed script). What is not whole must fail without its own words."""
    good = (*numbered(3), event("", "stop"))
    broken = b'data: {"choices": [{"delta": {"content": "canary\n\n'
    typed = sse({"id": 7, "choices": [{"index": "x", "delta": ["canary"]}]})
    return {
        "one malformed line": (
            True,
            scripted.stream(*numbered(3)[:2], broken, numbered(3)[2], event("", "stop"), DONE),
        ),
        "malformed only": (False, scripted.stream(broken)),
        "wrong types": (False, scripted.stream(typed, DONE)),
        "a number for an object": (False, scripted.stream(sse("42"), sse("null"), DONE)),
        "unknown events": (True, scripted.stream(sse({"type": "new.thing"}, "new.thing"), *good, DONE)),
        "unknown fields": (
            True,
            scripted.stream(
                *numbered(3),
                sse({"choices": [{"index": 0, "delta": {"mood": {}}, "finish_reason": "stop"}], "extra": [1]}),
                DONE,
            ),
        ),
        "HTML": (False, scripted.whole(200, HTML, content_type="text/html")),
        "empty": (False, scripted.whole(200, b"")),
        "204": (False, (Head(204, (), "length", 0), END)),
        "wrong content type": (True, scripted.stream(*good, DONE, content_type="text/plain")),
        "two ends": (True, scripted.stream(*good, DONE, event("canary"), DONE)),
        "no HTTP": (False, (Raw(b"SSH-2.0-canary\r\n\r\n"), CLOSE)),
        "two lengths": (
            False,
            (Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\ncanary"), CLOSE),
        ),
    }


@row("B6", star=True, most=0)
async def what_is_no_answer_is_an_error_that_quotes_nothing(rig: Rig) -> float:
    """Malformed, mistyped, unknown, HTML, empty, duplicate: wrong outcomes, or the provider's own text in a status."""
    wrong = []
    async with upstreams(2) as (primary, fallback):
        fallback.script(scripted.chat_stream(3))
        config = guarded("p", provider(primary), fallback)
        async with rig.local(config) as gateway:
            for name, (whole, script) in _odd().items():
                primary.script(script)
                alone = await ask(gateway.client, "p/m")
                helped = await ask(gateway.client, "r")
                if alone.error is not None and "canary" in f"{alone.error.message} {alone.error.metadata}":
                    wrong.append(f"{name}: quotes the provider")
                if alone.ok is not whole or flaw(alone, 3) or flaw(helped, 3) or not helped.ok:
                    wrong.append(
                        f"{name}: {alone.code} {alone.reason} {alone.text!r}; fallback {helped.code} {helped.text!r}"
                    )
                if name in ("HTML", "empty"):
                    seen = await ask(gateway.client, "p/m", stream=False)
                    wrong.append("" if not seen.ok else f"{name}: unary OK")
    return rig.flaws(wrong)


# ---------------------------------------------------------------- B7
def _hints() -> dict[str, tuple[list[tuple[str, str]], float | None, bool]]:
    """name → (headers, seconds asked for or None, whether it fits)."""
    now = time.time()

    def date(seconds: float) -> str:
        return email.utils.formatdate(now + seconds, usegmt=True)

    return {
        "seconds": ([("retry-after", "2")], 2.0, True),
        "fraction": ([("retry-after", "1.5")], 1.5, True),
        "milliseconds": ([("retry-after-ms", "1200"), ("retry-after", "9")], 1.2, True),
        "Azure's milliseconds": ([("x-ms-retry-after-ms", "1300")], 1.3, True),
        "duration": ([("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1s")], 1.0, True),
        "duration of two units": (
            [("x-ratelimit-reset-tokens", "1s200ms"), ("x-ratelimit-remaining-tokens", "0")],
            1.2,
            True,
        ),
        "past date": ([("retry-after", date(-100))], None, True),
        "negative": ([("retry-after", "-1")], None, True),
        "NaN": ([("retry-after", "NaN")], None, True),
        "overflow": ([("retry-after", "1e309")], None, True),
        "garbage": ([("retry-after", "soon")], None, True),
        "absent": ([], None, True),
        "does not fit": ([("retry-after", "30")], 30.0, False),
        "long duration": ([("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0s")], 360.0, False),
        "far date": ([("retry-after", date(300))], 299.0, False),
        "epoch": (
            [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", str(int(now + 120)))],
            119.0,
            False,
        ),
    }


@row("B7", star=True, most=0, timed=True)
async def a_providers_delay_is_kept_or_passed_on(rig: Rig) -> float:
    """429 with every shape of retry hint: waits off by more than 10 % (and 50 ms of machine), or refusals without RetryInfo."""
    hints = _hints()
    wrong = []
    async with upstreams(2) as (upstream, fallback):
        fallback.script(scripted.chat_stream(3))
        providers: dict[str, Any] = {"f": provider(fallback)}
        routes = {}
        for number, (headers, _, _) in enumerate(hints.values()):
            limited = scripted.whole(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, headers)
            for kind in ("alone", "helped"):
                upstream.script(limited, scripted.chat_stream(3), path=f"/{kind}{number}/v1/chat/completions")
                providers[f"{kind}{number}"] = provider(f"{upstream.url}/{kind}{number}")
            routes[f"r{number}"] = {"targets": [f"helped{number}/m"], "fallbacks": ["f/m"]}
        async with rig.local({"providers": providers, "routes": routes}) as gateway:
            alone = await asyncio.gather(
                *(ask(gateway.client, f"alone{number}/m", timeout=20) for number in range(len(hints)))
            )
            helped = await asyncio.gather(
                *(ask(gateway.client, f"r{number}", timeout=20) for number in range(len(hints)))
            )
    for number, (name, (_, asked, fits)) in enumerate(hints.items()):
        arrived = [r.arrived for r in upstream.requests if r.path.startswith(f"/alone{number}/")]
        seen = alone[number]
        if fits:
            waited = arrived[1] - arrived[0] if len(arrived) == 2 else -1.0
            low, high = (0.0, 0.3) if asked is None else (asked, asked * 1.1)
            if not seen.ok or not low <= waited <= high + 0.05:
                wrong.append(f"{name}: waited {waited:.3f} s, asked {asked}; {seen.code}")
        else:
            delay = seen.retry_delay or 0.0
            if seen.code != "RESOURCE_EXHAUSTED" or len(arrived) != 1 or asked is None or abs(delay - asked) > 3:
                wrong.append(f"{name}: {seen.code}, {len(arrived)} calls, RetryInfo {delay}, asked {asked}")
        if not helped[number].ok or (asked and helped[number].seconds > 0.6):
            wrong.append(f"{name}, fallback: {helped[number].code} in {helped[number].seconds:.2f} s")
    return rig.flaws(wrong)


# ---------------------------------------------------------------- B8
AGAIN = (500, 502, 503, 504, 529, 408, 409)
NEVER = {
    400: "INVALID_ARGUMENT",
    401: "FAILED_PRECONDITION",
    403: "FAILED_PRECONDITION",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
}


@row("B8", star=True, most=0)
async def only_the_providers_faults_are_retried(rig: Rig) -> float:
    """5xx, 408 and 409 in bursts of 1, 3 and 20; 4xx: wrong outcomes or numbers of attempts."""
    wrong = []
    async with upstreams(2) as (primary, fallback):
        fallback.script(scripted.chat_stream(3))
        async with rig.local(guarded("p", provider(primary), fallback)) as gateway:
            for status in AGAIN:
                for burst in (1, 3, 20):
                    failure = scripted.whole(status, {"error": {"message": "no", "type": "server_error"}})
                    primary.script(*(failure,) * burst, scripted.chat_stream(3))
                    before = len(primary.requests)
                    seen = await ask(gateway.client, "p/m")
                    sent = len(primary.requests) - before
                    good = (seen.ok and sent == 2) if burst == 1 else (seen.code == "UNAVAILABLE" and sent == 3)
                    wrong.append("" if good else f"{status} × {burst}: {seen.code} after {sent}")
                primary.script(scripted.whole(status, b"{}"))
                helped = await ask(gateway.client, "r")
                wrong.append("" if helped.ok and helped.provider == "f" else f"{status}, fallback: {helped.code}")
            for status, code in NEVER.items():
                primary.script(scripted.whole(status, {"error": {"message": "no"}}))
                before = len(primary.requests)
                for stream in (True, False):
                    seen = await ask(gateway.client, "p/m", stream=stream)
                    wrong.append("" if seen.code == code else f"{status}: {seen.code}")
                sent = len(primary.requests) - before
                wrong.append("" if sent == 2 else f"{status}: {sent} provider calls for two")
    return rig.flaws(wrong)


# ---------------------------------------------------------------- B10, B11, B13
def _bombs() -> dict[str, Script]:
    def bomb(compress: Callable[[bytes], bytes]) -> bytes:
        return compress(b'{"a": "' + b" " * (256 << 20) + b'"}')

    zipped = bomb(lambda data: gzip.compress(data, 6))
    deflated = bomb(lambda data: zlib.compress(data, 6))
    calls = [
        {"index": n, "id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for n in range(10_000)
    ]
    return {
        "gzip": scripted.whole(200, zipped, [("content-encoding", "gzip")]),
        "deflate": scripted.whole(200, deflated, [("content-encoding", "deflate")]),
        "br": scripted.whole(200, b"\x0b\x02\x80abc\x03", [("content-encoding", "br")]),
        "zstd": scripted.whole(200, b"(\xb5/\xfd", [("content-encoding", "zstd")]),
        "endless body": (JSON_HEAD, *(b" " * (1 << 20),) * 200, END),
        "endless event": (EVENT_STREAM, b"data: ", *(b" " * (1 << 20),) * 200, END),
        "100,000 headers": (
            Raw(b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(100_000)) + b"\r\n"),
            CLOSE,
        ),
        "a header of 1 MB": (Raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n"), CLOSE),
        "10,000 tool calls": scripted.whole(
            200,
            {
                "choices": [
                    {"index": 0, "message": {"content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}
                ]
            },
        ),
    }


@row("B10", star=True, most=32, timed=True)
async def a_bomb_costs_little_memory(rig: Rig) -> float:
    """Compression bombs, endless bodies, headers without number: most MB that the gateway grew by; an OK or more than 1 s counts 1,000."""
    worst = 0.0
    async with scripted.running() as upstream:
        config = {"providers": {"p": provider(upstream)}, "defaults": attempts(1), "breaker": {"enabled": False}}
        async with rig.process(config) as gateway:
            for _ in range(50):
                upstream.script(scripted.chat("warm"))
                await ask(gateway.client, "p/m", stream=False)
            for name, script in _bombs().items():
                upstream.script(script)
                base, top = gateway.rss(), 0.0
                call = asyncio.create_task(ask(gateway.client, "p/m", stream=name == "endless event", timeout=20))
                while not call.done():
                    top = max(top, gateway.rss() - base)
                    await asyncio.sleep(0.005)
                seen = call.result()
                if seen.ok or seen.seconds > 1.0:
                    top = 1000.0
                if top > 32:
                    rig.note(f"{name}: {seen.code} {seen.reason} in {seen.seconds:.2f} s, +{top:.0f} MB")
                worst = max(worst, top)
    return worst


@row("B11", most=0)
async def a_redirect_is_an_error(rig: Rig) -> float:
    """30x to another host, to a metadata address, to itself: outcomes other than one call and an error; requests to the other host."""
    wrong = []
    async with upstreams(2) as (primary, other):
        config = {"providers": {"p": provider(primary, api_key="sk-secret-of-the-row")}, "breaker": {"enabled": False}}
        async with rig.local(config) as gateway:
            for status in (301, 302, 303, 307, 308):
                for place in (
                    f"{other.url}/v1/chat/completions",
                    "http://169.254.169.254/latest",
                    f"{primary.url}/v1/chat/completions",
                ):
                    primary.script(scripted.whole(status, b"", [("location", place)]))
                    for stream in (True, False):
                        before = len(primary.requests)
                        seen = await ask(gateway.client, "p/m", stream=stream)
                        sent = len(primary.requests) - before
                        if seen.ok or sent != 1:
                            wrong.append(f"{status} to {place}: {seen.code} {seen.reason}, {sent} calls")
        wrong += ["the other host was called" for _ in other.requests]
    return rig.flaws(wrong)


@row("B13", most=0)
async def a_kept_connection_that_was_closed_is_replaced_unseen(rig: Rig) -> float:
    """An upstream that closes idle connections at random: calls that failed, of 10,000."""
    total = 200 if rig.quick else 10_000
    rng = random.Random(3)
    answer = b'{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in request.lower().split(b"\r\n") if line.startswith(b"content-length"))
                await reader.readexactly(int(length.partition(b":")[2]))
                writer.write(head + answer)
                if rng.random() < 0.2:
                    await asyncio.sleep(rng.random() * 0.004)
                    return
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    failed: list[str] = []
    async with server, rig.process({"providers": {"p": provider(url)}, "defaults": attempts(1)}) as gateway:
        turns = iter(range(total))

        async def work() -> None:
            for _ in turns:
                seen = await ask(gateway.client, "p/m", stream=False)
                if not seen.ok:
                    failed.append(f"{seen.code} {seen.reason}")

        await asyncio.gather(*(work() for _ in range(8)))
    return rig.flaws(failed)
