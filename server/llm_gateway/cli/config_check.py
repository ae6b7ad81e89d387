"""``llm-gateway config check``, and the reading of the configuration for the other commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from llm_gateway import config
from llm_gateway.cli import OK, UsageError
from llm_gateway.config import pem
from llm_gateway.providers import plugins
from llm_gateway.upstream.build import trimmed

T = TypeVar("T")


def run(args: argparse.Namespace) -> int:
    source = config.config_path(args.config, os.environ)
    if args.no_env:
        if source is None:
            raise UsageError("--no-env checks a file: give it with --config")
        settings = told(lambda: config.load(source, {}, any_environment=True))
    else:
        settings = load(args.config, os.environ)
    print(f"{source or 'environment'}: ok; listens on {settings.server.listen}")
    print("providers: " + ("those of the environment" if settings.stands_in else ", ".join(settings.providers)))
    if settings.routes:
        print(f"routes: {', '.join(settings.routes)}")
    for name, provider in settings.providers.items():
        for server in provider.servers:
            if note := _address(provider.kind, server.url):
                print(f"providers.{name}: {note}")
    for path, tls in [
        ("server.tls", settings.server.tls),
        *((f"providers.{n}.tls", p.tls) for n, p in settings.providers.items()),
    ]:
        for field in ("cert_file", "client_ca_file", "ca_file"):
            if (file := getattr(tls, field, None)) and (note := _ending(file)):
                print(f"warning: {path}.{field}: {note}", file=sys.stderr)
    return OK


SOON = timedelta(days=30)


def _ending(file: str) -> str:
    """That a certificate has ended, or will within SOON."""
    end, now = pem.ends(file), datetime.now(UTC)
    if end is None or end > now + SOON:
        return ""
    return f"the certificate {'has expired' if end <= now else 'expires'} on {end:%Y-%m-%d}; have it renewed"


def _address(kind: str, url: str) -> str:
    """What an operator should know of an address: that another one is called than is written, or that it looks wrong."""
    row = plugins.row(kind)
    called = trimmed(url, row)
    if called != url:
        return f"{url} is called as {called}: this kind's paths are added to it"
    like = urlsplit(row.like or row.base_url).path
    if like and not urlsplit(url).path:
        return f"{url} has no path; an endpoint of kind {kind} is mostly written with {like}. `providers check` tells"
    return ""


def read(
    path: str | None,
    env: Mapping[str, str],
    sources: config.Sources | None = None,
    local: Callable[[], Collection[str]] = config.local_servers,
) -> config.Layered:
    """The configuration that was read, checked with each layer. Raises ConfigError, also for a file by which only the embedded provider
    would answer though nobody asked for it, and none can be added at run time."""
    found = config.read(path, env, local=local, sources=sources)
    file = config.config_path(path, env)

    def layered(layer: config.Layer | None) -> config.Config:
        settings = found(layer)
        if file and settings.stands_in and settings.store is None:
            right = "add one, such as anthropic: {}, or set its key, such as ANTHROPIC_API_KEY; echo: {} is the embedded one"
            raise config.ConfigError(
                [config.ConfigProblem(file=file, key="providers", wrong="holds no provider", right=right)]
            )
        return settings

    return layered


def load(path: str | None, env: Mapping[str, str], sources: config.Sources | None = None) -> config.Config:
    """The checked configuration. Raises UsageError with every problem, one a line."""
    return told(lambda: read(path, env, sources)(None))


def told(reader: Callable[[], T]) -> T:
    """What was read. Raises UsageError instead of ConfigError."""
    try:
        return reader()
    except config.ConfigError as error:
        raise UsageError("\n".join(map(str, error.errors))) from None
