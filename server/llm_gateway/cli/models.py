"""``llm-gateway models``."""

from __future__ import annotations

import argparse
import sys

from google.protobuf import json_format
from llmgateway import GatewayError
from llmgateway.v1 import model_pb2

from llm_gateway.cli import OK
from llm_gateway.cli.connection import connect, report
from llm_gateway.cli.terminal import enum_name, one_line, print_table


def run(args: argparse.Namespace) -> int:
    with connect(args, patient=True) as client:
        try:
            models = client.list_models(args.provider, refresh=args.refresh)
        except GatewayError as error:
            return report(error, args)
    if args.json:
        whole = model_pb2.ListModelsResponse(
            models=models, unreachable=[f"providers/{provider}" for provider in models.unreachable]
        )
        print(json_format.MessageToJson(whole, preserving_proto_field_name=True, ensure_ascii=False))
    else:
        print_table(("MODEL", "CONTEXT", "OUTPUT", "$/M IN", "$/M OUT", "CAN", "ALIASES"), map(_row, models))
    if models.unreachable:
        print(f"warning: did not answer: {one_line(', '.join(models.unreachable))}", file=sys.stderr)
    return OK


def _row(model: model_pb2.Model) -> tuple[str, ...]:
    price = model.pricing
    can = [enum_name(model_pb2.ModelCapability, "MODEL_CAPABILITY_", one).lower() for one in model.capabilities]
    return (
        f"{model.provider}/{model.model_id}" + _state(model),
        str(model.input_token_limit) if model.HasField("input_token_limit") else "-",
        str(model.output_token_limit) if model.HasField("output_token_limit") else "-",
        _dollars(price.input_nano_usd_per_million) if price.HasField("input_nano_usd_per_million") else "-",
        _dollars(price.output_nano_usd_per_million) if price.HasField("output_nano_usd_per_million") else "-",
        ",".join(can) or "-",
        ",".join(model.aliases) or "-",
    )


def _state(model: model_pb2.Model) -> str:
    return " (missing)" if model.HasField("missing_since") else " (deprecated)" if model.deprecated else ""


def _dollars(nano_usd: int) -> str:
    return f"{nano_usd / 1e9:g}"
