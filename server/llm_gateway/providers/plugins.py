"""Kinds of provider: those of `rows`, and those that other packages add through the entry point group GROUP.

An entry point's name is the kind, its object the kind's `Row`. A row names modules: bare names are this package's, dotted ones are
imported as they are. docs/plugins.md is the guide. A plugin is loaded when a provider of its kind is configured, never before.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from llm_gateway import config
from llm_gateway.providers.rows import ROWS, Row

GROUP = "llm_gateway.providers"

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


def kinds() -> tuple[str, ...]:
    """Every kind there is, those of plugins last."""
    return tuple(dict.fromkeys((*config.KINDS, *(found.name for found in _entry_points()))))


def row(kind: str) -> Row:
    """The row of a kind other than `echo`. Raises PluginError."""
    return ROWS[kind] if kind in ROWS else _plugged(kind)


def module(room: str, name: str) -> ModuleType:
    """A module that a row names. room: our package that a bare name is in."""
    return importlib.import_module(name if "." in name else f"llm_gateway.{room}.{name}")


def check(providers: Mapping[str, config.Provider]) -> None:
    """Load the plugins that providers are configured for. Raises ConfigError with every problem."""
    problems = []
    added: Iterable[EntryPoint] = _entry_points()
    for found in added:
        if found.name in config.KINDS:
            wrong = f"adds the kind {found.name}, which the gateway has itself"
            problems.append(config.ConfigProblem(file=_origin(found), wrong=wrong, right="rename it"))
    for name, provider in providers.items():
        if provider.kind not in config.KINDS:
            try:
                row(provider.kind)
            except PluginError as error:
                problems.append(config.ConfigProblem(file="plugin", key=f"providers.{name}.kind", wrong=str(error)))
    if problems:
        raise config.ConfigError(problems)


@lru_cache(maxsize=1)
def _entry_points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _origin(found: EntryPoint) -> str:
    return found.dist.name if found.dist is not None else found.value


@lru_cache(maxsize=64)
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
        _check_api(f"{origin}, API {label!r}", spoken.wire, spoken.dialects, spoken.dialect)
    if added.transport and not hasattr(_imported(origin, "upstream", added.transport), "client"):
        raise PluginError(f"{origin}: {added.transport} has no client")
    return added


def _check_api(origin: str, wire: str, dialects: str, dialect: str) -> None:
    missing = [name for name in WIRE_FORMAT if not hasattr(_imported(origin, "protocols", wire), name)]
    if missing:
        raise PluginError(f"{origin}: the wire format {wire} lacks {', '.join(missing)}")
    if not hasattr(_imported(origin, "protocols", dialects), dialect):
        raise PluginError(f"{origin}: {dialects} has no dialect {dialect}")


def _imported(origin: str, room: str, name: str) -> ModuleType:
    try:
        return module(room, name)
    except Exception as error:
        raise PluginError(f"{origin}: {name} cannot be imported ({type(error).__name__}: {error})") from error
