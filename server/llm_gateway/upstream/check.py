"""Whether providers answer: asks each for its models, which shows the key to be good and costs no tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from llm_gateway import config
from llm_gateway.errors import GatewayError
from llm_gateway.providers.plugins import row as row_of
from llm_gateway.upstream.build import resolved_name, upstream
from llm_gateway.upstream.http import SHARED, Address, one_family

Key = Literal["accepted", "rejected", "not checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one address and key of a provider answered.

    reason, problem: of the failure; "" when all is well. models: how many are listed. missing: configured models that are not among them; such
    lists need not name deployments and aliases, so this is no failure. seconds: to the whole list.
    """

    provider: str
    endpoint: str
    reason: str = ""
    problem: str = ""
    models: int = 0
    missing: tuple[str, ...] = ()
    key: Key = "not checked"
    seconds: float = 0.0


async def check(providers: Mapping[str, config.Provider]) -> list[Answered]:
    """One for each address and key, in the order of the configuration; all are asked at once."""
    asked = [
        _check_all(name, provider, server, key)
        for name, provider in providers.items()
        for server in provider.servers or (None,)
        for key in provider.keys or (None,)
    ]
    return [one for found in await asyncio.gather(*asked) for one in found]


async def _check_all(
    name: str, provider: config.Provider, server: config.Endpoint | None, key: config.ApiKey | None
) -> list[Answered]:
    """One for each of the name's addresses, where they are endpoints of their own."""
    addresses: tuple[Address | None, ...] = ()
    if host := resolved_name(provider, server):
        with suppress(OSError, UnicodeError):  # the request by name then says what is wrong
            addresses = one_family(await SHARED.addresses(host))
    return await asyncio.gather(*(_check(name, provider, server, key, address) for address in addresses or (None,)))


async def _check(
    name: str,
    provider: config.Provider,
    server: config.Endpoint | None,
    key: config.ApiKey | None,
    address: Address | None,
) -> Answered:
    several = len(provider.servers) > 1 or len(provider.keys) > 1
    labels = [(server.region or server.url) if server else "", key.name if key else ""] if several else []
    endpoint = " ".join(filter(None, (*labels, address[1] if address else "")))
    started = monotonic()
    one = upstream(name, provider, server, key, None, address=address)
    try:
        listed = {model.model_id for model in await one.list_models()}
    except GatewayError as error:
        return Answered(
            provider=name,
            endpoint=endpoint,
            reason=error.reason,
            problem=error.message,
            key="rejected" if error.reason == "PROVIDER_CREDENTIALS_REJECTED" else "not checked",
            seconds=monotonic() - started,
        )
    finally:
        await one.aclose()
    row = row_of(provider.kind)
    used = (*(provider.models or ()), *((provider.default_model,) if provider.default_model else ()))
    return Answered(
        provider=name,
        endpoint=endpoint,
        models=len(listed),
        missing=tuple(model for model in dict.fromkeys(used) if model not in listed),
        key="accepted" if (key or row.identity) and not row.open_list else "not checked",
        seconds=monotonic() - started,
    )
