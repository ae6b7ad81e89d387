"""Every API of every kind of provider, and what its requests must be."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any, NoReturn

from llm_gateway.protocols.wire import Outgoing, Rendering, WireFormat
from llm_gateway.providers.rows import DATED, ROWS
from llm_gateway.upstream.http.h1 import render_head

SETTINGS = {
    "api": None,
    "region": "eu-west-1",
    "project": "project",
    "location": "global",
    "publisher": None,
    "api_version": None,
}


def apis() -> Iterator[tuple[str, str, WireFormat, Any]]:
    """(kind, label, wire format, dialect) of every API of every kind."""
    rows = [*((kind, "", row) for kind, row in ROWS.items()), *((kind, "dated ", row) for kind, row in DATED.items())]
    for kind, dated, row in rows:
        for label, spoken in row.apis.items():
            wire: Any = importlib.import_module(f"llm_gateway.protocols.{spoken.wire}")
            dialects = importlib.import_module(f"llm_gateway.protocols.{spoken.dialects}")
            yield kind, f"{kind} {dated}{label}", wire, getattr(dialects, spoken.dialect)


APIS = tuple(apis())


def no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def check_rendered(outgoing: Outgoing, rendering: Rendering) -> None:
    """The body is JSON by RFC 8259, path and headers can be sent, notes name fields."""
    assert isinstance(json.loads(outgoing.body.decode(), parse_constant=no_json), dict)
    assert render_head(outgoing.method, outgoing.path, "", outgoing.headers, len(outgoing.body))
    assert all(warning.field and warning.message for warning in rendering.notes.warnings)
