"""YAML nodes → frozen structs, every problem with its line.

A value is read by the type of its key, never by YAML's guess: a model named ``no`` is a name and ``2024-10-21`` is an API
version. JSON is read as the YAML it is. Messages show what stands in the file, with ``${VAR}`` unexpanded, and nothing of a secret.
"""

from __future__ import annotations

import difflib
import itertools
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from llm_gateway.config.models import ApiKey, Capability, Endpoint, Target
from llm_gateway.config.secret import Secret

Node: TypeAlias = Any  # a yaml.Node: its stubs lack what tells the kinds of node apart

MAX_FILE_BYTES = 1 << 20
_MAX_NODES = 100_000  # aliases make a small file large
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProblem:
    """One thing wrong with the configuration.

    file: path as given, or ``environment``. line: from 1, None where there is none. key: path such as ``providers.edge.timeouts.connect``,
    or a variable's name; empty for the file as a whole. wrong: what is wrong. right: what would be right, or empty.
    """

    file: str
    line: int | None = None
    key: str = ""
    wrong: str
    right: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.wrong) if part) + (
            f"; {self.right}" if self.right else ""
        )


class ConfigError(Exception):
    """The configuration cannot be used. ``errors`` lists everything wrong with it, in the order of the file."""

    def __init__(self, errors: Iterable[ConfigProblem]) -> None:
        self.errors = sorted(errors, key=lambda problem: problem.line or 0)
        super().__init__("\n".join(map(str, self.errors)))


class Unfit(Exception):
    """A value that does not fit; becomes a ConfigProblem where the node is known."""

    def __init__(self, wrong: str, right: str = "") -> None:
        super().__init__(wrong)
        self.wrong, self.right = wrong, right


class _Unset(Unfit):
    """A variable that is not set."""


_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


def interpolate(text: str, env: Mapping[str, str]) -> str:
    """``${VAR}``, and ``${VAR:-default}`` for a variable unset or empty; ``$${`` is a plain ``${``."""

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        if match[0] == "$${":
            return "${"
        if name is None:
            raise Unfit("has a ${ that names no variable", "write ${NAME}, ${NAME:-default}, or $${ for a plain ${")
        if default is not None:
            return env.get(name) or str(default)
        if name not in env:
            raise _Unset(f"environment variable {name} is not set", f"set it, or write ${{{name}:-default}}")
        return env[name]

    return _VARIABLE.sub(value, text)


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+|0")
_SIZES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def duration(text: str) -> float:
    """Seconds of ``500ms``, ``2s``, ``1m30s``, ``1h``."""
    if not _DURATION.fullmatch(text):
        raise Unfit("is not a duration", "write a number with its unit, such as 500ms, 2s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", text))


def _timeout(text: str) -> float:
    if not (seconds := duration(text)):
        raise Unfit("must be longer than 0", "write a duration such as 2s")
    return seconds


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d{1,15}) ?(|KiB|MiB|GiB)", text)
    if not match or not int(match[1]):
        raise Unfit("is not a size", "write bytes, or a number with KiB, MiB or GiB, such as 32MiB")
    return int(match[1]) * _SIZES[match[2]]


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text):
        raise Unfit("is not a whole number", "write digits only")
    return int(text)


def _positive(text: str) -> int:
    if not (number := _count(text)):
        raise Unfit("must be at least 1")
    return number


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and 0 <= number <= 10**9):
        raise Unfit("is not a number of 0 or more")
    return number


def _ratio(text: str) -> float:
    if (number := _decimal(text)) > 1:
        raise Unfit("is not between 0 and 1", "write a share such as 0.1")
    return float(number)


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise Unfit("is not a name", "use letters, digits, '.', '_' and '-', starting with a letter or digit")
    return text


def url(text: str) -> str:
    """An http(s) URL that carries no credentials; without its trailing slash."""
    right = "write something like https://host:port/v1"
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where the port is no number
    except ValueError:
        raise Unfit("is not a URL", right) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise Unfit("is not an http or https URL", right)
    if "@" in parts.netloc:
        raise Unfit("holds a user name or password", "leave them out of the URL and use api_key or headers")
    if parts.query or parts.fragment:
        raise Unfit("holds a query or fragment", "leave them out; a dated API version goes into api_version")
    return text.rstrip("/")


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise Unfit("is neither true nor false")
    return text == "true"


