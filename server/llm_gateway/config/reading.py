"""YAML nodes → frozen structs, every problem with its line. What was set at run time is read in the same way; it has no lines.

A value is read by the type of its key, never by YAML's guess: a model named ``no`` is a name and ``2024-10-21`` is an API
version. JSON is read as the YAML it is. Messages show what stands in the file, with ``${VAR}`` unexpanded, and nothing of a secret.
"""

from __future__ import annotations

import bisect
import copy
import functools
import itertools
import json
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from llm_gateway.config import values
from llm_gateway.config.models import ApiKey, Capability, Endpoint, Provider, Target
from llm_gateway.config.origins import RUN_TIME, Origins
from llm_gateway.config.problems import ConfigError, ConfigProblem
from llm_gateway.config.secret import Secret
from llm_gateway.config.sources import MOST_BYTES, File, Sources
from llm_gateway.config.values import Unfit, Unset, nearest

T = TypeVar("T")
Node: TypeAlias = Any
"""A yaml.Node, whose stubs lack what tells the kinds of node apart; or a _Given."""

_MOST_SECRET = 64 << 10
"""Bytes of a secret's file."""
_MAX_NODES = 100_000  # aliases make a small file large
_MAX_DEPTH = 32
_MOST_OPEN = 500
_BRACKETS = re.compile(r"[\[\]{}]")
_PATHS = ("file", "secret_file", "directory")
_CAPABILITIES = typing.get_args(Capability)
_LAST_STEP = re.compile(r'(?:^|\.)(?:"[^"]*"|[\w-]+)$|\[\d+\]$')

INVALID: Any = object()
"""What stands for a value whose problem has been noted."""


def join(path: str, key: str) -> str:
    """The path of a key below a path; a key with dots stands in quotes."""
    if not re.fullmatch(r"[\w-]+", key):
        key = '"' + "".join(letter if letter.isprintable() and letter != '"' else "?" for letter in key) + '"'
    return f"{path}.{key}" if path else key


def within(path: str, around: str) -> bool:
    """Whether a path is another one or lies below it."""
    return path == around or path.startswith((f"{around}.", f"{around}["))


