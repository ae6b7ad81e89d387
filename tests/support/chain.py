"""Parts of a provider-call chain for unit tests: endpoints that answer by a script, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llm_gateway import config
from llm_gateway.calls.call import Attempt, Call, GroupCall, Handler, Reply, call_endpoint
from llm_gateway.calls.chain import Chain
from llm_gateway.calls.deadline import Deadline
from llm_gateway.calls.fallback import Fallback
from llm_gateway.calls.limit import Limit
from llm_gateway.calls.load_balance import LoadBalance
from llm_gateway.calls.retry import Retry
from llm_gateway.calls.trace import TraceAttempt
from llm_gateway.errors import ProviderError
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.summary import Summary
from llm_gateway.providers import plugins
from llm_gateway.routing.outlier import Breaker, Cooldown
from llm_gateway.routing.state import EndpointState, Permits
from llm_gateway.routing.targets import Endpoint, Provider, Route, Target
from llmgateway.v1 import gateway_pb2, model_pb2

from tests.support.virtual import now

Step = Exception | float | None
"""What a call to a scripted endpoint does: fail, take so many seconds, or answer at once."""


@dataclass(slots=True)
class Clock:
    """A clock that tests move."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def state(
    clock: Callable[[], float] = now, policy: config.Breaker | None = None, permits: Permits | None = None
) -> EndpointState:
    """A fresh state of an endpoint."""
    policy = policy or config.Breaker()
    return EndpointState(
        server=Breaker(policy, clock), key=Cooldown(clock), permits=permits or Permits(), policy=policy, clock=clock
    )


@dataclass(slots=True)
class Scripted:
    """An upstream that plays its steps, one a call; the last one stays. begun: when calls arrived, loop time."""

    steps: list[Step] = field(default_factory=lambda: [None])
    begun: list[float] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    async def __call__(self, attempt: Attempt) -> Reply:
        self.begun.append(asyncio.get_running_loop().time())
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        if step:
            await asyncio.sleep(step)
        reply = reply_to(attempt)
        self.replies.append(reply)
        return reply

    async def list_models(self) -> list[model_pb2.Model]:
        return []

    async def aclose(self) -> None:
        pass


def reply_to(attempt: Attempt) -> Reply:
    """A whole answer."""
    return Reply(answer("ok"), attempt.target, attempt.endpoint)


def answer(text: str) -> EventWriter:
    """A writer that holds a whole answer."""
    writer = EventWriter("p")
    writer.flow("text", text)
    writer.finish(gateway_pb2.FINISH_REASON_STOP, "stop")
    writer.end()
    return writer


def endpoint(*steps: Step, provider: str = "p", deployment: str = "", weight: float = 1.0, **of: Any) -> Endpoint:
    return Endpoint(
        provider=provider,
        deployment=deployment,
        upstream=Scripted(list(steps) or [None]),
        state=of.pop("state", None) or state(**of),
        weight=weight,
    )


def target(*endpoints: Endpoint, model: str = "m", weight: float = 1.0, provider: str = "p", **facts: Any) -> Target:
    settings, row = config.Provider(kind="openai_compatible"), plugins.row("openai_compatible")
    name = endpoints[0].provider if endpoints else provider
    found = Provider(id=name, settings=settings, row=row, endpoints=endpoints)
    return Target(provider=found, model=model, weight=weight, **facts)


def upstream(of: Target, number: int = 0) -> Scripted:
    """The script behind a target's endpoint."""
    found = of.provider.endpoints[number].upstream
    assert isinstance(found, Scripted)
    return found


def call(
    *groups: Target | tuple[Target, ...], deadline: float | None = None, total: float = 600.0, **route: Any
) -> Call:
    """A call over these groups of targets. deadline: seconds from now."""
    found = tuple(group if isinstance(group, tuple) else (group,) for group in groups)
    at = None if deadline is None else asyncio.get_running_loop().time() + deadline
    return Call(
        request=gateway_pb2.SendRequest(),
        summary=Summary(),
        stream=True,
        request_id="r",
        route=Route(name="r", groups=found, timeouts=config.RouteTimeouts(total=total), **route),
        deadline=at,
    )


def grouped(*groups: Target | tuple[Target, ...], left: int = 0, **of: Any) -> GroupCall:
    """A call that has come to its first group."""
    given = call(*groups, **of)
    return GroupCall(given, given.route.groups[0], left)


def attempt(one: Target, **of: Any) -> Attempt:
    """A call that has come to the target's first endpoint."""
    return Attempt(call(one, **of), (one,), one, one.provider.endpoints[0])


def whole_chain(seed: int = 1) -> Handler[Call]:
    """The links that decide, as the application lists them."""
    return (
        Chain(Deadline())
        .then(Fallback())
        .then(Retry(random.Random(seed)))
        .then(LoadBalance(rng=random.Random(seed), clock=now))
        .then(Limit())
        .then(TraceAttempt())
        .to(call_endpoint)
    )


async def outcome(handler: Handler[Call], given: Call) -> str:
    """Who served, or the reason why nobody did."""
    try:
        async with await handler(given) as reply:
            return reply.target.provider.id
    except ProviderError as error:
        return error.reason
