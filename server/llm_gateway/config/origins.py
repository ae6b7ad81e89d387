"""Where the settings of a configuration are from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_gateway.config.models import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """What one reading of a file and the environment found where.

    file: "" where the environment alone decides. lines: by path. variables: by path, those that its text names or that it is read from.
    overridden: by path, the variable that won over the file. environment: the sections that the environment gives where the file is silent.
    flags: by path, the flag of the command that won over all.
    """

    file: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overridden: Mapping[str, str] = field(default_factory=dict)
    environment: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)


class Traced(Config, frozen=True, kw_only=True):
    """A configuration that knows where its settings are from. Only one with an administration does."""

    origins: Origins


def origins_of(config: Config) -> Origins:
    """Where its settings are from; empty where that was not kept."""
    return config.origins if isinstance(config, Traced) else Origins()
