"""What the commands' answers look like."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC

from google.protobuf import json_format, timestamp_pb2
from google.protobuf.message import Message
from llmgateway.admin.v1 import config_pb2, provider_pb2, route_pb2

from llm_gateway.cli import OK
from llm_gateway.cli.terminal import one_line


def as_json(message: Message) -> int:
    """The contract's JSON; returns the exit code."""
    print(json_format.MessageToJson(message, preserving_proto_field_name=True, ensure_ascii=False))
    return OK


def say(text: str, args: argparse.Namespace) -> int:
    """What was done, or only checked; returns the exit code."""
    print(one_line(text) + ("; only checked, nothing is changed" if args.dry_run else ""))
    return OK


def short(name: str) -> str:
    """The last step of a resource's name: edge of providers/edge."""
    return name.rpartition("/")[2]


def at(time: timestamp_pb2.Timestamp) -> str:
    """A time, on this machine's clock."""
    return f"{time.ToDatetime(UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def origin(one: provider_pb2.Provider | route_pb2.Route) -> str:
    """Where an entry is from; of one in two places first the one that serves."""
    match one.source:
        case config_pb2.SETTING_SOURCE_RUNTIME:
            return f"run time, and line {one.line}" if one.line else "run time"
        case _ if one.line:
            return f"line {one.line}"
        case _:
            return "environment"


def is_shadowed(one: provider_pb2.Provider | route_pb2.Route) -> bool:
    """Whether the file has one of the same name, which does not serve."""
    return one.source == config_pb2.SETTING_SOURCE_RUNTIME and one.line > 0


def dropped(names: Iterable[str]) -> str:
    """That keys were dropped, and what to do; empty where none were."""
    gone = [short(name) for name in names]
    if not gone:
        return ""
    return f"; dropped its keys ({', '.join(gone)}), which were for what it was before: `llm-gateway keys add` gives it new ones"
