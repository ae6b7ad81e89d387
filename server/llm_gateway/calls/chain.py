"""Links around a handler: what the RPC chain and the provider-call chain are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
R = TypeVar("R")
Outer_contra = TypeVar("Outer_contra", contravariant=True)
Inner_co = TypeVar("Inner_co", covariant=True)


class Link(Protocol[Outer_contra, Inner_co, R]):
    """Takes what comes from outside and calls `proceed` with what goes further in: once, several times or never."""

    def __call__(self, call: Outer_contra, proceed: Callable[[Inner_co], Awaitable[R]], /) -> Awaitable[R]: ...


class Chain(Generic[C, D, R]):
    """Links, outermost first, that take a C and lead to a handler of D. A link in the wrong place fails type checking."""

    def __init__(self: Chain[C, C, R], *links: Link[C, C, R]) -> None:
        self._links: tuple[Any, ...] = links

    def then(self, link: Link[D, E, R]) -> Chain[C, E, R]:
        """With this link innermost."""
        links: tuple[Any, ...] = (*self._links, link)
        return Chain(*links)

    def to(self, handler: Callable[[D], Awaitable[R]]) -> Callable[[C], Awaitable[R]]:
        """The handler behind the links."""
        run: Any = handler
        for link in reversed(self._links):
            run = _around(link, run)
        return run  # type: ignore[no-any-return]  # `then` has checked each link against the next


def _around(link: Any, proceed: Any) -> Any:
    def run(call: Any) -> Any:
        return link(call, proceed)

    return run
