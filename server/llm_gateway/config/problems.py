"""What is wrong with a configuration, all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProblem:
    """One thing wrong with the configuration. Its text never holds a secret, nor the value of a variable.

    file: path as given, ``environment``, or ``run time``. line: from 1, None where there is none.
    key: path such as ``providers.edge.timeouts.connect``, or a variable's name; empty for the file as a whole.
    wrong: what is wrong. right: what would be right, or empty. unset: a variable could mend it.
    entry: of the run-time layer, see `Layer.entries`; empty where it is none's.
    """

    file: str
    line: int | None = None
    key: str = ""
    wrong: str
    right: str = ""
    unset: bool = False
    entry: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = ": ".join(part for part in (place, self.key, self.wrong) if part)
        return f"{text}; {self.right}" if self.right else text


class ConfigError(Exception):
    """The configuration cannot be used. ``errors`` lists everything wrong with it, in the order of the file."""

    def __init__(self, errors: Iterable[ConfigProblem]) -> None:
        self.errors = sorted(errors, key=lambda problem: problem.line or 0)
        super().__init__("\n".join(map(str, self.errors)))
