"""``llm-gateway config check``, and the reading of the configuration for the other commands."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

from llm_gateway import config
from llm_gateway.cli import OK, UsageError
from llm_gateway.upstream import plugins


def run(args: argparse.Namespace) -> int:
    settings = load(args.config, os.environ)
    source = config.config_path(args.config, os.environ) or "environment"
    print(f"{source}: ok; listens on {settings.server.listen}")
    print(f"providers: {', '.join(settings.providers)}")
    if settings.routes:
        print(f"routes: {', '.join(settings.routes)}")
    return OK


def read(path: str | None, env: Mapping[str, str]) -> config.Config:
    """The checked configuration, with the kinds that plugins add. Raises ConfigError."""
    settings = config.load(path, env, kinds=plugins.kinds(), local=config.local_servers)
    plugins.check(settings.providers)
    return settings


def load(path: str | None, env: Mapping[str, str]) -> config.Config:
    """The checked configuration. Raises UsageError with every problem, one a line."""
    try:
        return read(path, env)
    except config.ConfigError as error:
        raise UsageError("\n".join(map(str, error.errors))) from None
