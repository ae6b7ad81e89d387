"""What one value alone cannot show: references between sections, and settings that are only right together."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from llm_gateway.config.discovery import ALIASES, USUAL, first, usual_key
from llm_gateway.config.models import ApiKey, Arm, ClientTls, Config, Provider, Route, Server, ServerTls, Target
from llm_gateway.config.reading import ConfigProblem, Reading, join
from llm_gateway.config.secret import Secret

_T = TypeVar("_T", Target, Arm)


def override_server(config: Config, env: Mapping[str, str], reading: Reading) -> Config:
    """The configuration with the variables that win over the file."""
    server = config.server
    if listen := env.get("LLM_GATEWAY_LISTEN", "").strip():
        server = replace(server, listen=listen)
    if "LLM_GATEWAY_API_KEYS" in env:
        texts = [text.strip() for text in env["LLM_GATEWAY_API_KEYS"].split(",") if text.strip()]
        if not texts:
            wrong = "is set but holds no key"
            right = "give keys separated by commas, or unset it"
            reading.problems.append(
                ConfigProblem(file="environment", key="LLM_GATEWAY_API_KEYS", wrong=wrong, right=right)
            )
        server = replace(server, api_keys=tuple(ApiKey(key=Secret(text)) for text in texts))
    if insecure := env.get("LLM_GATEWAY_INSECURE", "").strip():
        if insecure not in ("true", "false"):
            wrong = "is neither true nor false"
            reading.problems.append(ConfigProblem(file="environment", key="LLM_GATEWAY_INSECURE", wrong=wrong))
        server = replace(server, insecure=insecure == "true")
    return replace(config, server=server)


def complete(config: Config, env: Mapping[str, str], reading: Reading, kinds: Collection[str]) -> Config:
    """The configuration with what is left to be inferred: kinds, usual keys, names of keys, models of targets, the only provider.

    Providers that are switched off are taken out, and targets that name them.
    """
    off = {name for name, provider in config.providers.items() if not provider.enabled}
    providers = {
        name: _complete_provider(name, provider, env, reading, kinds)
        for name, provider in config.providers.items()
        if provider.enabled
    }
    if not providers and not reading.troubled("providers"):
        providers = {"echo": Provider(kind="echo")}
    routes = {
        name: _complete_route(join("routes", name), route, providers, off, reading)
        for name, route in config.routes.items()
    }
    default = config.default_provider
    if default:
        if default not in providers and default not in off:
            default = ALIASES.get(default, default)
        _known(reading, "default_provider", default, providers, off)
    elif len(providers) == 1:
        [default] = providers
    server = replace(config.server, api_keys=_named(config.server.api_keys))
    return replace(config, server=server, providers=providers, routes=routes, default_provider=default)


def _named(keys: Iterable[ApiKey]) -> tuple[ApiKey, ...]:
    return tuple(replace(key, name=key.name or f"key-{number}") for number, key in enumerate(keys, 1))


def _complete_provider(
    name: str, provider: Provider, env: Mapping[str, str], reading: Reading, kinds: Collection[str]
) -> Provider:
    path = join("providers", name)
    kind = provider.kind or name
    kind = kind if kind in kinds else ALIASES.get(kind, kind)
    if kind not in kinds:
        near = difflib.get_close_matches(kind, list(kinds), n=1)
        right = f"did you mean {near[0]}?" if near else "one of " + ", ".join(kinds)
        if provider.kind:
            reading.problem(f"{path}.kind", f"{reading.shown(f'{path}.kind', kind)} is no kind of provider", right)
        else:
            reading.problem(path, "is no kind of provider, and names none", f"set kind: {right}")
    if provider.api_key is not None and provider.api_keys:
        reading.problem(f"{path}.api_keys", "is given beside api_key", "keep one of them")
    if provider.endpoint and provider.endpoints:
        reading.problem(f"{path}.endpoints", "is given beside endpoint", "keep one of them")
    key = provider.api_key
    usual = USUAL.get(kind)
    if key is None and not provider.api_keys and not provider.servers and not reading.troubled(f"{path}.api_keys"):
        key = usual_key(kind, env)  # never sent to an address that is not the vendor's
    if usual and key is None and not provider.api_keys and not usual.keyless:
        for field in ("api_key", "api_keys"):
            if reading.troubled(f"{path}.{field}"):
                break
        else:
            variable = usual.key[0] if usual.key else "KEY"
            reading.problem(
                f"{path}.api_key", "is missing", f'set it, such as "${{{variable}}}", or none to send no key'
            )
    settings: dict[str, str] = {}
    for needed in usual.needs if usual else ():
        regional = needed == "region" and provider.endpoints and all(server.region for server in provider.endpoints)
        if regional or (provider.servers if needed == "endpoint" else getattr(provider, needed)):
            continue
        # an address is never taken from the environment beside a file
        name_set = first(env, USUAL[kind].settings.get(needed, ())) if needed != "endpoint" else None
        if name_set:
            settings[needed] = env[name_set].strip()
        elif not any(reading.troubled(f"{path}.{field}") for field in (needed, "endpoints")):
            reading.problem(f"{path}.{needed}", "is missing", f"kind {kind} needs it")
    return replace(provider, kind=kind, api_key=key, api_keys=_named(provider.api_keys), **settings)


def _complete_route(
    path: str, route: Route, providers: Mapping[str, Provider], off: Collection[str], reading: Reading
) -> Route:
    def targets(field: str) -> tuple[Target, ...]:
        return _placed(f"{path}.{field}", getattr(route, field), providers, off, reading)

    experiment = route.experiment
    if experiment:
        experiment = replace(
            experiment, arms=_placed(f"{path}.experiment.arms", experiment.arms, providers, off, reading)
        )
    return replace(
        route,
        targets=targets("targets"),
        fallbacks=targets("fallbacks"),
        context_fallbacks=targets("context_fallbacks"),
        content_fallbacks=targets("content_fallbacks"),
        experiment=experiment,
    )


def _placed(
    path: str, targets: Sequence[_T], providers: Mapping[str, Provider], off: Collection[str], reading: Reading
) -> tuple[_T, ...]:
    placed = []
    for at, target in zip(reading.places(path), targets, strict=False):
        if target.provider in off:
            continue
        if not _known(reading, f"{at}.provider", target.provider, providers, off):
            continue
        provider = providers[target.provider]
        model = target.model or provider.default_model
        if not model and not reading.troubled(f"{at}.model"):
            right = f"give it, or set {join('providers', target.provider)}.default_model"
            reading.problem(f"{at}.model", "is missing", right)
        placed.append(replace(target, model=model or ""))
    return tuple(placed)


def _known(reading: Reading, path: str, name: str, providers: Collection[str], off: Collection[str] = ()) -> bool:
    if name in providers:
        return True
    if not reading.troubled(path) and not reading.troubled(join("providers", name)):
        shown = reading.shown(path, name)
        if name in off:
            reading.problem(path, f"{shown} is switched off", "set its enabled: true, or name another")
        else:
            near = difflib.get_close_matches(name, list(providers), n=1)
            right = f"did you mean {near[0]}?" if near else "configured: " + (", ".join(providers) or "none")
            reading.problem(path, f"{shown} is not a configured provider", right)
    return False


def check(config: Config, reading: Reading) -> None:
    """Notes every problem that only shows when values are seen together."""
    _check_server(config.server, reading)
    for name, provider in config.providers.items():
        _check_provider(join("providers", name), name, provider, reading)
    for name, route in config.routes.items():
        _check_route(join("routes", name), name, route, reading)
    _check_names(config, reading)


def _check_server(server: Server, reading: Reading) -> None:
    path = "server.listen"
    listen = server.listen
    host, _, port = listen.rpartition(":")
    if listen.startswith("unix:"):
        if not re.fullmatch(r"unix:(//)?[^\0]+", listen):
            reading.problem(path, f"{reading.shown(path, listen)} names no socket", "write unix:/path/to/socket")
    elif not host or not re.fullmatch(r"\d{1,5}", port) or int(port) > 65535 or not _HOST.fullmatch(host):
        right = "write host:port such as 127.0.0.1:50051 or [::1]:50051, or unix:/path"
        reading.problem(path, f"{reading.shown(path, listen)} is not an address", right)
    elif not is_loopback(host):
        if not server.api_keys and not reading.troubled("server.api_keys"):
            right = "set server.api_keys, or listen on 127.0.0.1"
            reading.problem(path, "is open to other machines without server.api_keys", right)
        if server.tls is None and not server.insecure and not reading.troubled("server.tls"):
            right = "set server.tls, or server.insecure: true where TLS ends in front of the gateway"
            reading.problem(path, "is open to other machines without TLS", right)
    if server.tls is not None:
        _check_pair("server.tls", server.tls, reading, required=True)
    seen: dict[Secret, str] = {}
    names: set[str] = set()
    for at, key in zip(reading.places("server.api_keys"), server.api_keys, strict=False):
        if not key.key:
            reading.problem(at, "is no key", "give the key that callers present, or take server.api_keys out")
        elif key.key in seen:
            reading.problem(at, f"is the same key as {seen[key.key]}", "give each caller a key of its own")
        elif key.name in names:
            reading.problem(f"{at}.name", f"{key.name!r} is given twice", "name each key differently")
        seen.setdefault(key.key, at)
        names.add(key.name)


_HOST = re.compile(r"\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._*-]+")


def is_loopback(host: str) -> bool:
    """Whether a listening host can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _check_pair(path: str, tls: ServerTls | ClientTls, reading: Reading, *, required: bool = False) -> None:
    for given, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        absent = getattr(tls, other) is None and not reading.troubled(f"{path}.{other}")
        if absent and (getattr(tls, given) is not None or required):
            wrong = f"is missing beside {given}" if getattr(tls, given) is not None else "is missing"
            reading.problem(f"{path}.{other}", wrong, "give both cert_file and key_file")


