"""Kinds of provider: one a module of this package, and those that other packages add through the entry point group GROUP.

A module's name is its kind, its ROW the kind's `Row`; an entry point's name is the kind, its object the `Row`. A row names modules: bare
names are this package's, dotted ones are imported as they are. docs/plugins.md is the guide. Our own files are imported by name too, all
of them only where the order of kinds or their variables are asked for; a plugin when a provider of its kind is configured, never before.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

from llm_gateway import providers
from llm_gateway.providers.rows import Row, Spoken

if TYPE_CHECKING:
    from llm_gateway.protocols.openai_choice import Chooser

GROUP = "llm_gateway.providers"
_NO_KINDS = frozenset({"plugins", "rows"})
"""Modules of this package that are no kind."""

WIRE_FORMAT = (
    "framing",
    "render_request",
    "parse_response",
    "stream_parser",
    "parse_error",
    "render_list_models",
    "parse_models",
)
"""What `protocols.wire.WireFormat` asks of a module."""


class PluginError(Exception):
    """A kind's plugin is not what it should be; the text says what is wrong, for the operator."""


@lru_cache(maxsize=1)
def own() -> frozenset[str]:
    """The kinds that come with the gateway."""
    return frozenset(found.name for found in pkgutil.iter_modules(providers.__path__)) - _NO_KINDS


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """Every kind there is."""
    return own() | {found.name for found in _entry_points()}


@lru_cache(maxsize=1)
def rows() -> dict[str, Row]:
    """Our own kinds, by their rank."""
    return dict(sorted(((kind, row(kind)) for kind in own()), key=lambda found: (found[1].rank, found[0])))


def kinds() -> tuple[str, ...]:
    """Every kind there is, ours by their rank, those of plugins last."""
    return tuple(dict.fromkeys((*rows(), *(found.name for found in _entry_points()))))


@lru_cache(maxsize=256)
def row(kind: str) -> Row:
    """The row of a kind. Raises PluginError."""
    if kind in own():
        found: Row = importlib.import_module(f"{providers.__name__}.{kind}").ROW
        return found
    return _plugged(kind)


def module(package: str, name: str) -> ModuleType:
    """A module that a row names. package: the one of ours that bare names are in."""
    return importlib.import_module(name if "." in name else f"llm_gateway.{package}.{name}")


def dialect(spoken: Spoken) -> Any:
    """What an API's wire format is told of its server."""
    if not isinstance(spoken.dialect, str | dict):
        return spoken.dialect
    dialects = module("protocols", spoken.dialects or spoken.wire)
    return getattr(dialects, spoken.dialect) if isinstance(spoken.dialect, str) else dialects.Dialect(**spoken.dialect)


def chooser(choice: Chooser | str) -> Chooser:
    """What picks an API for a request; a name is `chat`, or the kind that chooses so."""
    if not isinstance(choice, str):
        return choice
    if choice != "chat":
        return chooser(row(choice).choice)
    from llm_gateway.protocols.openai_choice import chat_only

    return chat_only


def shadows() -> Iterator[tuple[str, str]]:
    """(package, kind) of plugins that add a kind of ours."""
    return ((_origin(found), found.name) for found in _entry_points() if found.name in own())


@lru_cache(maxsize=1)
def _entry_points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _origin(found: EntryPoint) -> str:
    return found.dist.name if found.dist is not None else found.value


def _plugged(kind: str) -> Row:
    candidates = [found for found in _entry_points() if found.name == kind]
    if len({found.value for found in candidates}) != 1:
        names = ", ".join(sorted(map(_origin, candidates))) or "no package"
        raise PluginError(f"{kind!r} is added by {names}; one package must add it")
    found = candidates[0]
    origin = f"{found.value} of {_origin(found)}"
    try:
        added: Any = found.load()
    except Exception as error:
        raise PluginError(f"{origin} cannot be loaded ({type(error).__name__}: {error})") from error
    if not isinstance(added, Row):
        raise PluginError(f"{origin} is a {type(added).__name__}, not a Row of llm_gateway.plugin")
    for label, spoken in added.apis.items():
        _check_api(f"{origin}, API {label!r}", spoken)
    if added.transport and not hasattr(_imported(origin, "upstream", added.transport), "client"):
        raise PluginError(f"{origin}: {added.transport} has no client")
    return added


def _check_api(origin: str, spoken: Spoken) -> None:
    missing = [name for name in WIRE_FORMAT if not hasattr(_imported(origin, "protocols", spoken.wire), name)]
    if missing:
        raise PluginError(f"{origin}: the wire format {spoken.wire} lacks {', '.join(missing)}")
    dialects = spoken.dialects or spoken.wire
    if isinstance(spoken.dialect, str) and not hasattr(_imported(origin, "protocols", dialects), spoken.dialect):
        raise PluginError(f"{origin}: {dialects} has no dialect {spoken.dialect}")


def _imported(origin: str, package: str, name: str) -> ModuleType:
    try:
        return module(package, name)
    except Exception as error:
        raise PluginError(f"{origin}: {name} cannot be imported ({type(error).__name__}: {error})") from error
