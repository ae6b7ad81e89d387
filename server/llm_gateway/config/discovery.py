"""What runs when there is no file: providers whose usual variables are set, local servers that answer, else ``echo``."""

from __future__ import annotations

import difflib
import re
import socket
import time
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from llm_gateway.config.models import Config, Defaults, Provider, Retry, RouteTimeouts
from llm_gateway.config.problems import ConfigError, ConfigProblem
from llm_gateway.config.values import PARSERS, Unfit, boolean, count, credential, nearest, positive, unicode, url
from llm_gateway.providers import plugins
from llm_gateway.providers.rows import Row, Usual


@lru_cache(maxsize=1)
def _spellings() -> Mapping[str, str]:
    """Every name of a kind, as `_bare` makes it."""
    others = {alias: kind for kind, row in plugins.rows().items() for alias in row.aliases}
    return {_bare(kind): kind for kind in plugins.kinds()} | others


def kind_of(name: str) -> str:
    """The kind that a name means, accepted wherever a kind is named: azure-openai, LM Studio and x.ai as much as claude; a name that
    means none as it is."""
    return name if name in plugins.names() else _spellings().get(_bare(name), name)


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def usual_of(kind: str) -> Usual:
    """What a kind reads from the environment; of one that there is not, or whose plugin is wrong, nothing, and it needs no key."""
    try:
        return plugins.row(kind).usual
    except plugins.PluginError:
        return Usual(keyless=True)


STAND_IN: Final = Provider(kind="echo", options={"stands_in": True})
"""What serves where nothing is configured; `Config.stands_in` tells."""

Probe = Callable[[str, int, str, bytes], bool]


def answers(host: str, port: int, path: str, marker: bytes, timeout: float = 0.15) -> bool:
    """Whether a server answers a GET with 200 and the marker, all within ``timeout`` seconds."""
    limit = time.monotonic() + timeout
    received = b""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
            while marker not in received and len(received) < 65536 and (left := limit - time.monotonic()) > 0:
                connection.settimeout(left)
                if not (chunk := connection.recv(65536)):
                    break
                received += chunk
    except OSError:
        return False
    head, _, body = received.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].split(b" ")[1:2] == [b"200"] and marker in body


def local_servers(probe: Probe = answers, but: Collection[str] = ()) -> tuple[str, ...]:
    """The kinds whose server runs on this machine; some need not be asked. The only I/O of the no-file case; at most 0.15 s for each."""
    found = []
    for kind, row in _probed().items():
        where = urlsplit(row.base_url)
        if kind not in but and row.probe is not None and probe(str(where.hostname), where.port or 80, *row.probe):
            found.append(kind)
    return tuple(found)


def _probed() -> Mapping[str, Row]:
    return {kind: row for kind, row in plugins.rows().items() if row.probe is not None}


def first(env: Mapping[str, str], variables: Collection[str]) -> str | None:
    """The name of the first variable that is set and not empty."""
    return next((name for name in variables if env.get(name, "").strip()), None)


def discover(env: Mapping[str, str], local: Callable[[], Collection[str]] = tuple) -> Config:
    """The configuration that the environment alone gives; the providers' ids are their kinds.

    local: gives the kinds of local servers that answer, such as ``local_servers``; asked only where no variable names theirs.

    Raises ConfigError, naming the variables, when some hold something unusable.
    """
    variables = _Variables(env)
    named = env.get("LLM_PROVIDER", "").strip()
    chosen = kind_of(named) if named else ""
    if chosen and chosen not in plugins.names():
        kinds = plugins.kinds()
        right = " ".join(filter(None, (nearest(named, kinds), "it is one of " + ", ".join(kinds))))
        variables.problem("LLM_PROVIDER", "names no kind of provider", right)
        chosen = ""
    elif not chosen and first(env, BASE_URL):
        chosen = "openai_compatible"
    elif not chosen and variables.has("LLM_API_KEY"):
        right = "set LLM_PROVIDER too, or the provider's own variable such as OPENAI_API_KEY"
        variables.problem("LLM_API_KEY", "belongs to no provider", right)

    providers: dict[str, Provider] = {}
    for kind in (*plugins.rows(), *({chosen} - {""} - plugins.own())):
        if provider := _usual_provider(kind, usual_of(kind), variables, chosen=kind == chosen):
            providers[kind] = provider
    for kind in local() if not _probed().keys() <= providers.keys() else ():
        providers.setdefault(kind, Provider(kind=kind))
    if not providers:
        providers["echo"] = STAND_IN

    total = variables.read("LLM_TIMEOUT", _seconds)
    retries = variables.read("LLM_MAX_RETRIES", count)
    model = variables.read("LLM_MODEL", str)
    config = Config(
        providers=providers,
        # a model without a provider may be any provider's: its name tells
        default_provider=chosen if chosen in providers else None if model else next(iter(providers)),
        default_model=model,
        defaults=Defaults(
            max_output_tokens=variables.read("LLM_MAX_TOKENS", positive),
            prompt_caching=variables.read("LLM_ENABLE_CACHING", boolean) or False,
            timeouts=RouteTimeouts(total=total) if total else RouteTimeouts(),
            retry=Retry(max_attempts=retries + 1) if retries is not None else Retry(),
        ),
    )
    if variables.problems:
        raise ConfigError(variables.problems)
    return config


