"""The operator's file: a configuration that a gateway can be made of, or a list of problems that shows no secret."""

from __future__ import annotations

import functools
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from hypothesis import strategies as st
from llm_gateway import config
from llm_gateway.app.gateway import Gateway
from llm_gateway.config import models
from llm_gateway.providers import plugins
from llm_gateway.telemetry import redaction
from msgspec import Struct
from msgspec.structs import fields

from tests.fuzz import mutations
from tests.fuzz.engine import Target
from tests.fuzz.properties import KEY

ENV = {"A": "a", "FUZZ_KEY": KEY, "ADDRESS": "127.0.0.1:0"}
LITERAL = "literal-6c2f0de914ab"
"""A secret that stands in the file itself."""
EXAMPLE = Path(__file__).parents[3] / "docs" / "llm-gateway.example.yaml"
SECRETS = frozenset(("api_key", "api_keys", "key", "headers", "credentials", "proxy"))


@functools.cache
def _file() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-")) / "gateway.yaml"


def check(data: bytes) -> None:
    path = _file()
    path.write_bytes(data)
    for any_environment in (False, True):
        try:
            found = config.load(str(path), ENV, any_environment=any_environment)
        except config.ConfigError as error:
            problems = error.errors
            shown = f"{error} {error!r} {error.errors!r} {error.__context__!r}"
        else:
            problems = [config.ConfigProblem(file="", wrong="none")]
            shown = f"{found} {found!r} {config.fingerprint(found)}"
            if not any_environment:
                _made(found)
        assert problems
        assert all(problem.wrong for problem in problems)
        assert KEY not in shown, "a variable's value is shown"
        assert LITERAL not in shown or not _is_secret(data), "a secret of the file is shown"


def _made(found: config.Config) -> None:
    """What was found right can be served."""
    try:
        Gateway(found)
    finally:
        redaction._known = (
            redaction._beginnings
        ) = ()  # else each mutant's secrets would be looked for in all that follows


def _read(data: bytes) -> Any:
    return yaml.load(data, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _is_secret(data: bytes) -> bool:
    """Whether the literal stands nowhere but where secrets do."""
    try:
        value = _read(data)
    except (yaml.YAMLError, ValueError, RecursionError):
        return False
    secret = sum(
        text.count(LITERAL)
        for path, text in _texts(value, ())
        if not SECRETS.isdisjoint(path) and path[-1] != "name"  # of a key, which log lines have
    )
    return data.count(LITERAL.encode()) == secret


def _texts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, str(key)))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, path)
    elif isinstance(value, str):
        yield path, value


# ---------------------------------------------------------------- inputs
def _structs(kind: Any = models.Config) -> Iterator[type[Struct]]:
    """Every struct of the configuration."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield kind
        for name in fields(kind):
            if name.type is not kind:
                yield from _structs(name.type)
    for argument in get_args(kind):
        yield from _structs(argument)


NAMES = sorted({name.name for kind in _structs() for name in fields(kind)})
KINDS = sorted(plugins.own())
VALUES = (
    LITERAL, f"Bearer {LITERAL}", f"'{LITERAL}'", f"{LITERAL} {LITERAL}", f"{LITERAL}\u00e9", f"{LITERAL}${{", f"http://u:{LITERAL}@", f"ftp://u:{LITERAL}@h", f"{LITERAL}/m",
    "none", "${A}", "${FUZZ_KEY}", "${ADDRESS}", "${B}", "${B:-2s}", "$${", "${", LITERAL, "2s", "500h", "0", "1e999", "0e999999999", "1e-999999999", "-1", "true", "null",
    "http://h", "https://user:" + LITERAL + "@h", "http://[::1]:8000/v1", "http://h:99999", "http://\u00e9.test", "unix:/tmp/x", "127.0.0.1:0", "0.0.0.0:1", "openai/m", "x", "64KiB", "*a", "&a",
    "\U0001f600", "\0", "999999999", "Bearer x", "'", "gateway.yaml", "http://xn--.test", "http://a..b", "http://-", "http://%41", "global", "eu-west-1",
)  # fmt: skip
tree: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, -1, 1.5, *VALUES, *KINDS]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, *KINDS, "r"]), inner, max_size=4)
    ),
    max_leaves=25,
)


def _mutate(data: bytes, rng: random.Random, pool: Any) -> bytes:
    """Changed as a value where it is small, and written as JSON; else a line of it is."""
    if rng.random() < 0.5:
        try:
            value = json.loads(json.dumps(_read(data), default=str))
        except (yaml.YAMLError, ValueError, RecursionError):
            return data
        found = mutations.places(value)
        if found and rng.random() < 0.7:
            holder, key = rng.choice(found)
            holder[key] = rng.choice((*VALUES, *KINDS))
            if isinstance(holder, dict) and rng.random() < 0.4:
                holder[rng.choice(NAMES)] = holder.pop(key)
            return mutations.text_of(value, rng)
        return mutations.text_of(mutations.of_value(value, rng, []), rng)
    lines = data.splitlines(keepends=True) or [b""]
    at = rng.randrange(len(lines))
    lines[at] = mutations.of_bytes(lines[at], rng, lines, TOKENS)
    return b"".join(lines)


TOKENS = tuple(text.encode() for text in (*VALUES, *(f"{name}: " for name in NAMES), *(f"{kind}: " for kind in KINDS), "{", "}", "[", "]", "\n", "  ", "- ", ", ", ": ", "!!str ", "<<: *a", "? ", "|\n", ">-\n", "# ", "%YAML 1.1\n---\n", "\t"))  # fmt: skip
SMALL = (
    {"providers": {"openai": {"api_key": LITERAL}}, "server": {"api_keys": [LITERAL, {"name": "a", "key": "${FUZZ_KEY}"}]}},
    {"providers": {"edge": {"kind": "openai_compatible", "endpoint": "http://127.0.0.1:8000/v1", "api_key": "${FUZZ_KEY}", "default_model": "m", "proxy": f"http://u:{LITERAL}@h:1", "headers": {"x": LITERAL}}}, "routes": {"r": {"targets": ["edge/m"], "retry": {"max_attempts": 2}}}},
    {"providers": {"ollama": {}, "echo": {"default_model": "echo"}}, "default_provider": "ollama"},
    {"providers": {kind: {"api_key": "none", "endpoint": "http://h", "models": ["m"], "region": "eu-west-1"} for kind in KINDS}},
)  # fmt: skip


def _seeds() -> list[bytes]:
    return [
        EXAMPLE.read_bytes(),
        EXAMPLE.read_bytes().replace(b"enabled: false", b"enabled: true"),
        *(json.dumps(value).encode() for value in SMALL),
        *(yaml.safe_dump(value).encode() for value in SMALL),
    ]


def _grown(value: Any) -> bytes:
    return json.dumps(
        {"providers": {"openai": value, "edge": {"kind": "openai_compatible"}}, "routes": {"r": value}, "server": value}
    ).encode()


TARGETS = (
    Target(name="configuration", check=check, make_seeds=_seeds, mutate=_mutate, tokens=TOKENS, drawn=tree.map(_grown)),
)
