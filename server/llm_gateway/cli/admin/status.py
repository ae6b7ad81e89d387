"""``llm-gateway status``: what a running gateway serves, and what needs attention."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import suppress

from llmgateway import Unavailable
from llmgateway.admin import AdminClient
from llmgateway.admin.v1 import config_pb2, key_pb2, provider_pb2, route_pb2

from llm_gateway.cli import OK
from llm_gateway.cli.admin import providers as provider_lines
from llm_gateway.cli.admin import routes as route_lines
from llm_gateway.cli.admin.shown import as_json, at, is_shadowed, short
from llm_gateway.cli.terminal import one_line


def show(client: AdminClient, args: argparse.Namespace) -> int:
    found = client.get_effective_config()
    if args.json:
        return as_json(found)
    providers, routes = client.list_providers(), client.list_routes()
    keys: list[key_pb2.ProviderKey] = []
    if store_of(found):
        with suppress(Unavailable):  # which found.store_problem tells
            keys = [key for one in providers for key in client.list_provider_keys(short(one.name))]
    for line in told(found, providers, routes):
        print(one_line(line))
    for line in attention(found, providers, routes, keys):
        print(one_line(f"note: {line}"))
    return OK


def store_of(found: config_pb2.GetEffectiveConfigResponse) -> str:
    """Where what is set at run time is kept; empty where it is not."""
    settings = {one.key: one.value for one in found.settings}
    return settings.get("store.directory") or ("a PostgreSQL" if settings.get("store.url") else "")


def told(
    found: config_pb2.GetEffectiveConfigResponse,
    providers: Sequence[provider_pb2.Provider],
    routes: Sequence[route_pb2.Route],
) -> Iterator[str]:
    """What it serves, and by what."""
    [listen] = [one.value for one in found.settings if one.key == "server.listen"] or ["-"]
    yield f"serves at {listen}"
    yield f"configuration {found.version} of {found.file or 'the environment'}, since {at(found.load_time)}"
    if where := store_of(found):
        yield f"revision {found.revision} of what is set at run time, kept in {where}"
    else:
        yield "nothing can be set at run time: add `store: {directory: data}` to the configuration, and restart"
    yield "providers: " + ", ".join(map(_provider, providers))
    yield "routes: " + (", ".join(map(_route, routes)) or "none")


def _provider(one: provider_pb2.Provider) -> str:
    said = (
        "default" if one.is_default else "",
        "" if one.enabled else "off",
        "run time" if one.source == config_pb2.SETTING_SOURCE_RUNTIME else "",
    )
    return _with(short(one.name), said)


def _route(one: route_pb2.Route) -> str:
    return _with(short(one.name), ("run time" if one.source == config_pb2.SETTING_SOURCE_RUNTIME else "",))


def _with(name: str, said: Sequence[str]) -> str:
    inside = ", ".join(filter(None, said))
    return f"{name} ({inside})" if inside else name


def attention(
    found: config_pb2.GetEffectiveConfigResponse,
    providers: Sequence[provider_pb2.Provider],
    routes: Sequence[route_pb2.Route],
    keys: Sequence[key_pb2.ProviderKey],
) -> Iterator[str]:
    """What somebody should look at."""
    for problem in found.refusal.splitlines():
        yield f"not in force, since {at(found.refusal_time)}: {problem}"
    if found.store_problem:
        yield f"the store cannot be reached, so nothing can be changed; calls are served: {found.store_problem}"
    for setting in found.unneeded_settings:
        yield f"{setting} can be taken out of the configuration: every key is sealed by the new master key"
    yield from (provider_lines.shadowed(one) for one in providers if is_shadowed(one))
    yield from (route_lines.shadowed(one) for one in routes if is_shadowed(one))
    for key in keys:
        if key.HasField("expire_time"):
            yield f"{key.name} is used until {at(key.expire_time)}, beside the key that replaced it"
