"""The vocabulary of the provider-call chain: Call → GroupCall → Attempt on the way in, Reply on the way out.

The commit rule: ``await proceed(call)`` returns only when the first content has been parsed. A failure before that is an exception,
and retry, balancing and fallback are plain try/except; after it the answer belongs to the client and nobody retries.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

import msgspec
from llmgateway.v1 import gateway_pb2, usage_pb2

from llm_gateway.errors import (
    AttemptTimeout,
    CallerDeadline,
    Code,
    GatewayError,
    InternalError,
    ProviderError,
    StreamInterrupted,
)
from llm_gateway.protocols.events import Event, EventWriter
from llm_gateway.protocols.summary import Summary
from llm_gateway.routing.targets import Candidate, Endpoint, Group, Route, Target

C = TypeVar("C")
MAX_ATTEMPTS_REPORTED = 16


class Journal:
    """What was tried for one call, in order: provider calls and targets that were skipped."""

    __slots__ = ("_skipped", "attempts", "calls", "failures", "last", "tried")

    def __init__(self) -> None:
        self.attempts: list[gateway_pb2.Attempt] = []
        self.calls = 0
        """Provider calls begun."""
        self.failures: list[ProviderError] = []
        """Their errors."""
        self.tried: list[Candidate] = []
        """Targets and endpoints that failed."""
        self.last: Candidate | None = None
        """The ones chosen last."""
        self._skipped: set[tuple[str, str, str, str]] = set()

    def skip(self, provider: str, model: str, deployment: str, reason: str) -> None:
        """A target was left out; each reason is noted once per target."""
        skipped = (provider, model, deployment, reason)
        if skipped not in self._skipped:
            self._skipped.add(skipped)
            self.attempts.append(
                gateway_pb2.Attempt(provider=provider, model=model, deployment=deployment, skip_reason=reason)
            )

    def fill(self, route: gateway_pb2.RouteInfo) -> None:
        """Put the attempts into a RouteInfo."""
        route.attempts.extend(self.attempts[-MAX_ATTEMPTS_REPORTED:])


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One logical call. What is made per call is a Struct: a dataclass takes five times as long."""

    request: gateway_pb2.SendRequest
    summary: Summary
    """Of its conversation."""
    stream: bool
    request_id: str
    route: Route
    """Where it may go."""
    deadline: float | None = None
    """Loop time by which all attempts must be over, if there is one."""
    principal: str = ""
    """Who calls."""
    journal: Journal = msgspec.field(default_factory=Journal)

    def __repr__(self) -> str:
        """Without the request, which is the caller's."""
        return f"Call({self.request_id})"


class GroupCall(msgspec.Struct, frozen=True):
    """What fallback makes of a call: one group of targets to choose among."""

    call: Call
    group: Group
    groups_left: int = 0
    """Fallback groups after it."""

    def candidates(self) -> list[Candidate]:
        """Every endpoint of every target of the group."""
        return [(target, endpoint) for target in self.group for endpoint in target.provider.endpoints]


class Attempt(msgspec.Struct, frozen=True):
    """What load_balance makes of it: one provider call, to a target at an endpoint."""

    call: Call
    group: Group
    """From which it was chosen."""
    target: Target
    endpoint: Endpoint


class Reply:
    """A committed answer: an async iterator of content events that owns its upstream resources.

    Iterate it inside ``async with``. Iteration raises StreamInterrupted when the upstream breaks; it ends only after the provider's
    own end mark. Callbacks given to `on_close` run once, last added first, when the reply is closed; `error` then tells how it ended:
    None for a whole answer, CancelledError when it was abandoned.
    """

    __slots__ = (
        "_close",
        "_closed",
        "_events",
        "_on_close",
        "_pull",
        "endpoint",
        "error",
        "target",
        "total",
        "writer",
    )

    def __init__(
        self,
        writer: EventWriter,
        target: Target,
        endpoint: Endpoint,
        *,
        pull: Callable[[], Awaitable[list[Event]]] | None = None,
        close: Callable[[bool], Awaitable[None]] | None = None,
    ) -> None:
        """pull: gets more events, [] only at the end. close: frees the upstream; its argument says whether the answer is complete."""
        self.writer = writer
        """What is known of the response so far (usage, ids)."""
        self.target = target
        self.endpoint = endpoint
        self.error: BaseException | None = None
        self.total: float | None = None
        """The route's limit in seconds, if the deadline is the route's and not the caller's."""
        self._events: deque[Event] = deque(writer.drain())
        self._pull = pull
        self._close = close
        self._on_close: list[Callable[[Reply], None]] = []
        self._closed = False

    def on_close(self, callback: Callable[[Reply], None]) -> None:
        self._on_close.append(callback)

    @property
    def usage(self) -> usage_pb2.Usage | None:
        return self.writer.usage

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._pull is None or self.writer.done:
                raise StopAsyncIteration
            try:
                self._events.extend(await self._pull())
            except asyncio.CancelledError as error:
                self.error = error
                raise
            except ProviderError as error:
                raise self._interrupted(error) from None
            except CallerDeadline as error:
                if self.total is not None:
                    raise self._interrupted(AttemptTimeout.of_route(self.total)) from None
                self.error = error
                error.about = self.target.label
                raise
            except GatewayError as error:
                self.error = error
                raise
        return self._events.popleft()

    def _interrupted(self, error: ProviderError) -> StreamInterrupted:
        self.error = interrupted = StreamInterrupted(
            cause=error.cause,
            status=error.status,
            provider_code=error.provider_code or error.reason,
            provider_message=error.provider_message,
            provider_request_id=error.provider_request_id,
            usage=error.usage or self.writer.usage,
        )
        interrupted.about = self.target.label
        return interrupted

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.error is None and not isinstance(error, GeneratorExit):
            self.error = error
        await self.aclose()

    async def aclose(self) -> None:
        """Free the upstream and tell the links. An answer that is not whole counts as cancelled."""
        if self._closed:
            return
        self._closed = True
        whole = self.writer.done and self.error is None
        if not whole and self.error is None:
            self.error = asyncio.CancelledError()
        try:
            if self._close is not None:
                await self._close(whole)
        finally:
            for callback in reversed(self._on_close):
                callback(self)


Handler: TypeAlias = Callable[[C], Awaitable[Reply]]
"""What takes a Call, a GroupCall or an Attempt further in."""


def outcome(error: BaseException | None) -> tuple[Code, str]:
    """Code and reason of what a call ended with."""
    if error is None:
        return Code.OK, ""
    if isinstance(error, GatewayError):
        return error.code, error.reason
    if isinstance(error, asyncio.CancelledError):
        return Code.CANCELLED, "CANCELLED"
    return Code.INTERNAL, InternalError.reason


async def call_endpoint(attempt: Attempt) -> Reply:
    """The end of the chain: the chosen endpoint's upstream."""
    reply: Reply = await attempt.endpoint.upstream(attempt)
    return reply