def _check_provider(path: str, name: str, provider: Provider, reading: Reading) -> None:
    if not _NAME.fullmatch(name):
        right = "use letters, digits, '.', '_' and '-', starting with a letter or digit"
        reading.problem(path, "is not a provider id: callers write provider/model", right)
    _check_pair(f"{path}.tls", provider.tls, reading)
    _check_weights(f"{path}.endpoints", [endpoint.weight for endpoint in provider.endpoints], reading)
    for field in ("api_keys", "endpoints"):
        at = f"{path}.{field}"
        if reading.has(at) and not getattr(provider, field) and not reading.troubled(at):
            reading.problem(at, "is empty", "list at least one, or take the key out")
    names: set[str] = set()
    for at, key in zip(reading.places(f"{path}.api_keys"), provider.api_keys, strict=False):
        if not key.key:
            reading.problem(at, "is no key", "for a provider without keys write api_key: none")
        if key.name in names:
            reading.problem(f"{at}.name", f"{key.name!r} is given twice", "name each key differently")
        names.add(key.name)
    for header, value in provider.headers.items():
        at = join(f"{path}.headers", header)
        if not _HEADER.fullmatch(header):
            reading.problem(at, "is not an HTTP header name")
        elif header.lower() in _OWN_HEADERS:
            reading.problem(at, "is set by the gateway itself", "take it out")
        elif not value:
            reading.problem(at, "is empty", "give the value or take it out")
    if provider.proxy is not None and not re.fullmatch(r"https?://[^\s/]+/?", provider.proxy.reveal()):
        reading.problem(f"{path}.proxy", "is not a proxy's URL", "write http://host:port")
    listed = provider.models
    if listed is not None and provider.default_model and provider.default_model not in listed:
        at = f"{path}.default_model"
        reading.problem(at, f"{reading.shown(at, provider.default_model)} is not among models", "add it there")


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = frozenset(
    ("connection", "content-length", "content-type", "cookie", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)  # fmt: skip


def _check_route(path: str, name: str, route: Route, reading: Reading) -> None:
    if not _NAME.fullmatch(name):
        reading.problem(
            path, "is not a route name", "use letters, digits, '.', '_' and '-', starting with a letter or digit"
        )
    if name == "auto":
        reading.problem(path, "is a reserved name: auto picks among all models", "name the route differently")
    if not route.targets and not reading.troubled(f"{path}.targets"):
        reading.problem(f"{path}.targets", "names no provider that is switched on", "list at least one target")
    _check_weights(f"{path}.targets", [target.weight for target in route.targets], reading)
    if route.retry.initial_backoff > route.retry.max_backoff:
        reading.problem(f"{path}.retry.max_backoff", "is shorter than initial_backoff", "make it at least as long")
    if experiment := route.experiment:
        at = f"{path}.experiment.arms"
        if not experiment.arms and not reading.troubled(at):
            reading.problem(at, "names no provider that is switched on", "list at least one arm")
        _check_weights(at, [arm.weight for arm in experiment.arms], reading)
        names = [arm.name for arm in experiment.arms]
        for arm in sorted({arm for arm in names if names.count(arm) > 1}):
            reading.problem(at, f"has two arms named {arm!r}", "name each arm differently")


def _check_weights(path: str, weights: Sequence[float], reading: Reading) -> None:
    if weights and not any(weights) and not reading.troubled(path):
        reading.problem(path, "has only weights of 0, so nothing could be chosen", "give one a weight above 0")


def _check_names(config: Config, reading: Reading) -> None:
    for name in config.routes:
        if name in config.providers:
            wrong = "has the name of a provider"
            reading.problem(
                join("routes", name), wrong, "name the route differently: callers name both in the same field"
            )
    for field in ("providers",):
        for name in config.server.overrides.providers or ():
            _known(reading, f"server.overrides.{field}", name, config.providers)
    model = config.default_model
    if model and model not in config.routes:
        provider, slash, _ = model.partition("/")
        if not config.default_provider and not (slash and provider in config.providers):
            right = "name a route or provider/model, or set default_provider"
            reading.problem("default_model", f"{reading.shown('default_model', model)} belongs to no provider", right)
    breaker = config.breaker
    if breaker.base_ejection > breaker.max_ejection:
        reading.problem("breaker.max_ejection", "is shorter than base_ejection", "make it at least as long")
