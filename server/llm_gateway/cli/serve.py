"""``llm-gateway serve``."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import functools
import importlib
import os
import re
import sys
from collections.abc import Mapping

import uvloop
from msgspec.structs import replace

from llm_gateway import config
from llm_gateway.app import workers
from llm_gateway.app.watching import LocalServers
from llm_gateway.cli import FAILED, OK, USAGE, env_file
from llm_gateway.cli.config_check import read, told
from llm_gateway.telemetry import logs, tracing


def run(args: argparse.Namespace) -> int:
    sources = config.Sources()
    env_file.take(args, sources)
    local = LocalServers()
    found = told(lambda: _read(args, local, sources))
    settings = told(lambda: found(None))
    blank = _is_blank(config.config_path(args.config, _environment(args)), config.Sources())
    server = settings.server
    if server.workers > 1 and not workers.is_worker():
        command, env = ["-m", "llm_gateway", *sys.argv[1:]], _environment(args, env_file.own())
        admin = settings.admin.listen if settings.admin is not None else "" if settings.store is not None else None
        try:
            return workers.supervise(server.workers, server.listen, command, env, admin=admin)
        except OSError as error:
            print(f"error: {error}", file=sys.stderr)
            return FAILED
    form = server.log.format or ("console" if sys.stderr.isatty() else "json")
    logs.configure_logging(server.log.level, human=form == "console")
    if os.environ.get("GRPC_VERBOSITY", "NONE").upper() != "NONE":
        logs.take_standard_error()
    if settings.stands_in:
        logs.log().warning(env_file.NO_PROVIDER, advice=env_file.advice(args))
    local.tell()
    served = importlib.import_module(f"llm_gateway.app.{'control' if workers.is_control() else 'main'}")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            again = functools.partial(_read_again, args, local, blank=blank)
            runner.run(served.run(settings, found=found, reload=again, sources=sources, local=local))
    except (OSError, tracing.TelemetryError, config.ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE if isinstance(error, config.ConfigError) else FAILED
    return OK


def _read(args: argparse.Namespace, local: LocalServers, sources: config.Sources) -> config.Layered:
    local.begin()
    found = read(args.config, _environment(args), sources, local)
    return lambda layer: _flagged(found(layer), args)


def _read_again(
    args: argparse.Namespace, local: LocalServers, sources: config.Sources, *, blank: bool
) -> config.Layered:
    """The configuration as its files are now. blank: the file said nothing at the start. One that says nothing any more is being written: it would
    mean the environment's providers, without a key or a route of its own. Raises ConfigError."""
    sources.begin()
    env_file.take(args, sources)
    if not blank and _is_blank(file := config.config_path(args.config, _environment(args)), sources):
        wrong, right = "is empty", "write it again; to serve by the environment alone, start without it"
        raise config.ConfigError([config.ConfigProblem(file=str(file), wrong=wrong, right=right)])
    return _read(args, local, sources)


def _is_blank(file: str | None, sources: config.Sources) -> bool:
    """Whether there is a file that has comments at most."""
    return file is not None and os.path.isfile(file) and not re.sub(r"#.*", "", config.text_of(file, sources)).strip()


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
    held = workers.is_worker() and (args.listen or "").endswith(":0")  # the supervisor has put a port in place of 0
    listen = None if held else args.listen
    given = {"LLM_GATEWAY_LISTEN": listen, "LLM_GATEWAY_INSECURE": "true" if args.insecure else None}
    return {**env, **{name: value for name, value in given.items() if value}}
