"""Rows G1, G10 and G10E: who has no key gets nothing, and takes nothing from those who have one."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext, suppress
from typing import Any

import grpc
import psutil
from llm_gateway.config import load
from llmgateway import AsyncClient, GatewayError, Unauthenticated, make_request

from tests.faults.rig import OPTIONS, Rig, Running, provider, row
from tests.security.floods import BEHIND_ENVOY_ONLY, FLOODS
from tests.support import envoy, http2
from tests.support import gateway as gateways
from tests.support import upstream as scripted

KEY = "correct-horse-battery"
SERVICE = "llmgateway.v1.LLMGateway"
RATE, PATIENCE = 40, 10.0
"""Calls a second of the others, and seconds that one may take."""
LEAST, MOST_MB, RECOVERY = 0.99, 100.0, 5.0
ENVOY_MB = 200.0
"""MB that Envoy itself may grow by."""


# ---------------------------------------------------------------- G1
METADATA: dict[str, tuple[tuple[str, str | bytes], ...]] = {
    "none": (),
    "empty": (("authorization", ""),),
    "no scheme": (("authorization", KEY),),
    "wrong scheme": (("authorization", f"Basic {KEY}"),),
    "scheme alone": (("authorization", "Bearer"),),
    "wrong key": (("authorization", "Bearer wrong"),),
    "other case": (("authorization", f"Bearer {KEY.upper()}"),),
    "beginning": (("authorization", f"Bearer {KEY[:-1]}"),),
    "longer": (("authorization", f"Bearer {KEY}x"),),
    "blank behind": (("authorization", f"Bearer {KEY} "),),
    "blank in front": (("authorization", f"Bearer  {KEY}"),),
    "two keys": (("authorization", f"Bearer {KEY},{KEY}"),),
    "twice": (("authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {KEY}")),
    "wrong and right": (("authorization", "Bearer wrong"), ("authorization", f"Bearer {KEY}")),
    "binary": (("authorization-bin", f"Bearer {KEY}".encode()),),
    "x-api-key": (("x-api-key", KEY),),
    "proxy-authorization": (("proxy-authorization", f"Bearer {KEY}"),),
    "cookie": (("cookie", f"authorization=Bearer {KEY}"),),
    "x-forwarded-user": (("x-forwarded-user", "admin"),),
    "large": (("authorization", "Bearer " + "x" * 8000),),
}
PATHS = (
    *(f"/{SERVICE}/{method}" for method in ("Send", "StreamSend", "ListModels", "Health", "Nonsense", "", "Send/")),
    f"//{SERVICE}/Send",
    f"/{SERVICE}//Send",
    f"/{SERVICE.upper()}/SEND",
    f"/grpc.health.v1.Healthy/../{SERVICE}/Send",
    "/grpc.health.v1.HealthX/Check",
    f"/grpc.health.v1.Health/../{SERVICE}/Send",
    "/grpc.health.v1.Health/Send",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.channelz.v1.Channelz/GetServers",
)


@row("G1", star=True, most=0)
async def no_call_passes_without_a_key(rig: Rig) -> float:
    """Tricks with metadata × paths: answers other than UNAUTHENTICATED, before a byte is parsed; calls of a revoked key that go on for 5 s."""
    wrong = []
    config = {"providers": {"echo": {"default_model": "echo"}}, "server": {"api_keys": [KEY]}}
    async with rig.local(config) as running, grpc.aio.insecure_channel(running.address, OPTIONS) as channel:
        for trick, metadata in METADATA.items():
            for path in PATHS:
                code = await _code(channel, path, metadata)
                wrong.append("" if code is grpc.StatusCode.UNAUTHENTICATED else f"{trick} at {path}: {code}")
        for value in (f"Bearer {KEY}\0", f"Bearer {KEY}\n", f"Bearer {KEY}\u00e9"):
            wrong.append(await _answered(running.address, value))
        async with AsyncClient(running.address, api_key=KEY, options=OPTIONS) as client:  # the key is right, after all
            await client.chat("hi")
    return rig.flaws([*wrong, *await _revoked(rig)])


async def _code(channel: grpc.aio.Channel, path: str, metadata: Any) -> grpc.StatusCode:
    """Bytes that are no message would be INVALID_ARGUMENT had they been parsed."""
    call: Any = channel.unary_unary(path)
    code: grpc.StatusCode = await call(b"\xff\xff\xff", metadata=metadata, timeout=30).code()
    return code


async def _answered(address: str, authorization: str) -> str:
    """What no client lets through: whether there is an answer with a message."""
    message = make_request("hi").SerializeToString()
    async with http2.connect(address) as peer:
        peer.call(f"/{SERVICE}/Send", message, address, authorization=authorization)
        async for frame in peer.frames():
            if frame.kind == http2.DATA and frame.payload:
                return f"answered to {authorization!r}"
            if frame.kind in (http2.GOAWAY, http2.RST_STREAM) or (frame.stream and frame.flags & http2.END_STREAM):
                break
    return ""


async def _revoked(rig: Rig) -> list[str]:
    """What a key that was taken out still does."""
    async with scripted.running() as upstream:
        upstream.script((*scripted.stream(*scripted.numbered(1), end=False), scripted.HANG))
        config = {"providers": {"p": provider(upstream)}, "server": {"api_keys": [KEY, "another-good-key"]}}
        async with (
            rig.local(config) as running,
            AsyncClient(running.address, api_key=KEY, options=OPTIONS) as client,
        ):
            stream = aiter(client.stream("hi", model="p/m"))
            await anext(stream)
            path = rig.folder / "revoked.yaml"
            config["server"] = {"api_keys": ["another-good-key"]}
            path.write_text(json.dumps(gateways.configured(config)))
            await running.gateway.reload(load(str(path), {}))
            return [
                await _refused("its open stream", anext(stream)),
                await _refused("a new call", client.list_models()),
            ]


async def _refused(what: str, call: Awaitable[Any]) -> str:
    try:
        await asyncio.wait_for(call, RECOVERY)
    except Unauthenticated:
        return ""
    except Exception as error:
        return f"revoked key: {what}: {error!r}"
    return f"revoked key: {what}: OK"


# ---------------------------------------------------------------- G10
SERVED = {"providers": {"echo": {"default_model": "echo"}}, "server": {"api_keys": [KEY]}}


@row("G10", most=0, timed=True)
async def floods_take_nothing_from_the_others(rig: Rig) -> float:
    """Floods by strangers: those in which others succeed < 99 %, memory grows > 100 MB at any time, or a new call takes > 5 s afterwards."""
    return await _flooded(rig, [name for name in FLOODS if name not in BEHIND_ENVOY_ONLY])


@row("G10E", most=0, timed=True)
async def floods_end_at_envoy(rig: Rig) -> float:
    """The same with the Envoy of deploy/envoy in front, and floods that the gateway alone does not withstand; its memory is the gateway's."""
    return await _flooded(rig, FLOODS, behind=True)


