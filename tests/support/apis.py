"""Every API of every kind of provider, and what its requests must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from llm_gateway.protocols.wire import Outgoing, Rendering, WireFormat
from llm_gateway.providers import plugins
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
    rows = [(kind, "", row) for kind, row in plugins.rows().items()]
    rows += [(kind, "dated ", row.dated) for kind, _, row in rows if row.dated is not None]
    for kind, dated, row in rows:
        for label, spoken in row.apis.items():
            wire: Any = plugins.module("protocols", spoken.wire)
            yield kind, f"{kind} {dated}{label}", wire, plugins.dialect(spoken)


APIS = tuple(apis())


def no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def check_rendered(outgoing: Outgoing, rendering: Rendering) -> None:
    """The body is JSON by RFC 8259, path and headers can be sent, notes name fields."""
    assert isinstance(json.loads(outgoing.body.decode(), parse_constant=no_json), dict)
    assert render_head(outgoing.method, outgoing.path, "", outgoing.headers, len(outgoing.body))
    assert all(warning.field and warning.message for warning in rendering.notes.warnings)
