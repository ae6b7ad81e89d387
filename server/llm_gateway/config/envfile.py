"""A file of variables, such as ``.env``: ``NAME=value`` a line, as a shell would have it, but nothing in it is run or expanded."""

from __future__ import annotations

import re
from typing import Final

from llm_gateway.config.problems import ConfigError, ConfigProblem
from llm_gateway.config.reading import text_of
from llm_gateway.config.sources import Sources

_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*(.*)", re.DOTALL)
_SINGLE: Final = re.compile(r"'([^']*)'[ \t]*(?:#.*)?$")
_DOUBLE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t]*(?:#.*)?$', re.DOTALL)
_COMMENT: Final = re.compile(r"(?:^|[ \t])#.*")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}


def read(path: str, sources: Sources | None = None) -> dict[str, str]:
    """The variables of a file. Raises ConfigError with every line that is wrong, never with a value."""
    return parse(text_of(path, sources), path)


def parse(text: str, path: str) -> dict[str, str]:
    """The variables of a text; the last value of a name holds. ``export`` and comments are passed over. In single quotes everything is
    itself; in double quotes ``\\n`` and the like are characters; without quotes a value ends at a comment. Raises ConfigError."""
    found: dict[str, str] = {}
    problems: list[ConfigProblem] = []

    def wrong(number: int, what: str, right: str, name: str = "") -> None:
        problems.append(ConfigProblem(file=path, line=number, key=name, wrong=what, right=right))

    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            wrong(number, "is not NAME=value", "write one variable a line, with # before a comment")
            continue
        name, value = match.groups()
        if "\0" in value:
            wrong(number, "holds a byte that no variable can", "is the file text?", name)
            continue
        if value[:1] in ("'", '"'):
            quoted = _SINGLE if value[0] == "'" else _DOUBLE
            while not (whole := quoted.match(value)) and (more := next(lines, None)) is not None:
                value = f"{value}\n{more[1]}"
            if whole is None:
                wrong(
                    number,
                    "has a quote that does not end, or text behind one",
                    "close it at the end of the value",
                    name,
                )
                continue
            value = whole[1]
            if quoted is _DOUBLE:
                value = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), value, flags=re.DOTALL)
            expands = quoted is _DOUBLE and re.search(r"(?<!\\)\$\{?[A-Za-z_]", whole[1])
        else:
            value = _COMMENT.sub("", value).rstrip()
            expands = re.search(r"\$\{[A-Za-z_]|^\$[A-Za-z_]\w*$", value)
        if expands:
            wrong(number, "refers to another variable", "write the value itself, or put it in single quotes", name)
            continue
        found[name] = value
    if problems:
        raise ConfigError(problems)
    return found
