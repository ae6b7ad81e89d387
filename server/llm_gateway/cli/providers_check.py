"""``llm-gateway providers check``: asks every configured provider for its models, which shows the key to be good and costs no tokens."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict

from llm_gateway.cli import FAILED, OK, UsageError
from llm_gateway.cli.config_check import load
from llm_gateway.cli.terminal import one_line, print_table
from llm_gateway.telemetry import logs, redaction
from llm_gateway.upstream.build import secrets
from llm_gateway.upstream.check import Answered, check


def run(args: argparse.Namespace) -> int:
    settings = load(args.config, os.environ)
    chosen = {name: one for name, one in settings.providers.items() if args.provider in (None, name)}
    if not chosen:
        raise UsageError(f"no provider {args.provider!r} is configured; there are: {', '.join(settings.providers)}")
    logs.configure_logging("error", human=True)
    redaction.know(*(secret for provider in chosen.values() for secret in secrets(provider)))
    results = asyncio.run(check(chosen))
    if args.json:
        print(json.dumps([_as_json(result) for result in results], indent=1))
    else:
        print_table(("PROVIDER", "RESULT", "KEY", "MODELS", "TIME", "NOT LISTED"), map(_row, results))
        if sys.stdout.isatty():  # where a table is shortened
            for result in filter(lambda result: result.problem, results):
                print(one_line(f"{result.provider} {result.endpoint}".strip() + f": {told(result)}"))
    return FAILED if any(result.problem for result in results) else OK


def _as_json(result: Answered) -> dict[str, object]:
    fields = asdict(result)
    del fields["reason"]
    return {**fields, "problem": told(result)}


def told(result: Answered) -> str:
    """The failure in one line; "" when all is well."""
    return f"{result.reason}: {result.problem}" if result.reason else ""


def _row(result: Answered) -> tuple[str, ...]:
    return (
        f"{result.provider} {result.endpoint}".strip(),
        told(result) or "ok",
        result.key,
        str(result.models) if not result.problem else "-",
        f"{result.seconds:.2f} s",
        ", ".join(result.missing) or "-",
    )
