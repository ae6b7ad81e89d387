"""``llm-gateway estimate``: what a request would cost, by the configuration's routes and prices. It calls no provider."""

from __future__ import annotations

import argparse
import asyncio
import os

from llmgateway.v1 import content_pb2, gateway_pb2
from msgspec import json
from msgspec.structs import replace

from llm_gateway import config
from llm_gateway.app.gateway import Gateway
from llm_gateway.catalogue.pricing.rates import tier
from llm_gateway.cli import OK, UsageError
from llm_gateway.cli.config_check import load
from llm_gateway.cli.terminal import print_table
from llm_gateway.errors import GatewayError
from llm_gateway.providers import plugins
from llm_gateway.routing.needs import OUTPUT_GUESS, Needs, needs_of
from llm_gateway.routing.targets import Target
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
                    str(one["model"]),
                    str(one["input_tokens"]),
                    str(one["output_tokens"]),
                    _dollars(one["cost_nano_usd"]),
                    str(one["price_id"] or "-"),
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


async def _estimates(settings: config.Config, args: argparse.Namespace) -> list[dict[str, object]]:
    gateway = Gateway(settings)
    await gateway.load_prices()
    request = gateway_pb2.SendRequest(model=args.model)
    request.messages.add(role=content_pb2.ROLE_USER).parts.add().text.text = args.message or ""
    try:
        service = gateway.service
        route = await service.learned(lambda asked: service.snapshot.routing.resolve(request, asked=asked))
    except GatewayError as error:
        raise UsageError(error.message) from None
    needs = Needs(
        input_tokens=needs_of(request).input_tokens if args.input_tokens is None else args.input_tokens,
        output_tokens=OUTPUT_GUESS if args.output_tokens is None else args.output_tokens,
    )
    targets = {target.label: target for group in route.groups for target in group}
    return [_estimate(target, needs) for target in targets.values()]


def _estimate(target: Target, needs: Needs) -> dict[str, object]:
    rates = target.facts.rates
    return {
        "model": target.label,
        "input_tokens": needs.input_tokens,
        "output_tokens": needs.output_tokens,
        "cost_nano_usd": needs.cost(target.facts),
        "price_id": tier(rates, needs.input_tokens).id if rates else None,
    }


def _dollars(nano_usd: object) -> str:
    return f"${nano_usd / 1e9:.9f}".rstrip("0").rstrip(".") if isinstance(nano_usd, int) else "unknown"
