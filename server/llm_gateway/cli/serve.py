"""``llm-gateway serve``."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import sys
from collections.abc import Mapping

import uvloop
from msgspec.structs import replace

from llm_gateway import config
from llm_gateway.app import main, workers
from llm_gateway.cli import FAILED, OK, env_file
from llm_gateway.cli.config_check import load, read
from llm_gateway.telemetry import logs, tracing


def run(args: argparse.Namespace) -> int:
    settings = _flagged(load(args.config, _environment(args)), args)
    server = settings.server
    if server.workers > 1 and not workers.is_worker():
        return workers.supervise(
            server.workers, server.listen, ["-m", "llm_gateway", *sys.argv[1:]], _environment(args, env_file.own())
        )
    form = server.log.format or ("console" if sys.stderr.isatty() else "json")
    logs.configure_logging(server.log.level, human=form == "console")
    if os.environ.get("GRPC_VERBOSITY", "NONE").upper() != "NONE":
        logs.take_standard_error()
    if settings.stands_in:
        logs.log().warning(env_file.NO_PROVIDER, advice=env_file.advice(args))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main.run(settings, reload=lambda: _read_again(args)))
    except (OSError, tracing.TelemetryError, config.ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    return OK


def _read_again(args: argparse.Namespace) -> config.Config:
    env_file.take(args)
    return _flagged(read(args.config, _environment(args)), args)


def _flagged(settings: config.Config, args: argparse.Namespace) -> config.Config:
    """The configuration with the flags that no variable stands for."""
    server = settings.server
    log = replace(server.log, level=args.log_level or server.log.level)
    server = replace(server, log=log, reflection=server.reflection or args.reflection)
    settings = replace(settings, server=server)
    if not isinstance(settings, config.Traced):
        return settings
    flags = {
        "server.listen": args.listen,
        "server.insecure": args.insecure,
        "server.log.level": args.log_level,
        "server.reflection": args.reflection,
    }
    given = {key: f"--{key.removeprefix('server.').replace('.', '-')}" for key, value in flags.items() if value}
    return replace(settings, origins=dataclasses.replace(settings.origins, flags=given))


def _environment(args: argparse.Namespace, env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment with the flags in it: they pass the same checks as everything else."""
    listen = None if workers.is_worker() else args.listen  # the supervisor has put the port in place of 0
    given = {"LLM_GATEWAY_LISTEN": listen, "LLM_GATEWAY_INSECURE": "true" if args.insecure else None}
    return {**env, **{name: value for name, value in given.items() if value}}
