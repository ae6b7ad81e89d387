"""``llm-gateway audit``: what was changed at run time, when and by whom."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from llmgateway.admin import AdminClient
from llmgateway.admin.v1 import audit_pb2

from llm_gateway.cli import OK
from llm_gateway.cli.admin.settings import tidy
from llm_gateway.cli.admin.shown import as_json, at
from llm_gateway.cli.terminal import print_table


def show(client: AdminClient, args: argparse.Namespace) -> int:
    found = client.list_changes(args.resource, limit=args.limit)
    if args.json:
        return as_json(audit_pb2.ListChangesResponse(changes=found))
    rows = (
        (
            str(one.revision),
            at(one.create_time)[5:],
            one.principal,
            f"{one.method} {one.resource}".strip(),
            ", ".join(changes(one.before, one.after)) or "-",
        )
        for one in found
    )
    print_table(("REVISION", "TIME", "BY", "WHAT", "CHANGE"), rows)
    return OK


def changes(before: Value, after: Value) -> Iterator[str]:
    """What is set since, was set before, or both: `timeouts.connect: 1s → 2s`."""
    old, new = _flat(before), _flat(after)
    for key in dict.fromkeys((*old, *new)):
        match old.get(key), new.get(key):
            case None, given:
                yield f"{key}: {given}" if key else str(given)
            case gone, None:
                yield f"{key}: {gone} → unset" if key else f"{gone} → unset"
            case was, now if was != now:
                yield f"{key}: {was} → {now}" if key else f"{was} → {now}"


def _flat(value: Value) -> Mapping[str, str]:
    return dict(_leaves(tidy(json_format.MessageToDict(value)), ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, one in sorted(value.items()):  # a Struct has no order
            yield from _leaves(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield path, ", ".join(_text(one) for one in value)
    elif value is not None:
        yield path, _text(value)


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return " ".join(f"{key} {text}" for key, text in _leaves(value, ""))
        case _:
            return str(value)
