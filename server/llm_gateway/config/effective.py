"""A configuration → its settings one by one, each as the file would have it, with where it is from. For the administration."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from llm_gateway.config.models import Config
from llm_gateway.config.origins import Origins, origins_of
from llm_gateway.config.reading import fields_of, join, within
from llm_gateway.config.secret import Secret
from llm_gateway.telemetry import logs, redaction

HIDDEN = "***"
"""What stands for a secret."""


class Source(enum.Enum):
    """What decides a setting: nobody, the file, an environment variable, a flag of the command, other settings, or what was set at run time."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    FLAG = "flag"
    INFERRED = "inferred"
    RUNTIME = "run time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """key: its path. value: as the file would have it; "" where it is not set. line: of the file, 0 where there is none. variables: those that
    it is from, or that its text in the file names. flag: the one that decides it, or "". revision: with which it was set at run time, or 0; then line is
    that of the file's provider or route which stands behind this one."""

    key: str
    value: str
    source: Source
    line: int = 0
    variables: tuple[str, ...] = ()
    flag: str = ""
    revision: int = 0


def settings_of(config: Config) -> Iterator[Setting]:
    """Every setting, in the order of ``models``; no secret among them."""
    origins = origins_of(config)
    if origins.off:
        config = msgspec.structs.replace(config, providers={**config.providers, **origins.off})
    for leaf in _leaves(config, Config, "", Config(), ""):
        yield _placed(leaf, origins)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """kind: its type in ``models``. around: path of the list's item or the mapping that one text may stand for."""

    path: str
    value: Any
    kind: Any
    default: Any
    around: str


def _leaves(value: Any, kind: Any, path: str, default: Any, around: str) -> Iterator[_Leaf]:
    """Every setting in a value. default: of the value itself."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        [kind] = [argument for argument in arguments if argument is not types.NoneType]
        yield from _leaves(value, kind, path, default, around)
    elif isinstance(value, Struct):
        for name, field in fields_of(type(value)).items():
            if name != "origins":
                usual = getattr(default, name, field.default)
                yield from _leaves(getattr(value, name), field.type, join(path, name), usual, around)
    elif isinstance(value, Mapping) and value and isinstance(origin, type) and issubclass(origin, Mapping):
        for name, item in value.items():
            known = Secret(str(item)) if arguments[1] is Any and logs.is_secret(str(name)) else item
            yield from _leaves(known, arguments[1], join(path, str(name)), None, path if isinstance(item, bool) else "")
    elif isinstance(value, tuple) and any(isinstance(item, Struct) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, arguments[0], f"{path}[{index}]", None, f"{path}[{index}]")
    else:
        yield _Leaf(path, value, kind, default, around)


def _placed(leaf: _Leaf, origins: Origins) -> Setting:
    path, value = leaf.path, text(leaf.value, leaf.kind)
    if path in origins.flags:
        return Setting(key=path, value=value, source=Source.FLAG, flag=origins.flags[path])
    for overridden, variable in origins.overridden.items():
        if within(path, overridden):
            return Setting(key=path, value=value, source=Source.ENVIRONMENT, variables=(variable,))
    variables = origins.variables.get(path, ())
    if (
        isinstance(leaf.value, Secret) and leaf.value.source.isupper()
    ):  # a variable of the vendor, not a path of the file
        variables = (leaf.value.source,)
    entry = next((one for one in origins.entries if within(path, one)), "")

    def noted(place: str, variables: tuple[str, ...]) -> Setting:
        if line := origins.lines[place]:
            return Setting(key=path, value=value, source=Source.FILE, line=line, variables=variables)
        behind = origins.entries.get(entry, 0)
        return Setting(key=path, value=value, source=Source.RUNTIME, line=behind, revision=origins.revision)

    if path in origins.lines:
        return noted(path, variables)
    if variables:
        return Setting(key=path, value=value, source=Source.ENVIRONMENT, variables=variables)
    if not value or leaf.value == leaf.default:
        return Setting(key=path, value=value, source=Source.DEFAULT)
    if leaf.around and leaf.around in origins.lines:
        return noted(leaf.around, origins.variables.get(leaf.around, ()))
    if not entry and any(within(path, section) for section in origins.environment):
        return Setting(key=path, value=value, source=Source.ENVIRONMENT)
    return Setting(key=path, value=value, source=Source.INFERRED)


def text(value: Any, kind: Any = None) -> str:
    """A value as the file would have it. kind: its type in ``models``."""
    if value is None or value in ((), {}):
        return ""
    mark = typing.get_args(kind)[1] if typing.get_origin(kind) is typing.Annotated else None
    if isinstance(value, Secret):
        return HIDDEN if value else "none"
    if isinstance(value, bool):
        return str(value).lower()
    if mark in ("duration", "timeout"):
        return f"{_plain(value)}s"
    if mark == "price":
        return f"{Decimal(value) / 10**9:f}"
    if isinstance(value, float):
        return _plain(value)
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return ", ".join(map(text, value))
    return redaction.redact(msgspec.json.encode(logs.without_secrets(value)).decode())


def _plain(number: float) -> str:
    """Its digits without an exponent, which the file does not know."""
    return f"{Decimal(repr(number)):f}".removesuffix(".0")
