"""One YAML file, or the environment, → one frozen ``Config``, or every problem at once.

``load`` reads and checks; ``models`` says what may be configured; ``discovery`` is the case without a file. Nothing here
opens a connection, except ``local_servers``, which the caller passes in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from time import time

import msgspec

from llm_gateway.config.checks import check
from llm_gateway.config.checks import is_private as is_private
from llm_gateway.config.completing import complete, override
from llm_gateway.config.discovery import STAND_IN, discover
from llm_gateway.config.discovery import kind_of as kind_of
from llm_gateway.config.discovery import local_servers as local_servers
from llm_gateway.config.discovery import overlooked as overlooked
from llm_gateway.config.layer import Layer as Layer
from llm_gateway.config.layer import Layered as Layered
from llm_gateway.config.layer import Left as Left
from llm_gateway.config.layer import StoredKey as StoredKey
from llm_gateway.config.layer import above
from llm_gateway.config.layer import settled as settled
from llm_gateway.config.models import Admin as Admin
from llm_gateway.config.models import AdminCertificate as AdminCertificate
from llm_gateway.config.models import AdminKey as AdminKey
from llm_gateway.config.models import AdminRole as AdminRole
from llm_gateway.config.models import ApiKey as ApiKey
from llm_gateway.config.models import Arm as Arm
from llm_gateway.config.models import Breaker as Breaker
from llm_gateway.config.models import Config as Config
from llm_gateway.config.models import Defaults as Defaults
from llm_gateway.config.models import Discovery as Discovery
from llm_gateway.config.models import Endpoint as Endpoint
from llm_gateway.config.models import Experiment as Experiment
from llm_gateway.config.models import Limits as Limits
from llm_gateway.config.models import MasterKeySource as MasterKeySource
from llm_gateway.config.models import ModelInfo as ModelInfo
from llm_gateway.config.models import ModelPrice as ModelPrice
from llm_gateway.config.models import Overrides as Overrides
from llm_gateway.config.models import Provider as Provider
from llm_gateway.config.models import ProviderTimeouts as ProviderTimeouts
from llm_gateway.config.models import Retry as Retry
from llm_gateway.config.models import Route as Route
from llm_gateway.config.models import RouteTimeouts as RouteTimeouts
from llm_gateway.config.models import Server as Server
from llm_gateway.config.models import ServerTls as ServerTls
from llm_gateway.config.models import Store as Store
from llm_gateway.config.models import Target as Target
from llm_gateway.config.models import Telemetry as Telemetry
from llm_gateway.config.origins import Origins as Origins
from llm_gateway.config.origins import Traced as Traced
from llm_gateway.config.origins import origins_of as origins_of
from llm_gateway.config.problems import ConfigError as ConfigError
from llm_gateway.config.problems import ConfigProblem as ConfigProblem
from llm_gateway.config.reading import INVALID, Reading
from llm_gateway.config.reading import text_of as text_of
from llm_gateway.config.secret import Secret as Secret
from llm_gateway.config.sources import File as File
from llm_gateway.config.sources import Sources as Sources


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
