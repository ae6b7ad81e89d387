"""The vocabulary of the RPC chain: Rpc, Handler and the links. Only `server` knows which gRPC implementation serves the calls."""

from __future__ import annotations

import asyncio
import random
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NoReturn, Protocol, cast

from llm_gateway.errors import Code
from llm_gateway.rpc.methods import METHODS, PLAIN

Pairs = Iterable[tuple[str, str | bytes]]
REQUEST_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
"""What a caller's request id may look like: it goes into metadata and log lines."""
_ATTEMPTS = re.compile(r"\d{1,9}", re.ASCII)


class Rpc(ABC):
    """One call, as links and servicers see it. When the caller cancels, its task is cancelled."""

    __slots__ = (
        "ended",
        "keys",
        "metadata",
        "method",
        "outcome",
        "path",
        "principal",
        "repeated",
        "request",
        "request_id",
        "write",
    )
    write: Callable[[Any], Awaitable[None]]
    """Sends a message of a stream, and waits until there is room for another."""

    def __init__(self, path: str, pairs: Pairs) -> None:
        metadata: dict[str, str] = {}
        repeated: list[str] = []
        for key, value in pairs:
            if key in metadata:
                repeated.append(key)
            elif isinstance(value, str):
                metadata[key] = value
        self.path = path
        self.method = METHODS.get(path, PLAIN)
        self.metadata = metadata
        """The first value of each key."""
        self.repeated = repeated
        """Keys that came more than once."""
        given = metadata.get("x-request-id", "")
        self.request_id = given if REQUEST_ID.fullmatch(given) else f"{random.getrandbits(96):024x}"
        self.principal = ""
        """Who calls, set by auth."""
        self.keys: object = None
        """The keys among which auth found it."""
        self.outcome: dict[str, Any] = {}
        """What the servicer tells the access log (who served, usage)."""
        self.request: Any = b""
        """Its bytes, not parsed, or an iterator of them."""
        self.ended = False
        """Whether `end` was called."""

    @property
    def previous_attempts(self) -> int:
        """How often gRPC says it has tried this call before (gRFC A6); 0 if it says nothing valid."""
        told = self.metadata.get("grpc-previous-rpc-attempts", "")
        return int(told) if _ATTEMPTS.fullmatch(told) else 0

    @abstractmethod
    def peer(self) -> str:
        """Who is at the other end of the connection, as gRPC writes it: `ipv4:127.0.0.1:1234`."""

    def certificate_names(self) -> Sequence[str]:
        """The subject alternative names of the client's certificate, where one was demanded."""
        return ()

    @abstractmethod
    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None where it set none."""

    @abstractmethod
    def set_trailers(self, pairs: Pairs) -> None:
        """Set the trailers of the answer."""

    @abstractmethod
    async def end(self, code: Code, text: str = "", trailers: Pairs = ()) -> NoReturn:
        """End the call with this status. The exception it raises passes through all links."""


Handler = Callable[[Rpc], Awaitable[Any]]


def current_task() -> asyncio.Task[Any]:
    """The task of the call that is being served."""
    return cast(asyncio.Task[Any], asyncio.current_task())  # a coroutine runs in one


class Interceptor(Protocol):
    """A link around the handler: does its part and calls `proceed`."""

    def __call__(self, rpc: Rpc, proceed: Handler, /) -> Awaitable[Any]: ...


class Guard(Protocol):
    """A link that runs before any byte of the request is read. It may be an Interceptor too."""

    def admit(self, rpc: Rpc, /) -> None:
        """Raise GatewayError to refuse the call."""


Link = Interceptor | Guard
