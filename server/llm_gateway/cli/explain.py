"""``llm-gateway explain``: where a request would go by the configuration, and why not elsewhere. It calls no model; for a bare name that
the configuration does not have, providers are asked for their lists."""

from __future__ import annotations

import argparse
import asyncio
import os

from msgspec import json, to_builtins

from llm_gateway import config
from llm_gateway.app.gateway import Gateway
from llm_gateway.cli import FAILED, OK, UsageError
from llm_gateway.cli.config_check import load
from llm_gateway.cli.terminal import print_table
from llm_gateway.errors import GatewayError
from llm_gateway.routing.explain import Destination, Explanation, explain, request_for
from llm_gateway.telemetry import logs


def run(args: argparse.Namespace) -> int:
    settings = load(args.config, os.environ)
    logs.configure_logging("warning", human=True)
    found = asyncio.run(_explain(settings, args))
    if args.json:
        print(json.format(json.encode(to_builtins(found)), indent=2).decode())
    else:
        show(found)
    return OK if found.groups else FAILED


async def _explain(settings: config.Config, args: argparse.Namespace) -> Explanation:
    gateway = Gateway(settings)
    await gateway.load_prices()
    await gateway.look_up()
    needs = [need.strip() for need in args.needs.split(",") if need.strip()]
    try:
        request = request_for(args.model, needs, input_tokens=args.input_tokens)
        service, stream = gateway.service, "streaming" in needs
        return await service.learned(
            lambda asked: explain(service.snapshot.routing, request, stream=stream, asked=asked)
        )
    except GatewayError as error:
        raise UsageError(error.message) from None


def show(found: Explanation) -> None:
    """Print it for people."""
    titles = ["targets", *(f"fallback {number}" for number in range(1, len(found.groups)))]
    groups = list(found.groups)
    if found.experiment:
        titles[:1], groups[:1] = [f"arm {arm}" for arm in found.arms], [[each] for each in found.groups[0]]
    rows = [_row(title, each) for title, group in zip(titles, groups, strict=False) for each in group]
    rows += [_row("after a context overflow", each) for group in found.context for each in group]
    rows += [_row("after a content refusal", each) for group in found.content for each in group]
    rows += [("left out", target, "", "", ", ".join(reasons)) for target, reasons in found.excluded]
    if found.strategy:
        how = f"experiment {found.experiment}" if found.experiment else found.strategy
        print(f"{found.route or 'model'}: {how}")
    print_table(("TRIED", "TARGET", "ENDPOINT", "SHARE", "WHY NOT"), rows, whole=1)


def _row(title: str, to: Destination) -> tuple[str, str, str, str, str]:
    return title, to.target, to.deployment or "-", f"{to.share:.0%}", to.unavailable
