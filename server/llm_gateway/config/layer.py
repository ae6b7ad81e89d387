"""What was set at run time, above the file: kept by the store, read and checked with the file as one configuration.

Entries are written as in the file, and problems with them are told as the file's are, but for the line. Nothing in them is expanded or read from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from llm_gateway.config import trust
from llm_gateway.config.models import ApiKey, Config, Provider, Route
from llm_gateway.config.problems import ConfigError, ConfigProblem
from llm_gateway.config.reading import INVALID, Reading, join
from llm_gateway.config.secret import Secret

Entry: TypeAlias = tuple[str, ...]
"""A part of a layer: ``("providers", "edge")``, likewise of ``routes``, ``enabled`` and ``keys``; ``("default_provider",)``."""


class StoredKey(Struct, frozen=True, kw_only=True):
    """A key under its alias. until: Unix time from which it is no longer used, the end of a rotation's overlap."""

    name: str
    key: Secret
    until: float | None = None


class Layer(Struct, frozen=True, kw_only=True):
    """What was set at run time, above the file.

    providers, routes: whole entries, as the file would have them; one whose name the file has too stands before the file's. enabled, keys: by provider, the file's
    or one of its own; keys replace what the entry has. What is set of a provider that is in neither means nothing, until it is there again.
    """

    revision: int = 0
    providers: Mapping[str, Mapping[str, Any]] = {}
    routes: Mapping[str, Mapping[str, Any]] = {}
    enabled: Mapping[str, bool] = {}
    default_provider: str | None = None
    keys: Mapping[str, tuple[StoredKey, ...]] = {}

    def entries(self) -> list[Entry]:
        """Its parts, those first that others do not need."""
        found: list[Entry] = [("default_provider",)] if self.default_provider is not None else []
        for kind in ("enabled", "routes", "keys", "providers"):
            found += [(kind, name) for name in getattr(self, kind)]
        return found

    def get(self, entry: Entry) -> Any:
        """A part's value; None where it has none."""
        kind, *names = entry
        value = getattr(self, kind)
        return value.get(names[0]) if names else value

    def without(self, entry: Entry) -> Layer:
        kind, *names = entry
        if not names:
            return replace(self, default_provider=None)
        return replace(self, **{kind: {name: value for name, value in getattr(self, kind).items() if name != names[0]}})

    def at(self, now: float) -> Layer:
        """Without the keys that are no longer used."""
        keys = {
            name: tuple(key for key in keys if key.until is None or key.until > now) for name, keys in self.keys.items()
        }
        return replace(self, keys=keys)

    def ends(self) -> float | None:
        """When the first of its keys is no longer used."""
        return min((key.until for keys in self.keys.values() for key in keys if key.until is not None), default=None)


Layered: TypeAlias = Callable[[Layer | None], Config]
"""A file and an environment that were read: gives the configuration that they are under a layer; None: what was set at run time is not known. Raises
ConfigError."""
Left: TypeAlias = Mapping[Entry, ConfigError]
"""What of a layer is not in force, and why."""


def above(config: Config, layer: Layer, reading: Reading) -> Config:
    """The configuration of the file and the environment with a layer above it, read as they were."""
    providers, routes, default = dict(config.providers), dict(config.routes), config.default_provider
    if layer.providers:
        providers = {name: one for name, one in providers.items() if one.options.get("stands_in") is not True}
        default = default if default in providers or default not in config.providers else None
    for section, kind, entries, found in (
        ("providers", Provider, layer.providers, providers),
        ("routes", Route, layer.routes, routes),
    ):
        for name, entry in entries.items():
            at = join(section, name)
            reading.entries[at] = reading.line(at)
            reading.pardon(at)
            value = reading.given(entry, kind, at, (section, name))
            if kind is Provider:
                _refuse(name, entry, at, reading)
            if value is not INVALID:
                found[name] = value
            else:
                found.pop(name, None)
    for name, enabled in layer.enabled.items():
        if name in providers:
            reading.given(enabled, bool, join(join("providers", name), "enabled"), ("enabled", name))
            providers[name] = replace(providers[name], enabled=enabled)
    for name, keys in layer.keys.items():
        if name in providers and keys:
            at = join("providers", name)
            given = [{"key": key.key.reveal(), "name": key.name} for key in keys]
            reading.pardon(f"{at}.api_key")
            reading.pardon(f"{at}.api_keys")
            reading.forget(f"{at}.api_key")
            read: tuple[ApiKey, ...] = reading.given(given, tuple[ApiKey, ...], f"{at}.api_keys", ("keys", name))
            for key in read:
                key.key.source = f"providers/{name}/keys/{key.name}, which was set at run time"
            providers[name] = replace(providers[name], api_key=None, api_keys=read)
    if layer.default_provider is not None:
        default = reading.given(layer.default_provider, str, "default_provider", ("default_provider",))
        default = None if default is INVALID else default
    return replace(config, providers=providers, routes=routes, default_provider=default)


def _refuse(name: str, entry: Mapping[str, Any], at: str, reading: Reading) -> None:
    """Notes what the administration would not have set: whoever can write to the store can neither start processes nor read files."""
    for one in trust.refusals(name, entry):
        path = f"{at}.{one.field}"
        if not reading.troubled(path):
            reading.problem(path, f"{one.description[:1].lower()}{one.description[1:].rstrip('.')}")


def settled(found: Layered, layer: Layer) -> tuple[Config, Left]:
    """The configuration with as much of a layer as is right, and the entries that were left out, one by one. Raises ConfigError where the file is wrong
    by itself."""
    left: dict[Entry, ConfigError] = {}
    while True:
        try:
            return found(layer), left
        except ConfigError as error:
            if not layer.entries():
                raise
            wrong: dict[Entry, list[ConfigProblem]] = {}
            for problem in error.errors:
                wrong.setdefault(problem.entry, []).append(problem)
            if not (told := {entry: problems for entry, problems in wrong.items() if entry}):
                told = {_least(found, layer): error.errors}
            for entry, problems in told.items():
                left[entry] = ConfigError(problems)
                layer = layer.without(entry)


def _least(found: Layered, layer: Layer) -> Entry:
    """The entry without which least is wrong, where all that is wrong stands in the file: a route whose only provider is switched off."""

    def wrong(entry: Entry) -> int:
        try:
            found(layer.without(entry))
        except ConfigError as error:
            return len(error.errors)
        return 0

    return min(layer.entries(), key=wrong)