def overlooked(env: Mapping[str, str]) -> list[str]:
    """Why variables that look like a provider's make none: what is set and what it lacks, or what was meant; names only, no values."""
    found = []
    usuals = {kind: row.usual for kind, row in plugins.rows().items()}
    known = {name for usual in usuals.values() for name in usual.key}
    for kind, usual in usuals.items():
        missing = [usual.settings[field][0] for field in usual.needs if not first(env, usual.settings[field])]
        if missing and (key := first(env, usual.key)):
            found.append(f"{key} is set, but {kind} needs {' and '.join(missing)} too")
    for name in env:
        if name.endswith(("_KEY", "_TOKEN")) and name not in known and not name.startswith("LLM_"):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            found += [f"{name} is set; did you mean {near[0]}?"] if near else []
    return found


class _Variables:
    """The environment, and what is wrong with it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[ConfigProblem] = []

    def problem(self, name: str, wrong: str, right: str) -> None:
        self.problems.append(ConfigProblem(file="environment", key=name, wrong=wrong, right=right))

    def has(self, *names: str) -> bool:
        return all(self.env.get(name, "").strip() for name in names)

    def read(self, name: str | None, parse: Callable[[str], Any]) -> Any:
        """The parsed value of a variable; None where it is unset, empty, or a problem was noted."""
        if name is None or not self.has(name):
            return None
        try:
            return parse(unicode(self.env[name].strip()))
        except Unfit as unfit:
            self.problem(name, unfit.wrong, unfit.right)
            return None


def _seconds(text: str) -> float:
    """A duration, or seconds without a unit. A number that would be hours is one of milliseconds, as other tools want it: refused."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return PARSERS["timeout"](text)  # type: ignore[no-any-return]
    if float(text) > MOST_SECONDS:
        raise Unfit(
            f"is {float(text) / 3600:.3g} hours, for it counts seconds", f"write {text}ms, or {text}s if you mean it"
        )
    return PARSERS["timeout"](f"{text}s")  # type: ignore[no-any-return]


BASE_URL: Final = ("LLM_BASE_URL", "LLM_API_BASE", "LLM_ENDPOINT")
"""Variables of the chosen provider's address, the first one set wins."""
MOST_SECONDS: Final = 3600
"""Of a number without a unit."""


def _usual_provider(kind: str, usual: Usual, variables: _Variables, *, chosen: bool) -> Provider | None:
    """The provider that its usual variables describe, if they do; ``chosen`` is the one that LLM_PROVIDER names."""
    noted = len(variables.problems)
    parsers = {
        field: (lambda text: url(usual.endpoint(text))) if field == "endpoint" else str for field in usual.settings
    }
    settings = {
        field: variables.read(first(variables.env, names), parsers[field]) for field, names in usual.settings.items()
    }
    if chosen and (given := first(variables.env, BASE_URL)):
        settings["endpoint"] = variables.read(given, parsers.get("endpoint", url))
    named = "LLM_API_KEY" if chosen and variables.has("LLM_API_KEY") else first(variables.env, usual.key)
    key = variables.read(named, credential)
    if key is not None:
        key.source = named
    missing = [
        " or ".join((*BASE_URL[:1], *usual.settings[field][:1]) if field == "endpoint" else usual.settings[field][:1])
        for field in usual.needs
        if not settings.get(field)
    ]
    if not missing and (key or any(variables.has(*group) for group in usual.when) or (chosen and usual.keyless)):
        return Provider(kind=kind, api_key=key, **settings)
    if chosen and len(variables.problems) == noted:
        missing += [] if key or usual.keyless else [" or ".join(("LLM_API_KEY", *usual.key[:1]))]
        variables.problem("LLM_PROVIDER", f"names {kind}, which needs more", "set " + " and ".join(missing))
    return None
