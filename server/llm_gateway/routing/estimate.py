"""What a request would cost at each model that may serve it. Calls nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_gateway.catalogue.pricing.rates import tier
from llm_gateway.routing.explain import request_for
from llm_gateway.routing.needs import OUTPUT_GUESS, Needs, needs_of
from llm_gateway.routing.table import RoutingTable
from llm_gateway.routing.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """model: `provider/model`. cost_nano_usd: None where the price is unknown. price_id: the row of the price list."""

    model: str
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int | None
    price_id: str | None


def estimate(
    table: RoutingTable,
    model: str,
    *,
    text: str = "",
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    asked: bool = False,
) -> Sequence[Estimate]:
    """By its text, or by its tokens where these are given. Raises what RoutingTable.resolve raises."""
    request = request_for(model)
    request.messages[0].parts[0].text.text = text
    route = table.resolve(request, asked=asked)
    needs = Needs(
        input_tokens=needs_of(request).input_tokens if input_tokens is None else input_tokens,
        output_tokens=OUTPUT_GUESS if output_tokens is None else output_tokens,
    )
    targets = {target.label: target for group in route.groups for target in group}
    return [_estimate(target, needs) for target in targets.values()]


def _estimate(target: Target, needs: Needs) -> Estimate:
    rates = target.facts.rates
    return Estimate(
        model=target.label,
        input_tokens=needs.input_tokens,
        output_tokens=needs.output_tokens,
        cost_nano_usd=needs.cost(target.facts),
        price_id=tier(rates, needs.input_tokens).id if rates else None,
    )