def text_of(file: str, sources: Sources | None = None) -> str:
    """The text of a file that an operator wrote. Raises ConfigError."""
    try:
        data = (sources or Sources()).read(file)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([ConfigProblem(file=file, wrong=f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([ConfigProblem(file=file, wrong="is not UTF-8 text")]) from None
    if len(data) > MOST_BYTES:
        raise ConfigError([ConfigProblem(file=file, wrong=f"is larger than {MOST_BYTES >> 20} MiB")])
    return text


class _Mark:
    line = RUN_TIME - 1
    column = 0


@dataclass(frozen=True, slots=True)
class _Given:
    """What a node of YAML would be, of a value that was set at run time."""

    id: str
    value: Any
    tag: str = ""
    style: str | None = None
    start_mark: Any = _Mark

    @classmethod
    def of(cls, value: Any) -> _Given:
        match value:
            case None:
                return cls("scalar", "", "tag:yaml.org,2002:null")
            case str():
                return cls("scalar", value, style='"')
            case Mapping():
                return cls("mapping", [(cls.of(str(key)), cls.of(item)) for key, item in value.items()])
            case list() | tuple():
                return cls("sequence", [cls.of(item) for item in value])
            case float() if value.is_integer() and abs(value) < 1e15:  # a protobuf Struct has no other numbers
                return cls("scalar", str(int(value)))
            case _:
                return cls("scalar", json.dumps(value))


class Reading:
    """One reading of one file: collects problems, and remembers on which line each key stands."""

    def __init__(self, file: str, env: Mapping[str, str], sources: Sources | None = None) -> None:
        self.file = file
        self.sources = sources or Sources()
        self.problems: list[ConfigProblem] = []
        self._env = env
        self._lines: dict[str, int] = {}  # by path
        self._texts: dict[str, str] = {}  # by path: what the file has, for messages
        self._variables: dict[str, str] = {}  # by path: the variable that won over the file
        self._named: dict[
            str, tuple[str, ...]
        ] = {}  # by path: the variables that its text names, or that it is read from
        self._dropped: set[str] = set()  # paths of list items that could not be read
        self._nodes = 0
        self._tags: dict[
            tuple[int, int], int
        ] = {}  # line and column of a node with an explicit tag → its line, until it is told
        self._layer: dict[str, tuple[str, ...]] = {}  # by path: the entry of the run-time layer that gives it
        self.entries: dict[str, int] = {}
        """By path of what was set at run time as a whole: the line of the file's that it stands before, 0 where there is none."""
        self.off: dict[str, Provider] = {}
        """The providers that are switched off."""
        lines = self._lines
        self._sorted = functools.cache(lambda: sorted(lines))  # what the file has; for all copies
        self._looked = functools.cache(lambda look, *of: tuple(look(*of)))

    def copy(self) -> Reading:
        """As it is now, to go on from. What was looked at on disk is looked at once for all copies."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (dict, list, set)):
                setattr(other, name, value.copy())
        return other

    def looked(self, look: Callable[..., Iterable[T]], *of: str) -> Sequence[T]:
        """What `look` found on disk when it was first asked of these."""
        found: Sequence[T] = self._looked(look, *of)
        return found

    # --- problems

    def problem(self, path: str, wrong: str, right: str = "", *, line: int | None = None, unset: bool = False) -> None:
        """Notes a problem at a path, on its own line or that of the nearest mapping around it. unset: a variable could fix it."""
        for overridden, variable in self._variables.items():
            if within(path, overridden):
                self.environment(variable, wrong, right)
                return
        around = path
        while line is None and (line := self._lines.get(around)) is None and around:
            around = _LAST_STEP.sub("", around)
        problem = ConfigProblem(file=self.file, line=line, key=path, wrong=wrong, right=right, unset=unset)
        if line == RUN_TIME:
            problem = replace(problem, file="run time", line=None, entry=self._entry(path))
        self.problems.append(problem)

    def _entry(self, path: str) -> tuple[str, ...]:
        while path and path not in self._layer:
            path = _LAST_STEP.sub("", path)
        return self._layer.get(path, ())

    def at_run_time(self, path: str) -> bool:
        """Whether a path was set at run time."""
        return self._lines.get(path) == RUN_TIME

    def pardon(self, path: str) -> None:
        """Forgets that variables in a path are not set."""
        self.problems = [problem for problem in self.problems if not (problem.unset and within(problem.key, path))]

    def environment(self, variable: str, wrong: str, right: str = "") -> None:
        """Notes a problem of a variable."""
        self.problems.append(ConfigProblem(file="environment", key=variable, wrong=wrong, right=right))

    def troubled(self, path: str) -> bool:
        """Whether a problem was noted at the path, in it or around it: its consequences need no second one."""
        keys = [problem.key for problem in self.problems if problem.key]
        return any(within(key, path) or within(path, key) for key in keys)

    def override(self, path: str, variable: str) -> None:
        """Says that a variable gives the value of a path, so that problems with it name the variable."""
        self._variables[path] = variable

    def read_from(self, path: str, variable: str) -> None:
        """Says that a variable gives the value of a path that the file leaves out."""
        self._named[path] = (variable,)

    def origins(self, file: str, given: Sequence[str], revision: int) -> Origins:
        """Where the settings are from. given: the environment's, as far as the file is silent. revision: of what was set at run time."""
        return Origins(
            file=file,
            lines=self._lines,
            variables=self._named,
            overridden=self._variables,
            environment=tuple(given),
            entries=self.entries,
            revision=revision,
            off=self.off,
        )

    def has(self, path: str) -> bool:
        """Whether the file sets the key."""
        return path in self._lines

    def line(self, path: str) -> int:
        """On which line of the file a key stands; 0 where it does not."""
        return self._lines.get(path, 0)

    def places(self, path: str) -> Iterator[str]:
        """The paths of a list's items that could be read, in order, without end."""
        return (at for index in itertools.count() if (at := f"{path}[{index}]") not in self._dropped)

    def shown(self, path: str) -> str:
        """The value of a path as written in the file, in quotes, for the start of a sentence."""
        return "its value" if path in self._variables or path not in self._texts else repr(self._texts[path])

    # --- reading

    def parse(self, text: str) -> Node:
        """The root node of a YAML text; None if it is empty, or if it is not YAML, which was noted."""
        import yaml  # not paid for by a gateway without a file

        if text.lstrip().startswith("{"):
            text = _yaml_of_json(text)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        if _is_deep(text):
            self.problem("", "is nested too deeply")
            return None
        try:
            if "!" in text:  # a node of compose() does not tell an explicit tag from the one that YAML infers
                for event in yaml.parse(text, Loader=loader):
                    if getattr(event, "tag", None) is not None:
                        place = _place(event)
                        self._tags[place] = place[0] + 1
            return yaml.compose(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            what = re.sub(r"'[^']{4,}'|\"[^\"]{4,}\"", "…", error.problem or "")  # it quotes the file
            self.problem(
                "", f"is not valid YAML: {what}", line=error.problem_mark.line + 1 if error.problem_mark else None
            )
        except (yaml.YAMLError, RecursionError):
            self.problem("", "is not valid YAML: a character that YAML does not allow, or too deep")
        return None

    def given(self, value: Any, kind: Any, path: str, entry: tuple[str, ...]) -> Any:
        """What was set at run time, by an entry of the layer, in place of what the file has at a path; INVALID where a problem was noted instead."""
        self.forget(path)
        self._layer[path] = entry
        return self.read(_Given.of(value), kind, path)

    def forget(self, path: str) -> None:
        """What the file has at a path counts no more, nor what was set at run time at the path itself."""
        if path not in self._lines:
            return
        paths = self._sorted()
        files = itertools.takewhile(lambda one: one.startswith(path), paths[bisect.bisect_left(paths, path) :])
        for one in (path, *files):
            if within(one, path):
                for known in (self._lines, self._texts, self._named):
                    known.pop(one, None)
                self._texts.pop(f"{one}.provider", None)  # of a target's short form
                self._dropped.discard(one)

    def read(self, node: Node, kind: Any, path: str) -> Any:
        """The value of a node as a type of ``models``; INVALID where a problem was noted instead."""
        self._lines.setdefault(path, node.start_mark.line + 1)
        if not self._visit(node, path):
            return INVALID
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if kind is Any:
            try:
                return self._plain(node, path, 0)
            except Unfit as unfit:
                return self._unfit(path, unfit)
        if origin in (typing.Union, types.UnionType):
            [inner] = [argument for argument in arguments if argument is not types.NoneType]
            return self.read(node, inner, path)
        if origin is tuple:
            return self._list(node, arguments[0], path)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return self._mapping(node, arguments[0], arguments[1], path)
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self._struct(node, kind, path)
        return self._scalar(node, kind, path)

    def _visit(self, node: Node, path: str) -> bool:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            self.problem("", "is too large once its aliases are expanded")
            raise ConfigError(self.problems)
        line = self._tags.pop(_place(node), None)
        if line is not None:
            self._tagged(path, line)
        return line is None

    def _tagged(self, path: str, line: int) -> None:
        self.problem(
            path, "has a YAML tag, which means nothing here", "take it out; for a variable write ${NAME}", line=line
        )

    def finish(self) -> None:
        """Notes tags where nothing was read: of keys, of empty values and in unknown keys."""
        for line in self._tags.values():
            self._tagged("", line)

    def _scalar(self, node: Node, kind: Any, path: str) -> Any:
        base, *marks = typing.get_args(kind) if typing.get_origin(kind) is typing.Annotated else (kind,)
        mark = marks[0] if marks else base
        if base is Secret and node.id == "mapping":
            return self._secret_of_file(node, mark, path)
        if node.id != "scalar":
            return self._not(path, node, "a single value")
        if named := values.variables(node.value):
            self._named[path] = tuple(named)
        try:
            text = self._expand(node)
            if mark in _PATHS and isinstance(node, _Given):
                raise Unfit(
                    "is a file, which nothing that is set at run time may name", "set it in the configuration file"
                )
            if typing.get_origin(kind) is typing.Literal:
                value: Any = self._choice(text, typing.get_args(kind))
            else:
                value = self._path(text, mark) if mark in _PATHS else values.PARSERS[mark](text)
        except Unfit as unfit:
            # a URL's user and query may hold a password
            hidden = base is Secret or (mark == "url" and re.search("[@?#]", node.value))
            return self._unfit(path, unfit, "" if hidden else node.value)
        if base is Secret:
            value.source = self._source(node, path)
        else:
            self._texts[path] = node.value
        return value

    def _source(self, node: Node, path: str) -> str:
        """Where a secret is from, for messages about it."""
        named = values.variables(node.value)
        return f"{' and '.join(named)} ({path})" if named else path

    def _secret_of_file(self, node: Node, mark: Any, path: str) -> Any:
        """What stands in the file of ``{file: …}``, hidden."""
        items = dict(self._items(node, path))
        if isinstance(node, _Given):
            self.problem(
                path,
                "is not the secret itself, which alone may be set at run time",
                "give it, or name its file in the configuration file",
            )
            return INVALID
        if [*items] != ["file"]:
            right = 'write {file: /path/to/it}, or "${NAME}" for a variable'
            self.problem(path, "is neither a secret nor the file of one", right)
            return INVALID
        at, named = join(path, "file"), items["file"]
        self._lines[at] = named.start_mark.line + 1
        if self._empty(named, at):
            return INVALID
        if named.id != "scalar" or not self._visit(named, at):
            return INVALID if named.id == "scalar" else self._not(at, named, "a single value")
        try:
            file = self._existing(self._expand(named))
        except Unset as unset:
            return self._unfit(at, unset)
        except Unfit as unfit:  # like a variable that is not set: another environment may have it
            return self._unfit(at, Unset(f"{named.value!r} {unfit.wrong}", unfit.right))
        try:
            value: Secret = values.PARSERS[mark](self._content(file))
        except Unfit as unfit:
            return self._unfit(at, Unfit(f"{named.value!r}: its content {unfit.wrong}", unfit.right))
        value.source = f"{named.value} ({path})"
        return value

    def _content(self, file: str) -> str:
        try:
            text = self.sources.read(file).decode("utf-8-sig")
        except OSError as error:
            raise Unfit(f"cannot be read: {error.strerror}", "check who may read it") from None
        except UnicodeDecodeError:
            raise Unfit("is not UTF-8 text") from None
        if len(text) > _MOST_SECRET:
            raise Unfit(f"is larger than {_MOST_SECRET >> 10} KiB", "give the file of the secret alone")
        if values.variables(text):
            raise Unfit("names a variable", "write the value itself into the file")
        return text

    def _unfit(self, path: str, unfit: Unfit, text: str = "") -> Any:
        if not isinstance(unfit, Unset):
            self.problem(path, f"{text!r} {unfit.wrong}" if text else unfit.wrong, unfit.right)
        else:
            self.problem(path, unfit.wrong, unfit.right, unset=True)
        return INVALID

    def _expand(self, node: Node) -> str:
        if isinstance(node, _Given):
            if values.variables(node.value):
                raise Unfit("names a variable, which nothing that is set at run time may", "give the value itself")
            return values.unicode(node.value)
        return values.unicode(values.interpolate(node.value, self._env))

    def _choice(self, text: str, known: tuple[str, ...]) -> str:
        if text not in known:
            raise Unfit("is none of " + ", ".join(known), nearest(text, known))
        return text

    def _path(self, text: str, mark: Any) -> str:
        if mark == "directory":
            return self._whole(text)
        try:
            return self._existing(text)
        except Unfit as unfit:
            if mark == "secret_file":
                raise Unset(f"{text!r} {unfit.wrong}", unfit.right) from None
            raise

    def _whole(self, text: str) -> str:
        return os.path.join(os.path.dirname(self.file), os.path.expanduser(values.string(text)))

    def _existing(self, text: str) -> File:
        path = self._whole(text)
        if "\0" in path or not os.path.isfile(path):
            if "\0" not in path:
                self.sources.lacks(path)
            raise Unfit("is not a file", "give a path from the configuration file's folder, or an absolute one")
        try:
            return self.sources.file(path)
        except OSError as error:
            raise Unfit(f"cannot be read: {error.strerror}", "check who may read it") from None

    def _list(self, node: Node, kind: Any, path: str) -> Any:
        if node.id != "sequence":
            return self._not(path, node, "a list", "write [ … ]")
        found = {f"{path}[{index}]": item for index, item in enumerate(node.value)}
        read = {at: INVALID if self._empty(item, at) else self.read(item, kind, at) for at, item in found.items()}
        self._dropped.update(at for at, value in read.items() if value is INVALID)
        return tuple(value for value in read.values() if value is not INVALID)

    def _mapping(self, node: Node, key_kind: Any, kind: Any, path: str) -> Any:
        if key_kind is Capability and node.id == "sequence":
            return dict.fromkeys(self._list(node, Capability, path), True)
        found = {}
        for name, item in self._items(node, path):
            at = join(path, name)
            if key_kind is Capability and name not in _CAPABILITIES:
                self._unknown(at, path, name, _CAPABILITIES)
            elif _is_null(item) and isinstance(kind, type) and issubclass(kind, Struct):
                self._lines[at] = item.start_mark.line + 1
                found[name] = kind()
            elif not self._empty(item, at) and (value := self.read(item, kind, at)) is not INVALID:
                found[name] = value
        return found

    def _struct(self, node: Node, kind: type[Struct], path: str) -> Any:
        if node.id == "scalar" and kind in _SHORT:
            try:
                short = kind(**_SHORT[kind](self._expand(node)))
                if isinstance(short, ApiKey):
                    short.key.source = self._source(node, path)
                elif kind is Target:
                    self._texts[f"{path}.provider"] = node.value
                return short
            except Unfit as unfit:
                return self._unfit(path, unfit)
        if node.id != "mapping":
            return self._not(path, node, "a mapping", "write key: value below it")
        if kind is ApiKey and [key.value for key, _ in node.value] == ["file"]:
            value = self._secret_of_file(node, "credential", path)
            return INVALID if value is INVALID else ApiKey(key=value)
        fields = fields_of(kind)
        items = self._items(node, path)
        found, invalid = {}, set()
        for name, item in items:
            at = join(path, name)
            if name not in fields:
                self._lines[at] = item.start_mark.line + 1
                self._unknown(at, path, name, fields)
            elif _is_null(item):
                continue  # as if it were not there
            elif (value := self.read(item, fields[name].type, at)) is INVALID:
                invalid.add(name)
            else:
                found[name] = value
        missing = [name for name, field in fields.items() if field.required and name not in found]
        for name in missing:
            if name not in invalid:
                self.problem(join(path, name), "is missing", "give it")
        return INVALID if missing else kind(**found)

    def _items(self, node: Node, path: str) -> list[tuple[str, Node]]:
        if node.id != "mapping":
            self._not(path, node, "a mapping", "write key: value below it")
            return []
        items: dict[str, Node] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.id != "scalar":
                self.problem(path, "has a key that is not a name", line=line)
            elif key.tag.endswith(":merge"):
                right = "repeat the keys, or alias a whole value: key: *anchor"
                self.problem(path, "uses a merge key <<", right, line=line)
            elif key.value in items:
                first = items[key.value].start_mark.line + 1
                self.problem(join(path, key.value), f"is given twice, first on line {first}", "keep one", line=line)
            else:
                items[key.value] = value
        return list(items.items())

    def _plain(self, node: Node, path: str, depth: int) -> Any:
        """Free-form settings, as JSON has them."""
        if depth > _MAX_DEPTH:
            raise Unfit("is nested too deeply")
        if not self._visit(node, path):
            return None
        if node.id == "mapping":
            return {name: self._plain(item, join(path, name), depth + 1) for name, item in self._items(node, path)}
        if node.id == "sequence":
            return [self._plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
        try:
            text = self._expand(node)
        except Unfit as unfit:
            self._unfit(path, unfit)
            return None
        return text if node.style else _json_scalar(text)

    def _empty(self, node: Node, path: str) -> bool:
        if not _is_null(node):
            return False
        self._lines[path] = node.start_mark.line + 1
        self.problem(path, "is empty", "give a value or take it out")
        return True

    def _not(self, path: str, node: Node, wanted: str, right: str = "") -> Any:
        found = {"scalar": "a single value", "sequence": "a list", "mapping": "a mapping"}[node.id]
        self.problem(path, f"must be {wanted}, not {found}", right)
        return INVALID

    def _unknown(self, path: str, parent: str, name: str, known: Iterable[str]) -> None:
        near = nearest(name, known)
        if near or re.fullmatch(r"(?=.{1,19}$|\D*$)[A-Za-z_][A-Za-z0-9_]{0,31}", name):
            self.problem(path, "is unknown", near or "known here: " + ", ".join(known))
        else:  # a key written where a value belongs: {sk-…}
            self.problem(parent, "has an unknown key", "known here: " + ", ".join(known))


@functools.cache
def fields_of(kind: type[Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """Cached: reading a struct's annotations takes as long as reading the values of one."""
    return {field.name: field for field in msgspec.structs.fields(kind)}


_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][\dA-Fa-f]{2})\\u([dD][c-fC-F][\dA-Fa-f]{2})")


def _yaml_of_json(text: str) -> str:
    """What JSON allows and YAML does not: indenting by tabs (no JSON string spans lines), a character as two escapes (RFC 8259, 7)."""

    def one_escape(pair: re.Match[str]) -> str:
        character = bytes.fromhex(pair[2] + pair[3]).decode("utf-16-be")
        return f"{pair[1]}\\U{ord(character):08x}"

    return _SURROGATES.sub(one_escape, re.sub(r"^\t+", lambda tabs: " " * len(tabs[0]), text, flags=re.MULTILINE))


def _is_deep(text: str) -> bool:
    """Whether more brackets are open somewhere than can be read; YAML's parser looks at all of them again for every token."""
    steps = (1 if bracket in "[{" else -1 for bracket in _BRACKETS.findall(text))
    return any(depth > _MOST_OPEN for depth in itertools.accumulate(steps))


def _place(mark: Any) -> tuple[int, int]:
    return mark.start_mark.line, mark.start_mark.column


def _is_null(node: Node) -> bool:
    return bool(node.id == "scalar" and node.tag == "tag:yaml.org,2002:null")


def _json_scalar(text: str) -> Any:
    if text in ("null", "~", ""):
        return None
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?(0|[1-9]\d{0,17})", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,2})?", text, re.ASCII):
        return float(text)
    return text


def _target(text: str) -> Mapping[str, Any]:
    provider, slash, model = text.partition("/")
    if not (provider and slash and model):
        raise Unfit("is not provider/model", "write provider/model, or {provider: …, model: …}")
    return {"provider": provider, "model": model}


_SHORT: Mapping[type[Struct], Callable[[str], Mapping[str, Any]]] = {
    ApiKey: lambda text: {"key": values.credential(text)},
    Endpoint: lambda text: {"url": values.url(text)},
    Target: _target,
}
"""Structs that a single text may stand for."""
