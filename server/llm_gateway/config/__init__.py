"""One YAML file, or the environment, → one frozen ``Config``, or every problem at once.

``load`` reads and checks; ``models`` says what may be configured; ``discovery`` is the case without a file. Nothing here
opens a connection, except ``local_servers``, which the caller passes in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from time import time

import msgspec

from llm_gateway.config.checks import check, is_private
from llm_gateway.config.completing import complete, override
from llm_gateway.config.discovery import STAND_IN, discover, kind_of, local_servers, overlooked
from llm_gateway.config.layer import Layer, Layered, Left, StoredKey, above, settled
from llm_gateway.config.models import (
    Admin,
    AdminCertificate,
    AdminKey,
    AdminRole,
    ApiKey,
    Arm,
    Breaker,
    Config,
    Defaults,
    Discovery,
    Endpoint,
    Experiment,
    Limits,
    MasterKeySource,
    ModelInfo,
    ModelPrice,
    Overrides,
    Provider,
    ProviderTimeouts,
    Retry,
    Route,
    RouteTimeouts,
    Server,
    ServerTls,
    Store,
    Target,
    Telemetry,
)
from llm_gateway.config.origins import Origins, Traced, origins_of
from llm_gateway.config.problems import ConfigError, ConfigProblem
from llm_gateway.config.reading import INVALID, Reading, text_of
from llm_gateway.config.secret import Secret
from llm_gateway.config.sources import File, Sources

__all__ = [
    "Admin",
    "AdminCertificate",
    "AdminKey",
    "AdminRole",
    "ApiKey",
    "Arm",
    "Breaker",
    "Config",
    "ConfigError",
    "ConfigProblem",
    "Defaults",
    "Discovery",
    "Endpoint",
    "Experiment",
    "File",
    "Layer",
    "Layered",
    "Left",
    "Limits",
    "MasterKeySource",
    "ModelInfo",
    "ModelPrice",
    "Origins",
    "Overrides",
    "Provider",
    "ProviderTimeouts",
    "Retry",
    "Route",
    "RouteTimeouts",
    "Secret",
    "Server",
    "ServerTls",
    "Sources",
    "Store",
    "StoredKey",
    "Target",
    "Telemetry",
    "Traced",
    "config_path",
    "fingerprint",
    "is_private",
    "kind_of",
    "load",
    "local_servers",
    "origins_of",
    "overlooked",
    "read",
    "settled",
    "text_of",
]


def config_path(path: str | None, env: Mapping[str, str]) -> str | None:
    """The file that ``load`` reads: the one given, or the one that ``LLM_GATEWAY_CONFIG`` names; None: the environment decides."""
    return path or env.get("LLM_GATEWAY_CONFIG") or None


def load(
    path: str | None,
    env: Mapping[str, str],
    *,
    local: Callable[[], Collection[str]] = tuple,
    any_environment: bool = False,
    sources: Sources | None = None,
    layer: Layer | None = None,
) -> Config:
    """Reads and checks the configuration.

    path: the YAML (or JSON) file; None: the one that ``LLM_GATEWAY_CONFIG`` names, else the environment alone decides. A file
        without a ``providers`` section takes the environment's providers, and the defaults that go with them.
    env: the environment; ``LLM_GATEWAY_LISTEN``, ``LLM_GATEWAY_API_KEYS`` (by commas), ``LLM_GATEWAY_INSECURE`` and
        ``LLM_GATEWAY_RELOAD_INTERVAL`` override the file.
    local: names the local servers that answer, asked only for the environment's providers; pass ``local_servers``.
    any_environment: check the file for any environment: what a variable or a secret's file would give is no problem, and stays out of the result.
    sources: remembers what was read.
    layer: what was set at run time.

    Raises ConfigError with everything that is wrong.
    """
    return read(path, env, local=local, any_environment=any_environment, sources=sources)(layer)


def read(
    path: str | None,
    env: Mapping[str, str],
    *,
    local: Callable[[], Collection[str]] = tuple,
    any_environment: bool = False,
    sources: Sources | None = None,
) -> Layered:
    """Reads the configuration, once for all layers. See ``load``. Raises ConfigError for a file in which nothing can be read."""
    file = config_path(path, env)
    env = {} if any_environment else env
    started = Reading(file or "environment", env, sources)
    config = _read(file, started) if file else discover(env, local)
    if any_environment and not started.has("providers"):
        started.problem("providers", "are those of the environment", unset=True)
        config = msgspec.structs.replace(config, providers={"echo": STAND_IN})
    elif file and not started.has("providers"):
        found = discover(env, local)
        default = config.default_provider or found.default_provider
        model = config.default_model or found.default_model
        defaults = config.defaults if started.has("defaults") else found.defaults
        config = msgspec.structs.replace(
            config, providers=found.providers, default_provider=default, default_model=model, defaults=defaults
        )
    given = () if file and started.has("providers") else ("providers", "default_provider", "default_model", "defaults")

    def layered(layer: Layer | None) -> Config:
        reading = started.copy()
        settings = above(config, layer.at(time()), reading) if layer is not None else config
        settings = override(settings, env, reading)
        settings = complete(settings, env, reading, whole=layer is not None or settings.store is None)
        check(settings, reading)
        problems = [problem for problem in reading.problems if not (any_environment and problem.unset)]
        if problems:
            raise ConfigError(problems)
        if settings.admin is not None:
            whole = {name: getattr(settings, name) for name in Config.__struct_fields__}
            origins = reading.origins(file or "", given, layer.revision if layer is not None else 0)
            settings = Traced(**whole, origins=origins)
        return settings

    return layered


def _read(file: str, reading: Reading) -> Config:
    root = reading.parse(text_of(file, reading.sources))
    if root is None:
        if reading.problems:
            raise ConfigError(reading.problems)
        return Config()
    config = reading.read(root, Config, "")
    reading.finish()
    if config is INVALID:
        raise ConfigError(reading.problems)
    result: Config = config
    return result


def fingerprint(config: Config) -> str:
    """12 hexadecimal digits that change with any setting and any file of TLS, for ``Health.config_version``.

    A secret enters as 16 bits of its SHA-256: enough to notice that it was changed, too few to confirm a guess.
    """

    def hide(value: object) -> str:
        if isinstance(value, Secret):
            return hashlib.sha256(value.reveal().encode()).hexdigest()[:4]
        if isinstance(value, File):
            return f"{value} {value.digest}"
        raise TypeError(f"cannot fingerprint {type(value).__name__}")

    if isinstance(config, Traced):
        config = msgspec.structs.replace(config, origins=Origins())  # a line more in the file is no other setting
    return hashlib.sha256(msgspec.json.encode(config, enc_hook=hide, order="sorted")).hexdigest()[:12]