def _secret(text: str) -> Secret:
    if not text.strip():
        raise Unfit("is empty", "give the value, or none to send no credentials")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise Unfit("holds a line break or another control character", "check how the variable was set")
    return Secret("" if text == "none" else text)


def _text(text: str) -> str:
    if not text:
        raise Unfit("is empty", "give a value or leave the key out")
    return text


_SCALARS: dict[Any, Callable[[str], Any]] = {
    str: _text,
    bool: _boolean,
    Secret: _secret,
    "duration": duration,
    "timeout": _timeout,
    "size": _size,
    "count": _count,
    "positive": _positive,
    "number": lambda text: float(_decimal(text)),
    "ratio": _ratio,
    "price": lambda text: round(_decimal(text) * 10**9),
    "name": _name,
    "url": url,
}


def _short_key(text: str) -> Mapping[str, Any]:
    return {"key": _secret(text)}


def _short_endpoint(text: str) -> Mapping[str, Any]:
    return {"url": url(text)}


def _short_target(text: str) -> Mapping[str, Any]:
    provider, slash, model = text.partition("/")
    if not (provider and slash and model):
        raise Unfit("is not provider/model", "write provider/model, or {provider: …, model: …}")
    return {"provider": provider, "model": model}


_SHORT: dict[type[Struct], Callable[[str], Mapping[str, Any]]] = {
    ApiKey: _short_key,
    Endpoint: _short_endpoint,
    Target: _short_target,
}

INVALID: Any = object()
"""What stands for a value whose problem has been noted."""


def join(path: str, key: str) -> str:
    """The path of a key below a path; keys with dots are quoted."""
    key = key if re.fullmatch(r"[\w-]+", key) else f'"{key}"'
    return f"{path}.{key}" if path else key


