"""Where the settings of a configuration are from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from llm_gateway.config.models import Config, Provider

RUN_TIME: Final = 0
"""Stands for the line of what was set at run time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """What one reading of a file and the environment found where.

    file: "" where the environment alone decides. lines: by path, RUN_TIME where it was set at run time. variables: by path, those that its text names or that it is read from.
    overridden: by path, the variable that won over the file. environment: the sections that the environment gives where the file is silent.
    flags: by path, the flag of the command that won over all. revision: of what was set at run time, 0 where nothing was. entries: by path what was set as
    a whole there, with the line of the file's entry that it stands before, or 0. off: the providers that are switched off, as they were read.
    """

    file: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overridden: Mapping[str, str] = field(default_factory=dict)
    environment: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    revision: int = 0
    entries: Mapping[str, int] = field(default_factory=dict)
    off: Mapping[str, Provider] = field(default_factory=dict)


class Traced(Config, frozen=True, kw_only=True):
    """A configuration that knows where its settings are from. Only one with an administration does."""

    origins: Origins


def origins_of(config: Config) -> Origins:
    """Where its settings are from; empty where that was not kept."""
    return config.origins if isinstance(config, Traced) else Origins()
