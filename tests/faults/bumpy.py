"""Rows C11 to C13: one bumpy provider must be better behind the gateway than without it, and one caller's faults are nobody else's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from llmgateway import AsyncClient, make_request

from tests.faults.history import Outcome, ask
from tests.faults.rig import Rig, paced, provider, row, upstreams
from tests.support import upstream as scripted
from tests.support.bumpy import TABLE, Attempts, Bumps, Load
from tests.support.upstream import Pause, Request, Script, Upstream

SENDS = 4
"""Calls that a caller of C12 makes at most for what it wants."""


@dataclass(slots=True, kw_only=True)
class Arm:
    """One provider of a comparison: what load it is under, and which faults it has."""

    name: str
    load: Load
    bumps: Bumps
    seed: int
    attempts: Attempts = field(default_factory=Attempts)

    def script(self, request: Request) -> Script:
        """What this attempt gets; the text of the request is the number of its call."""
        body = request.json()
        call = int(body["messages"][0]["content"])
        status = self.bumps.status(self.seed, call, self.attempts.next(call))
        if status == 429:
            error = {"error": {"message": "slow down", "type": "rate_limit_error"}}
            return scripted.whole(429, error, [("retry-after", f"{self.bumps.hint:g}")])
        if status == 503:
            return scripted.whole(503, {"error": {"message": "busy", "type": "server_error"}})
        return scripted.chat_stream(2) if body.get("stream") else scripted.chat("ok")


def serve(upstream: Upstream, arms: dict[str, Arm]) -> None:
    """Let one server be many providers, told apart by the beginning of the path."""
    upstream.answer = lambda request: arms[request.path.split("/")[1]].script(request)


def providers(upstream: Upstream, names: list[str]) -> dict[str, Any]:
    return {
        name: {"kind": "openai_compatible", "endpoint": f"{upstream.url}/{name}/v1", "api_key": "none", "models": ["m"]}
        for name in names
    }


async def say(client: AsyncClient, model: str, text: str, *, stream: bool, timeout: float = 120.0) -> Outcome:
    """One call with this text, and its history."""
    return await ask(client, model, stream=stream, timeout=timeout, request=make_request(text, model=model))


def through(client: AsyncClient, name: str) -> Callable[[int], Awaitable[bool]]:
    """A call by the gateway, which does all the retrying: every second one is a stream."""

    async def call(number: int) -> bool:
        return (await say(client, f"{name}/m", str(number), stream=bool(number % 2))).ok

    return call


@row("C11", star=True, most=0)
async def a_bumpy_provider_is_better_behind_the_gateway(rig: Rig) -> float:
    """Loads and faults of the table, three seeds, against a client that calls straight and retries twice: rows with fewer than 99 % of straight's successes, or over 102 % of its provider calls."""
    seeds = (1,) if rig.quick else (1, 2, 3)
    arms: dict[str, Arm] = {}
    for index, (name, load, bumps) in enumerate(TABLE):
        if rig.quick:
            load = Load(calls=load.calls // 3, rate=2 * load.rate, at_once=load.at_once)
        for seed in seeds:
            arms[f"p{index}x{seed}"] = Arm(name=name, load=load, bumps=bumps, seed=seed)
    served: dict[str, int] = {}
    async with upstreams(1) as (upstream,):
        serve(upstream, arms)
        async with rig.process({"providers": providers(upstream, list(arms))}) as gateway:

            async def run(name: str, arm: Arm) -> None:
                served[name] = sum(await arm.load.run(through(gateway.client, name)))

            for paced_ones in (False, True):  # the crowds take all there is of the machine
                await asyncio.gather(*(run(*each) for each in arms.items() if bool(each[1].load.rate) is paced_ones))
    wrong: list[str] = []
    for index, (name, _, bumps) in enumerate(TABLE):
        mine = {one: arms[one] for one in (f"p{index}x{seed}" for seed in seeds)}
        ok, calls = sum(served[one] for one in mine), sum(arm.attempts.total for arm in mine.values())
        alone = [bumps.straight(arm.seed, arm.load.calls) for arm in mine.values()]
        straight_ok, straight_calls = (sum(column) for column in zip(*alone, strict=True))
        total = sum(arm.load.calls for arm in mine.values())
        text = f"{name}: {ok} of {total} OK by {calls} provider calls, straight {straight_ok} by {straight_calls}"
        rig.note(text)
        wrong.append(text if ok < 0.99 * straight_ok or calls > 1.02 * straight_calls else "")
    return float(sum(map(bool, wrong)))


@row("C12", star=True, least=0.99)
async def a_batch_gets_through_a_bumpy_provider(rig: Rig) -> float:
    """500 callers at once, 15 % 503 and 10 % 429, who make up to four calls and wait as they are told: least share of a seed that is served."""
    crowd = Load(calls=100, at_once=100) if rig.quick else Load(calls=500, at_once=500)
    worst = 1.0
    for seed in (1,) if rig.quick else (1, 2, 3):
        arm = Arm(name="batch", load=crowd, bumps=Bumps(limited=0.1, hint=1.0, down=0.15), seed=seed)
        async with upstreams(1) as (upstream,):
            serve(upstream, {"p": arm})
            async with rig.process({"providers": providers(upstream, ["p"])}) as gateway:
                sends: list[Outcome] = []
                rng = random.Random(seed)

                async def call(number: int) -> bool:
                    for again in range(SENDS):
                        outcome = await say(gateway.client, "p/m", str(number), stream=bool(number % 2))
                        sends.append(outcome)  # noqa: B023
                        if outcome.ok:
                            return True
                        backoff = rng.uniform(0, 0.25 * 2**again)  # noqa: B023
                        await asyncio.sleep(outcome.retry_delay or backoff)
                    return False

                served = sum(await crowd.run(call))
        first = sum(outcome.ok for outcome in sends[: crowd.calls])
        rig.note(
            f"seed {seed}: {served} of {crowd.calls} by {len(sends)} calls and {arm.attempts.total} provider calls ({first} at first)"
        )
        worst = min(worst, served / crowd.calls)
    return worst


def _refused(status: int, message: str, kind: str = "invalid_request_error", code: str | None = None) -> Script:
    return scripted.whole(status, {"error": {"message": message, "type": kind, "code": code}})


FAULTS: dict[str, Script] = {
    "invalid": _refused(400, "Invalid value: 'insufficient_quota'. Supported values are: 'a'."),
    "model": _refused(404, "The model `m` does not exist", code="model_not_found"),
    "large": _refused(413, "Request too large", kind="request_too_large"),
    "quoting": scripted.whole(
        422, {"detail": [{"msg": "Input should be a list", "input": "my billing: credit balance, invalid api key"}]}
    ),
    "context": _refused(400, "This model's maximum context length is 8 tokens", code="context_length_exceeded"),
    "image": _refused(400, "Unable to download the image", code="invalid_image_url"),
    "late": (Pause(5.0), *scripted.chat("late")),
    "gone": (Pause(5.0), *scripted.chat("gone")),
}
"""What the third caller of C13 sends, and what the provider says to it."""


def _by_fault(request: Request) -> Script:
    body = request.json()
    fault = FAULTS.get(body["messages"][0]["content"])
    if fault is not None:
        return fault
    return (Pause(0.05), *(scripted.chat_stream(2) if body.get("stream") else scripted.chat("ok")))


@row("C13", star=True, most=0)
async def one_callers_faults_are_nobody_elses(rig: Rig) -> float:
    """Three callers of one model, of whom one sends only what fails, twice as often as the others call: calls of the others that failed, took a second attempt or went elsewhere."""
    seconds = 3.0 if rig.quick else 12.0
    wrong: list[str] = []
    async with upstreams(2) as servers:
        for each in servers:
            each.answer = _by_fault
        config = {
            "providers": {"p": provider(servers[0]), "f": provider(servers[1])},
            "routes": {"r": {"targets": ["p/m"], "fallbacks": ["f/m"]}},
        }
        async with rig.process(config) as gateway:
            numbers = iter(range(1_000_000))

            async def bad() -> Outcome:
                number = next(numbers)
                fault = list(FAULTS)[number % len(FAULTS)]
                stream, timeout = bool(number // len(FAULTS) % 2), 0.01 if fault == "late" else 30
                asked = say(gateway.client, "p/m", fault, stream=stream, timeout=timeout)
                if fault != "gone":
                    return await asked
                task = asyncio.ensure_future(asked)
                await asyncio.sleep(0.03)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                return Outcome(started_at=0.0, code="CANCELLED")

            async def good(model: str) -> Outcome:
                return await ask(gateway.client, model, stream=bool(next(numbers) % 2), timeout=30)

            failing, alone, routed = await asyncio.gather(
                paced(40, seconds, bad), paced(20, seconds, lambda: good("p/m")), paced(20, seconds, lambda: good("r"))
            )
    for outcome in [*alone, *routed]:
        fine = outcome.ok and outcome.provider == "p" and len(outcome.attempts) == 1
        wrong.append(
            "" if fine else f"{outcome.code} {outcome.reason} by {outcome.provider}, {len(outcome.attempts)} attempts"
        )
    rig.note(f"{len(alone) + len(routed)} calls beside {len(failing)} that failed")
    if any(outcome.ok for outcome in failing):
        wrong.append("what should fail did not")
    return rig.flaws(wrong)
