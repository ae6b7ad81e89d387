"""Prices: the rates of a model of a configured provider, and the cost of a usage."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from llmgateway.v1 import gateway_pb2, model_pb2, usage_pb2

from llm_gateway import config
from llm_gateway.catalogue.pricing.pricelist import PriceList, Steps, tiers
from llm_gateway.catalogue.pricing.rates import Rates, tier
from llm_gateway.providers.plugins import row
from llm_gateway.telemetry import logs

if TYPE_CHECKING:
    from llm_gateway.protocols.events import EventWriter

DIVERGENCE = 0.01
"""Relative difference between our cost and the provider's above which it is logged."""
MOST_KEPT = 10_000

_TIERS: Mapping[gateway_pb2.ServiceTier.ValueType, str] = {
    gateway_pb2.SERVICE_TIER_STANDARD: "default",
    gateway_pb2.SERVICE_TIER_FLEX: "flex",
    gateway_pb2.SERVICE_TIER_PRIORITY: "priority",
}

_FREE: Mapping[str, Steps] = {"input_tokens": ((-1, 0),), "output_tokens": ((-1, 0),)}
_Key = tuple[str, str, str, gateway_pb2.ServiceTier.ValueType, bool]


class Prices:
    """The operator's prices override the list's, rate by rate; models on the operator's own machines cost nothing.

    An unknown price stays unset, and is logged once per model.
    """

    def __init__(
        self,
        providers: Mapping[str, config.Provider],
        *,
        local: Collection[str] = (),
        pricelist: PriceList | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """local: ids of the providers that run on the operator's machines. clock: Unix time."""
        self._providers = providers
        self._local = local
        self._clock = clock
        self._list = pricelist
        self._kept: dict[_Key, tuple[tuple[Rates, ...], float]] = {}
        self._told: set[tuple[str, str, str]] = set()

    @property
    def pricelist(self) -> PriceList | None:
        """The list in use; None until there is one."""
        return self._list

    @pricelist.setter
    def pricelist(self, new: PriceList) -> None:
        self._list = new
        self._kept.clear()

    def lists(self) -> frozenset[str]:
        """The lists that these providers need; empty when none of them is billed."""
        found = (row(provider.kind).prices for name, provider in self._providers.items() if not self._free(name))
        return frozenset(filter(None, found))

    def rates(
        self,
        provider: str,
        model: str,
        *,
        served: str = "",
        service_tier: gateway_pb2.ServiceTier.ValueType = gateway_pb2.SERVICE_TIER_UNSPECIFIED,
        fast: bool = False,
    ) -> tuple[Rates, ...]:
        """The rates of a model, one for each tier of input; () when its price is not known.

        served: the model that the provider says it used. fast: Claude's fast mode.
        """
        key = (provider, model, served, service_tier, fast)
        now = self._clock()
        found, until = self._kept.get(key, ((), -1.0))
        if now < until:
            return found
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        found, until = self._kept[key] = self._chosen(key, now)
        return found

    def pricing(self, provider: str, model: str) -> model_pb2.ModelPricing | None:
        """What a model costs without tiers, for model lists; None when it is not known."""
        known = self.rates(provider, model)
        if not known:
            return None
        base = known[0]
        pricing = model_pb2.ModelPricing(input_nano_usd_per_million=base.input, output_nano_usd_per_million=base.output)
        if base.reads_cache:
            pricing.cache_read_nano_usd_per_million = base.cache_read
        if base.writes_cache:
            pricing.cache_write_nano_usd_per_million = base.cache_write
        return pricing

    def set_by_operator(self, provider: str, model: str) -> bool:
        """Whether the operator decides: by a configured price, or because the provider runs on the operator's own machines."""
        prices = self._providers[provider].prices
        return self._free(provider) or model in prices or "*" in prices

    def context(self, provider: str, model: str) -> int | None:
        """The model's context window in tokens by the list."""
        name = row(self._providers[provider].kind).prices
        found = self._list.find(name, model) if self._list is not None and name else None
        return found[1].context if found is not None else None

    def add_cost(self, provider: str, model: str, usage: usage_pb2.Usage, writer: EventWriter) -> None:
        """Put cost and price id into a usage, where the price is known."""
        counted = writer.metadata.get("usage")
        fast = isinstance(counted, dict) and counted.get("speed") == "fast"
        known = self.rates(provider, model, served=writer.response_model, service_tier=writer.service_tier, fast=fast)
        if not known:
            if self._list is not None or not row(self._providers[provider].kind).prices:
                self._tell("price unknown", provider, model)
            return
        chosen = known[0] if len(known) == 1 else tier(known, usage.input_tokens)
        cost = chosen.cost(usage)
        if cost is None:
            self._tell("usage cannot be priced", provider, model)
            return
        usage.cost_nano_usd = cost
        usage.price_id = chosen.id
        if usage.HasField("provider_cost_nano_usd"):
            theirs = usage.provider_cost_nano_usd
            if abs(theirs - cost) > DIVERGENCE * max(theirs, cost):
                self._tell(
                    "cost differs from the provider's", provider, model, ours=cost, theirs=theirs, price=chosen.id
                )

    def _free(self, provider: str) -> bool:
        return provider in self._local and not row(self._providers[provider].kind).billed

    def _chosen(self, key: _Key, now: float) -> tuple[tuple[Rates, ...], float]:
        provider, model, served, service_tier, fast = key
        settings = self._providers[provider]
        kind = row(settings.kind)
        price, rates, until = "", dict[str, Steps](), math.inf
        if self._free(provider):
            price, rates = "local", dict(_FREE)
        elif self._list is not None and kind.prices:
            circumstances = {"speed": "fast"} if fast else {}
            if service_tier in _TIERS:
                circumstances["service_tier"] = _TIERS[service_tier]
            names = (served, model) if kind.deployments else (model, served)
            for name in filter(None, names):
                found = self._list.price(kind.prices, name.removeprefix("models/"), circumstances, now)
                if found is not None:
                    price, rates, until = found[0], dict(found[1]), found[2]
                    break
        configured = settings.prices.get(model) or settings.prices.get("*")
        if configured is not None:
            own = f"config:{provider}:{model if model in settings.prices else '*'}"
            price, rates = f"{own}+{price}" if price else own, {**rates, **_steps(configured)}
        return (tiers(price, rates) if rates else ()), until

    def _tell(self, what: str, provider: str, model: str, **more: object) -> None:
        if (what, provider, model) not in self._told and len(self._told) < MOST_KEPT:
            self._told.add((what, provider, model))
            logs.log().warning(what, provider=provider, model=model[:200], **more)


def _steps(price: config.ModelPrice) -> dict[str, Steps]:
    """The operator's rates, the same for requests of any length."""
    given = {
        "input_tokens": price.input,
        "output_tokens": price.output,
        "cache_read_tokens": price.cache_read,
        "cache_write_tokens": price.cache_write,
        "cache_write_1h_tokens": price.cache_write,
    }
    return {key: ((-1, rate),) for key, rate in given.items() if rate is not None}