async def _flooded(rig: Rig, names: Iterable[str], *, behind: bool = False) -> float:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    failed = 0
    for name in names:
        async with rig.process(SERVED) as gateway:
            with envoy.started(gateway.address, gateway.log.parent) if behind else nullcontext() as front:
                shown, passed = await _attacked(gateway, name, 1.0 if rig.quick else FLOODS[name].seconds, front)
        failed += not passed
        rig.note(f"{'ok  ' if passed else 'FAIL'} {name}: {shown}")
    return float(failed)


async def _attacked(gateway: Running, name: str, seconds: float, front: envoy.Envoy | None = None) -> tuple[str, bool]:
    address = front.address if front else gateway.address
    watched = [gateway.process, *([psutil.Process(front.pid)] if front else [])]
    async with AsyncClient(address, api_key=KEY, options=OPTIONS) as old:
        for _ in range(50):
            await old.chat("hi")
        before = most = _resident(watched)
        arguments = (name, address.rpartition(":")[2], str(seconds))
        attack = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.security.floods", *arguments), stdout=asyncio.subprocess.PIPE
        )
        ended = asyncio.create_task(attack.communicate())
        calls: list[asyncio.Task[bool]] = []
        while not ended.done():
            call = _anew(address) if len(calls) % 8 == 0 else _succeeds(lambda: old.chat("hi"))
            calls.append(asyncio.create_task(call))
            await asyncio.sleep(1 / RATE)
            most = [max(pair) for pair in zip(most, _resident(watched), strict=True)]
        begun = time.monotonic()
        while not await _anew(address) and time.monotonic() - begun < 4 * RECOVERY:
            await asyncio.sleep(0.1)
        recovery = time.monotonic() - begun
        share = sum(await asyncio.gather(*calls)) / len(calls)
    grown = [(top - first) / 1e6 for top, first in zip(most, before, strict=True)]
    left = [(now - first) / 1e6 for now, first in zip(_resident(watched), before, strict=True)]
    sent, times = (await ended)[0].split() or (b"0", b"0")
    beside = f" (Envoy + {grown[1]:.0f} and + {left[1]:.0f} MB)" if front else ""
    shown = (
        f"others {share:.1%} of {len(calls)}, + {grown[0]:.0f} MB at most, + {left[0]:.0f} MB afterwards{beside}, recovery {recovery:.2f} s;"
        f" {int(sent) / 1e6:.1f} MB sent over {int(times)} connections"
    )
    small = all(more <= most_mb for more, most_mb in zip(grown, (MOST_MB, ENVOY_MB), strict=False))
    return shown, share >= LEAST and small and recovery <= RECOVERY and int(times) > 0


def _resident(processes: Iterable[psutil.Process]) -> list[float]:
    return [float(process.memory_info().rss) for process in processes]


async def _succeeds(call: Callable[[], Awaitable[Any]]) -> bool:
    with suppress(GatewayError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await call()
        return True
    return False


async def _anew(address: str) -> bool:
    """Whether a call over a connection of its own succeeds."""
    async with AsyncClient(address, api_key=KEY, options=OPTIONS) as client:
        return await _succeeds(lambda: client.chat("hi"))