class Reading:
    """One reading of one file: collects problems, and remembers on which line each key stands."""

    def __init__(self, file: str, env: Mapping[str, str]) -> None:
        self.file = file
        self.problems: list[ConfigProblem] = []
        self._env = env
        self._lines: dict[str, int] = {}
        self._shown: dict[str, str] = {}
        self._dropped: set[str] = set()
        self._nodes = 0
        self._off = ""  # path of a provider that is switched off: its variables need not be set

    def problem(self, path: str, wrong: str, right: str = "") -> None:
        """Notes a problem at a path, on its line or that of the nearest mapping around it."""
        around = path
        while around not in self._lines and around:
            around = re.sub(r'(^|\.)("[^"]*"|[\w-]+)$|\[\d+\]$', "", around)
        self.problems.append(
            ConfigProblem(file=self.file, line=self._lines.get(around), key=path, wrong=wrong, right=right)
        )

    def troubled(self, path: str) -> bool:
        """Whether a problem was noted at the path, in it or around it: what follows from that one is not worth a second."""
        return any(
            problem.key == path or problem.key.startswith((f"{path}.", f"{path}[")) or _within(path, problem.key)
            for problem in self.problems
            if problem.key
        )

    def has(self, path: str) -> bool:
        """Whether the file sets the key."""
        return path in self._lines

    def places(self, path: str) -> Iterator[str]:
        """The paths of a list's items that could be read, in order, without end."""
        return (at for index in itertools.count() if (at := f"{path}[{index}]") not in self._dropped)

    def shown(self, path: str, value: str) -> str:
        """The value at a path as the file has it, in quotes; the value itself where the file does not hold it."""
        return repr(self._shown.get(path, value))

    def parse(self, text: str) -> Node:
        """The root node of a YAML text; None, with a problem noted, where it is not YAML."""
        import yaml  # 15 ms that a gateway without a file does not spend

        if text.lstrip().startswith("{"):  # JSON may be indented by tabs, YAML may not; JSON strings span no lines
            text = re.sub(r"^\t+", lambda tabs: "  " * len(tabs[0]), text, flags=re.MULTILINE)
        try:
            root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            # the parser quotes the file, which holds keys
            what = re.sub(r"'[^']{4,}'|\"[^\"]{4,}\"", "…", error.problem or "cannot be parsed")
            line = mark.line + 1 if mark else None
            self.problems.append(ConfigProblem(file=self.file, line=line, wrong=f"is not valid YAML: {what}"))
            return None
        except yaml.YAMLError:
            wrong = "is not valid YAML: it holds a character that YAML does not allow"
            self.problems.append(ConfigProblem(file=self.file, wrong=wrong))
            return None
        return root  # None for an empty file

    def read(self, node: Node, kind: Any, path: str) -> Any:
        """The value of a node as a type of ``models``; INVALID when a problem was noted instead."""
        self._lines.setdefault(path, node.start_mark.line + 1)
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise ConfigError([ConfigProblem(file=self.file, wrong="is too large once its aliases are expanded")])
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if kind is Any:
            return self._plain(node, path, 0)
        if origin in (typing.Union, types.UnionType):
            [inner] = [argument for argument in arguments if argument is not types.NoneType]
            return self.read(node, inner, path)
        if origin is tuple:
            return self._list(node, arguments[0], path)
        if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
            return self._mapping(node, arguments[0], arguments[1], path)
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self._struct(node, kind, path)
        return self._scalar(node, kind, path)

    def _scalar(self, node: Node, kind: Any, path: str) -> Any:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        marker = arguments[1] if origin is typing.Annotated else kind
        hidden = marker is Secret
        if node.id != "scalar":
            return self._not(path, node, "a single value")
        # a URL's user and query may hold a password
        shown = "" if hidden or (marker == "url" and re.search("[@?#]", node.value)) else f"{node.value!r} "
        try:
            text = self._expand(node)
            if marker == "file":
                return self._file(text)
            if origin is typing.Literal:
                if text not in arguments:
                    raise Unfit("is none of " + ", ".join(arguments), _nearest(text, arguments))
                return text
            value = _SCALARS[marker](text)
        except Unfit as bad:
            if isinstance(bad, _Unset) and self._off and _within(path, self._off):
                return INVALID
            self.problem(path, bad.wrong if isinstance(bad, _Unset) else shown + bad.wrong, bad.right)
            return INVALID
        if not hidden:
            self._shown[path] = node.value
        return value

    def _expand(self, node: Node) -> str:
        text = interpolate(node.value, self._env)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not text.isascii() else text

    def _file(self, text: str) -> str:
        path = os.path.join(os.path.dirname(self.file), os.path.expanduser(_text(text)))
        if not os.path.isfile(path):
            raise Unfit("is not a file", "give a path from the configuration file's folder, or an absolute one")
        return path

    def _list(self, node: Node, kind: Any, path: str) -> Any:
        if node.id != "sequence":
            return self._not(path, node, "a list", "write [ … ]")
        items = [
            INVALID if self._null(item, at := f"{path}[{index}]") else self.read(item, kind, at)
            for index, item in enumerate(node.value)
        ]
        self._dropped.update(f"{path}[{index}]" for index, item in enumerate(items) if item is INVALID)
        return tuple(item for item in items if item is not INVALID)

    def _mapping(self, node: Node, key_kind: Any, kind: Any, path: str) -> Any:
        if key_kind is Capability and node.id == "sequence":
            names = self._list(node, Capability, path)
            return dict.fromkeys(names, True)
        values = {}
        for name, item in self._items(node, path):
            at = join(path, name)
            if key_kind is Capability and name not in (known := typing.get_args(Capability)):
                self._unknown(at, name, known)
            elif not self._null(item, at, empty_struct=kind) and (value := self.read(item, kind, at)) is not INVALID:
                values[name] = value
            elif isinstance(kind, type) and issubclass(kind, Struct) and item.tag.endswith(":null"):
                values[name] = kind()
        return values

    def _struct(self, node: Node, kind: type[Struct], path: str) -> Any:
        if node.id == "scalar" and kind in _SHORT:
            try:
                return kind(**_SHORT[kind](self._expand(node)))
            except Unfit as bad:
                self.problem(path, bad.wrong, bad.right)
                return INVALID
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        off, values, bad_field = self._off, {}, False
        items = self._items(node, path)
        if kind.__name__ == "Provider" and any(name == "enabled" and item.value == "false" for name, item in items):
            self._off = path
        for name, item in items:
            at = join(path, name)
            self._lines[at] = item.start_mark.line + 1
            if name not in fields:
                self._unknown(at, name, fields)
            elif item.tag.endswith(":null") and item.id == "scalar":
                continue  # as if it were not there
            elif (value := self.read(item, fields[name].type, at)) is INVALID:
                bad_field = bad_field or fields[name].required
            else:
                values[name] = value
        self._off = off
        if node.id != "mapping":
            return INVALID
        for field in fields.values():
            if field.required and field.name not in values and not bad_field:
                self.problem(join(path, field.name), "is missing", "it must be given")
                bad_field = True
        return INVALID if bad_field else kind(**values)

    def _items(self, node: Node, path: str) -> list[tuple[str, Node]]:
        if node.id != "mapping":
            self._not(path, node, "a mapping", "write key: value below it")
            return []
        items: dict[str, Node] = {}
        for key, value in node.value:
            if key.id != "scalar":
                self.problem(path, "has a key that is not a name")
            elif key.tag.endswith(":merge"):
                self.problem(path, "uses a merge key <<", "repeat the keys, or alias a whole value: key: *anchor")
            elif key.value in items:
                at = join(path, key.value)
                first = items[key.value].start_mark.line + 1
                line = key.start_mark.line + 1
                wrong = f"is given twice, first on line {first}"
                self.problems.append(
                    ConfigProblem(file=self.file, line=line, key=at, wrong=wrong, right="keep one of them")
                )
            else:
                items[key.value] = value
        return list(items.items())

    def _plain(self, node: Node, path: str, depth: int) -> Any:
        """Free-form settings, as JSON would have them."""
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            self.problem(path, "is nested too deeply or too large")
            raise ConfigError(self.problems)
        if node.id == "mapping":
            return {name: self._plain(item, join(path, name), depth + 1) for name, item in self._items(node, path)}
        if node.id == "sequence":
            return [self._plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
        try:
            text = self._expand(node)
        except Unfit as bad:
            if not (isinstance(bad, _Unset) and self._off and _within(path, self._off)):
                self.problem(path, bad.wrong, bad.right)
            return None
        if node.style in ("'", '"', "|", ">"):
            return text
        if text in ("null", "~", ""):
            return None
        if text in ("true", "false"):
            return text == "true"
        if re.fullmatch(r"-?(0|[1-9]\d{0,17})", text):
            return int(text)
        if re.fullmatch(r"-?\d+\.\d+([eE][+-]?\d+)?", text):
            return float(text)
        return text

    def _null(self, node: Node, path: str, empty_struct: Any = None) -> bool:
        """Whether an item of a list or a free mapping is left empty; a problem unless an empty struct may stand there."""
        if not (node.id == "scalar" and node.tag.endswith(":null")):
            return False
        self._lines[path] = node.start_mark.line + 1
        if not (isinstance(empty_struct, type) and issubclass(empty_struct, Struct)):
            self.problem(path, "is empty", "give a value or take the item out")
        return True

    def _not(self, path: str, node: Node, wanted: str, right: str = "") -> Any:
        found = {"scalar": "a single value", "sequence": "a list", "mapping": "a mapping"}[node.id]
        self.problem(path, f"must be {wanted}, not {found}", right)
        return INVALID

    def _unknown(self, path: str, name: str, known: Iterable[str]) -> None:
        near = _nearest(name, known)
        if near or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,31}", name):
            self.problem(path, "is unknown", near or "known here: " + ", ".join(known))
        else:  # a key where a mapping was not meant may be a secret
            parent = re.sub(r'(^|\.)("[^"]*"|[\w-]+)$', "", path)
            self.problem(parent, "has an unknown key", "known here: " + ", ".join(known))


def _within(path: str, around: str) -> bool:
    return path == around or path.startswith((f"{around}.", f"{around}["))


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower().replace("-", "_"), list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""
