"""From what a file says to what is meant: variables that win over it, usual keys, inferred kinds, names and models."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from llm_gateway.config.discovery import STAND_IN, first, kind_of, usual_of
from llm_gateway.config.models import ApiKey, Arm, Config, Provider, Route, Target
from llm_gateway.config.reading import Reading, join
from llm_gateway.config.secret import Secret
from llm_gateway.config.values import Unfit, boolean, credential, duration
from llm_gateway.providers import plugins
from llm_gateway.providers.rows import Usual

_T = TypeVar("_T", Target, Arm)


def override(config: Config, env: Mapping[str, str], reading: Reading) -> Config:
    """The configuration with the variables that win over the file."""
    server = config.server
    for field, variable, parse in (
        ("listen", "LLM_GATEWAY_LISTEN", str),
        ("api_keys", "LLM_GATEWAY_API_KEYS", _key_list),
        ("insecure", "LLM_GATEWAY_INSECURE", boolean),
        ("reload_interval", "LLM_GATEWAY_RELOAD_INTERVAL", duration),
    ):
        if variable not in env or not (env[variable].strip() or field == "api_keys"):
            continue  # keys set to nothing are a mistake that would open the server
        reading.override(f"server.{field}", variable)
        try:
            server = replace(server, **{field: parse(env[variable].strip())})
        except Unfit as unfit:
            reading.environment(variable, unfit.wrong, unfit.right)
    return replace(config, server=server)


def _key_list(text: str) -> tuple[ApiKey, ...]:
    keys = [ApiKey(key=credential(key)) for key in text.split(",") if key.strip()]
    if not keys:
        raise Unfit("is set but holds no key", "give keys separated by commas, or unset it")
    return tuple(keys)


def complete(config: Config, env: Mapping[str, str], reading: Reading, *, whole: bool = True) -> Config:
    """The configuration with nothing left to infer: kinds, usual keys, names of keys, models of targets, the only provider.

    whole: False where what was set at run time is not known, which may switch providers on.
    Providers that are switched off are taken out, and the targets that name them with them.
    """
    off = reading.off = {
        name: replace(provider, kind=kind_of(provider.kind or name))
        for name, provider in config.providers.items()
        if not provider.enabled
    }
    for name in off:  # it needs no variables
        reading.pardon(join("providers", name))
    providers = {
        name: _complete_provider(name, provider, env, reading)
        for name, provider in config.providers.items()
        if name not in off
    }
    if not providers and not reading.troubled("providers"):
        if now := _off_now(off, reading):
            at = join(join("providers", now[-1]), "enabled")
            reading.problem(at, "switches off the last provider that was on", "enable another one first")
        elif off and whole:
            reading.problem("providers", "are all switched off", "set enabled: true for one")
        providers = {"echo": STAND_IN}
    if config.defaults.prompt_caching:
        providers = {
            name: replace(provider, options={"prompt_caching": True, **provider.options})
            for name, provider in providers.items()
        }
    routes = {
        name: _complete_route(join("routes", name), route, providers, off, reading)
        for name, route in config.routes.items()
    }
    default = config.default_provider
    if default:
        default = default if default in config.providers else kind_of(default)
        known(reading, "default_provider", default, providers, off)
    else:  # one more at run time takes nothing from the file's only one
        own = [name for name in providers if reading.entries.get(join("providers", name), 1)] or [*providers]
        default = own[0] if len(own) == 1 else None
    server = replace(config.server, api_keys=_named(config.server.api_keys))
    return replace(config, server=server, providers=providers, routes=routes, default_provider=default)


def _off_now(names: Iterable[str], reading: Reading) -> list[str]:
    """Those providers of these that were switched off at run time."""
    return [name for name in names if reading.at_run_time(join(join("providers", name), "enabled"))]


def _named(keys: Iterable[ApiKey]) -> tuple[ApiKey, ...]:
    return tuple(replace(key, name=key.name or f"key-{number}") for number, key in enumerate(keys, 1))


def _complete_provider(name: str, provider: Provider, env: Mapping[str, str], reading: Reading) -> Provider:
    path = join("providers", name)
    kind = kind_of(provider.kind or name)
    if kind not in plugins.names():
        kinds = plugins.kinds()
        near = difflib.get_close_matches(kind, kinds, n=1)
        right = f"did you mean {near[0]}?" if near else "one of " + ", ".join(kinds)
        if provider.kind:
            reading.problem(f"{path}.kind", f"{reading.shown(f'{path}.kind')} is no kind of provider", right)
        else:
            reading.problem(path, "is an id that is no kind of provider", f"set its kind: {right}")
    usual = usual_of(kind)
    settings = {
        field: env[variable].strip()
        for field in usual.needs
        if field != "endpoint" and getattr(provider, field) is None
        if (variable := first(env, usual.settings.get(field, ())))
    }
    for field in settings:
        reading.read_from(f"{path}.{field}", str(first(env, usual.settings[field])))
    provider = replace(provider, kind=kind, api_keys=_named(provider.api_keys), **settings)
    for field in usual.needs:
        met = provider.servers if field == "endpoint" else getattr(provider, field)
        if field == "region":
            met = met or (provider.endpoints and all(endpoint.region for endpoint in provider.endpoints))
        if not met and not reading.troubled(f"{path}.{field}") and not reading.troubled(f"{path}.endpoints"):
            unset = field != "endpoint" and bool(usual.settings.get(field))
            reading.problem(f"{path}.{field}", "is missing", f"kind {kind} needs it", unset=unset)
    return replace(provider, api_key=_usual_key(path, provider, usual, env, reading))


def _usual_key(path: str, provider: Provider, usual: Usual, env: Mapping[str, str], reading: Reading) -> Secret | None:
    key = provider.api_key
    if key is not None:
        return Secret("", key.source) if key.reveal() == "none" else key
    if reading.has(f"{path}.api_keys") or reading.troubled(f"{path}.api_key"):
        return None
    # a key of the environment goes to its vendor's address only
    variable = None if provider.servers else first(env, usual.key)
    if variable:
        try:
            found = credential(env[variable])
            found.source = variable
            reading.read_from(f"{path}.api_key", variable)
            return found
        except Unfit as unfit:
            reading.environment(variable, unfit.wrong, unfit.right)
    elif not usual.keyless:
        right = f'set it, such as "${{{usual.key[0]}}}", or to none when the server wants no key'
        reading.problem(f"{path}.api_key", "is missing", right, unset=bool(usual.key))
    return None


def _complete_route(
    path: str, route: Route, providers: Mapping[str, Provider], off: Collection[str], reading: Reading
) -> Route:
    def targets(field: str, *, spare: bool = False) -> tuple[Target, ...]:
        return _placed(f"{path}.{field}", getattr(route, field), providers, off, reading, spare=spare)

    experiment = route.experiment
    if experiment:
        arms = _placed(f"{path}.experiment.arms", experiment.arms, providers, off, reading)
        experiment = replace(experiment, arms=arms)
    elif not route.targets and not reading.troubled(f"{path}.targets") and not reading.troubled(f"{path}.experiment"):
        reading.problem(f"{path}.targets", "is missing", "list at least one target")
    fallbacks = targets("fallbacks")
    first = targets("targets", spare=bool(fallbacks))
    if route.targets and not first and not experiment:  # all of them were switched off at run time, or are wrong
        first, fallbacks = fallbacks[:1], fallbacks[1:]
    return replace(
        route,
        targets=first,
        fallbacks=fallbacks,
        context_fallbacks=targets("context_fallbacks"),
        content_fallbacks=targets("content_fallbacks"),
        experiment=experiment,
    )


def _placed(
    path: str,
    targets: Sequence[_T],
    providers: Mapping[str, Provider],
    off: Collection[str],
    reading: Reading,
    *,
    spare: bool = False,
) -> tuple[_T, ...]:
    """The targets whose providers are there, each with a model. spare: others serve where all of these were switched off at run time."""
    placed = []
    for at, target in zip(reading.places(path), targets, strict=False):
        if target.provider in off or not known(reading, f"{at}.provider", target.provider, providers):
            continue
        model = target.model or providers[target.provider].default_model or ""
        if not model and not reading.troubled(f"{at}.model"):
            right = f"give it, or set {join('providers', target.provider)}.default_model"
            reading.problem(f"{at}.model", "is missing", right)
        placed.append(replace(target, model=model))
    if targets and all(target.provider in off for target in targets) and path.endswith(("targets", "arms")):
        now = _off_now({target.provider: None for target in targets}, reading)
        right = f"enable {' or '.join(now)}, or name one that is on" if now else "name one that is on"
        if not (now and spare):
            reading.problem(path, "names only providers that are switched off", right)
    return tuple(placed)


def known(reading: Reading, path: str, name: str, providers: Collection[str], off: Collection[str] = ()) -> bool:
    """Whether a name at a path is a provider's; notes a problem where it is not."""
    if name in providers:
        return True
    if not reading.troubled(path) and not reading.troubled(join("providers", name)):
        shown = reading.shown(path)
        if name in off:
            right = (
                "enable it, or name another" if _off_now([name], reading) else "set its enabled: true, or name another"
            )
            reading.problem(path, f"{shown} is switched off", right)
        else:
            near = difflib.get_close_matches(name, list(providers), n=1)
            right = f"did you mean {near[0]}?" if near else "configured: " + (", ".join(providers) or "none")
            reading.problem(path, f"{shown} is not a configured provider", right)
    return False
