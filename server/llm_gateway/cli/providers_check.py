"""``llm-gateway providers check``: asks every configured provider for its models, which shows the key to be good and costs no tokens."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass
from time import monotonic

from llm_gateway import config
from llm_gateway.cli import FAILED, OK, UsageError
from llm_gateway.cli.config_check import load
from llm_gateway.cli.terminal import one_line, print_table
from llm_gateway.errors import GatewayError
from llm_gateway.providers.plugins import row as row_of
from llm_gateway.telemetry import logs, redaction
from llm_gateway.upstream.build import secrets, upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one address and key of a provider answered.

    problem: "" when all is well. models: how many are listed. missing: configured models that are not among them; such lists need not
    name deployments and aliases, so this is no failure. key: whether it was "accepted", "rejected", or "not checked". seconds: to the
    whole list.
    """

    provider: str
    endpoint: str
    problem: str = ""
    models: int = 0
    missing: tuple[str, ...] = ()
    key: str = "not checked"
    seconds: float = 0.0


def run(args: argparse.Namespace) -> int:
    settings = load(args.config, os.environ)
    chosen = {name: one for name, one in settings.providers.items() if args.provider in (None, name)}
    if not chosen:
        raise UsageError(f"no provider {args.provider!r} is configured; there are: {', '.join(settings.providers)}")
    logs.configure_logging("error", human=True)
    results = asyncio.run(check(chosen))
    if args.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    else:
        print_table(("PROVIDER", "RESULT", "KEY", "MODELS", "TIME", "NOT LISTED"), map(_row, results))
        if sys.stdout.isatty():  # where a table is shortened
            for result in filter(lambda result: result.problem, results):
                print(one_line(f"{result.provider} {result.endpoint}".strip() + f": {result.problem}"))
    return FAILED if any(result.problem for result in results) else OK


async def check(providers: dict[str, config.Provider]) -> list[Result]:
    """One result for each address and key, in the order of the configuration; all are asked at once."""
    redaction.know(*(secret for provider in providers.values() for secret in secrets(provider)))
    asked = [
        _check(name, provider, server, key)
        for name, provider in providers.items()
        for server in provider.servers or (None,)
        for key in provider.keys or (None,)
    ]
    return await asyncio.gather(*asked)


async def _check(
    name: str, provider: config.Provider, server: config.Endpoint | None, key: config.ApiKey | None
) -> Result:
    several = len(provider.servers) > 1 or len(provider.keys) > 1
    labels = [(server.region or server.url) if server else "", key.name if key else ""] if several else []
    endpoint = " ".join(filter(None, labels))
    started = monotonic()
    one = upstream(name, provider, server, key, None)
    try:
        listed = {model.model_id for model in await one.list_models()}
    except GatewayError as error:
        state = "rejected" if error.reason == "PROVIDER_CREDENTIALS_REJECTED" else "not checked"
        problem = f"{error.reason}: {error.message}"
        return Result(provider=name, endpoint=endpoint, problem=problem, key=state, seconds=monotonic() - started)
    finally:
        await one.aclose()
    row = row_of(provider.kind)
    used = (*(provider.models or ()), *((provider.default_model,) if provider.default_model else ()))
    return Result(
        provider=name,
        endpoint=endpoint,
        models=len(listed),
        missing=tuple(model for model in dict.fromkeys(used) if model not in listed),
        key="accepted" if (key or row.identity) and not row.open_list else "not checked",
        seconds=monotonic() - started,
    )


def _row(result: Result) -> tuple[str, ...]:
    return (
        f"{result.provider} {result.endpoint}".strip(),
        result.problem or "ok",
        result.key,
        str(result.models) if not result.problem else "-",
        f"{result.seconds:.2f} s",
        ", ".join(result.missing) or "-",
    )
