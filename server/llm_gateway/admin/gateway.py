"""What the administration asks of the gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from llm_gateway import config
from llm_gateway.routing.table import RoutingTable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """version, previous: fingerprints of what was read, and of what was in force before. restart: settings that changed and need one."""

    version: str
    previous: str
    restart: tuple[str, ...] = ()


class Administered(Protocol):
    """The gateway, from a thread that is not its own.

    settings: those in force, since `loaded`.
    """

    @property
    def settings(self) -> config.Config: ...
    @property
    def loaded(self) -> datetime: ...

    @property
    def refusal(self) -> tuple[str, float] | None:
        """What of the files, or of what was set at run time, is not in force, a problem a line, and since when; None where all is."""
        ...

    async def learned(self, resolve: Callable[[RoutingTable, bool], T]) -> T:
        """What `resolve` finds in the table in force, on the gateway's own event loop: it must be quick. See Service.learned."""
        ...

    async def reload(self, *, check_only: bool) -> Reloaded:
        """Read the configuration again and serve new calls by it, or only check it. Raises ConfigError, and OSError, ValueError for what it
        names; then everything is as before."""
        ...

    async def preview(self, layer: config.Layer) -> config.Config:
        """What would be served by, with this set at run time; changes nothing. Raises ConfigError: problems of the layer have the file "run time", others
        stand in the file."""
        ...

    async def take(self, layer: config.Layer) -> None:
        """Serve new calls with this set at run time; they do when it returns. What is wrong with it by now is left out, and told in log and Health."""
        ...
