"""From a provider's configuration and row to what calls it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol

from llmgateway.v1 import model_pb2, usage_pb2

from llm_gateway import config
from llm_gateway.call import Call, Reply
from llm_gateway.routing import Timeouts
from llm_gateway.upstream.caller import HttpCaller, StaticHeaders
from llm_gateway.upstream.echo import Echo
from llm_gateway.upstream.http import HttpClient
from llm_gateway.upstream.providers import ROWS, Row

Price = Callable[[str, usage_pb2.Usage], None]


class Upstream(Protocol):
    """What calls one endpoint of a provider: a Handler that also lists models, which serves as its probe, and can be closed.

    A call ends by `call.deadline`, with CallerDeadline, before the commit and after it."""

    async def __call__(self, call: Call, /) -> Reply: ...

    async def list_models(self) -> list[model_pb2.Model]: ...

    async def aclose(self) -> None: ...


def upstream(
    name: str, provider: config.Provider, server: config.Endpoint | None, key: config.ApiKey | None, price: Price | None
) -> Upstream:
    """The upstream of one address and key of a provider; `server` None is the row's own address."""
    if provider.kind == "echo":
        return Echo(provider=name)
    row = ROWS[provider.kind]
    return HttpCaller(
        provider=name,
        kind=provider.kind,
        wire=importlib.import_module(f"llm_gateway.protocols.{row.wire}"),
        dialect=getattr(importlib.import_module(f"llm_gateway.protocols.{row.dialects}"), row.dialect),
        client=HttpClient(
            server.url if server is not None else row.base_url,
            ca_file=provider.tls.ca_file,
            cert_file=provider.tls.cert_file,
            key_file=provider.tls.key_file,
            proxy=provider.proxy.reveal() if provider.proxy is not None else None,
            connect_timeout=provider.timeouts.connect,
            max_connections=provider.limits.concurrency + 8,
        ),
        credential=StaticHeaders(fields=_key_header(row, key)),
        timeouts=timeouts(provider),
        extra_headers=tuple((header, value.reveal()) for header, value in provider.headers.items()),
        settings={
            "api": provider.api,
            "region": provider.region,
            "project": provider.project,
            "location": provider.location,
            "publisher": provider.publisher,
            "api_version": provider.api_version,
            **provider.options,
        },
        price=price,
    )


def timeouts(provider: config.Provider) -> Timeouts:
    limits = provider.timeouts
    return Timeouts(connect=limits.connect, first_event=limits.first_event, idle=limits.idle, attempt=limits.attempt)


def _key_header(row: Row, key: config.ApiKey | None) -> tuple[tuple[str, str], ...]:
    secret = key.key.reveal() if key is not None else ""
    if not secret or row.auth == "none":
        return ()
    return (("authorization", f"Bearer {secret}"),) if row.auth == "bearer" else ((row.auth, secret),)
