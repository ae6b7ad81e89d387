"""``llm-gateway estimate``: what a request would cost, by the configuration's routes and prices. It calls no provider."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence

from msgspec import json
from msgspec.structs import replace

from llm_gateway import config
from llm_gateway.app.gateway import Gateway
from llm_gateway.cli import OK, UsageError
from llm_gateway.cli.config_check import load
from llm_gateway.cli.terminal import print_table
from llm_gateway.errors import GatewayError
from llm_gateway.providers import plugins
from llm_gateway.routing.estimate import Estimate, estimate
from llm_gateway.telemetry import logs


def run(args: argparse.Namespace) -> int:
    settings = _with_named(load(args.config, os.environ), args.model)
    logs.configure_logging("warning", human=True)
    estimates = asyncio.run(_estimates(settings, args))
    if args.json:
        print(json.format(json.encode(estimates), indent=2).decode())
    else:
        print_table(
            ("MODEL", "TOKENS IN", "TOKENS OUT", "COST", "PRICE"),
            (
                (
                    one.model,
                    str(one.input_tokens),
                    str(one.output_tokens),
                    dollars(one.cost_nano_usd),
                    one.price_id or "-",
                )
                for one in estimates
            ),
        )
    return OK


def _with_named(settings: config.Config, model: str) -> config.Config:
    """With the provider that the model's name begins with, though it has no key here: prices need none."""
    kind = model.partition("/")[0]
    if kind not in plugins.own() or kind in settings.providers or model in settings.routes:
        return settings
    if not plugins.row(kind).prices:
        return settings
    return replace(settings, providers={**settings.providers, kind: config.Provider(kind=kind)})


async def _estimates(settings: config.Config, args: argparse.Namespace) -> Sequence[Estimate]:
    gateway = Gateway(settings)
    await gateway.load_prices()
    service = gateway.service
    try:
        return await service.learned(
            lambda asked: estimate(
                service.snapshot.routing,
                args.model,
                text=args.message or "",
                input_tokens=args.input_tokens,
                output_tokens=args.output_tokens,
                asked=asked,
            )
        )
    except GatewayError as error:
        raise UsageError(error.message) from None


def dollars(nano_usd: int | None) -> str:
    """A price for people."""
    return "unknown" if nano_usd is None else f"${nano_usd / 1e9:.9f}".rstrip("0").rstrip(".")
