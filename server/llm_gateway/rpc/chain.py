"""The vocabulary of the RPC chain: Rpc, Handler and the links. Nothing here, and in no link, knows what serves the calls; `server` does."""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NoReturn, Protocol

from llm_gateway.errors import Code
from llm_gateway.rpc.methods import METHODS, PLAIN

Pairs = Iterable[tuple[str, str | bytes]]
REQUEST_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
"""What a caller's id of a request may be: it goes into metadata and log lines."""
_ATTEMPTS = re.compile(r"\d{1,9}", re.ASCII)


class Rpc(ABC):
    """One call, as far as links and servicers know of it.

    metadata: the first value of each key; repeated: the keys that came more than once. principal: who calls, set by auth; keys: those
    that it was known by. request: its bytes, not parsed, or an iterator of them. outcome: what the servicer tells the access log (who served,
    usage). write: sends a message of a stream, and waits until there is room for another. ended: whether `end` was called. A call that its caller cancels is a cancelled task.
    """

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
        self.repeated = repeated
        given = metadata.get("x-request-id", "")
        self.request_id = given if REQUEST_ID.fullmatch(given) else f"{random.getrandbits(96):024x}"
        self.principal = ""
        self.keys: object = None
        self.outcome: dict[str, Any] = {}
        self.request: Any = b""
        self.ended = False

    @property
    def previous_attempts(self) -> int:
        """How often gRPC has tried this call before, by its own word (gRFC A6); 0 where that is no such number."""
        told = self.metadata.get("grpc-previous-rpc-attempts", "")
        return int(told) if _ATTEMPTS.fullmatch(told) else 0

    @abstractmethod
    def peer(self) -> str:
        """Who is at the other end of the connection, as gRPC writes it: `ipv4:127.0.0.1:1234`."""

    @abstractmethod
    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None where it set none."""

    @abstractmethod
    def set_trailers(self, pairs: Pairs) -> None:
        """What the answer ends with."""

    @abstractmethod
    async def end(self, code: Code, text: str = "", trailers: Pairs = ()) -> NoReturn:
        """End the call with this status. What it raises goes out through all links."""


Handler = Callable[[Rpc], Awaitable[Any]]


class Interceptor(Protocol):
    """A link around the handler: does its part and calls `proceed`."""

    def __call__(self, rpc: Rpc, proceed: Handler, /) -> Awaitable[Any]: ...


class Guard(Protocol):
    """A link that runs before any byte of the request is read. It may be an Interceptor too."""

    def admit(self, rpc: Rpc, /) -> None:
        """Raise GatewayError to refuse the call."""


Link = Interceptor | Guard
