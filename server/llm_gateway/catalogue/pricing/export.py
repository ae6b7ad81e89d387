"""Writes genai-prices' price lists as JSON to standard output; arguments are provider ids of genai-prices.

Runs in a process of its own (`python -m llm_gateway.catalogue.pricing.export`), because importing the package takes half a second, pydantic, an
HTTP client and some 30 MB, and the gateway needs a few hundred rows of integers. Nothing here opens a connection: the list is the one
in the installed package. What is written is described by the structs of `pricelist`.
"""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

_COUNTED = frozenset({
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens",
    "output_reasoning_tokens", "input_audio_tokens", "cache_audio_read_tokens", "output_audio_tokens", "input_image_tokens",
    "cache_image_read_tokens", "output_image_tokens", "input_video_tokens", "cache_video_read_tokens", "output_video_tokens", "requests",
    "web_searches", "storage_searches", "social_searches", "code_executions",
})  # fmt: skip
"""Usage keys of genai-prices that a Usage of the contract counts; prices of hours, pages and characters are left out."""


def price_lists(providers: Iterable[str]) -> dict[str, Any]:
    """The price lists of these providers, and of those that they fall back to. Ids that genai-prices does not have are left out.

    Raises ImportError when genai-prices is not installed.
    """
    from genai_prices import __version__
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.data_units import unit_data

    # A price is USD for `per` units; rates are nano-USD for a million of them.
    scales = {unit["price_key"]: (key, 10**15 // unit["per"]) for key, unit in unit_data.items() if key in _COUNTED}
    known = {provider.id: provider for provider in get_snapshot().providers}
    wanted = [name for name in dict.fromkeys(providers) if name in known]
    wanted += [other for name in wanted for other in known[name].fallback_model_providers or () if other in known]
    return {
        "source": f"genai-prices-{__version__}",
        "lists": {
            name: {
                "rows": [_row(model, scales) for model in known[name].models],
                "fallback": known[name].fallback_model_providers or [],
            }
            for name in dict.fromkeys(wanted)
        },
    }


def _row(model: Any, scales: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
    prices = model.prices if isinstance(model.prices, list) else None
    row = {
        "id": model.id,
        "match": _clause(model.match),
        "prices": [_price(one.prices, one.constraint, scales) for one in prices]
        if prices is not None
        else [_price(model.prices, None, scales)],
    }
    if model.context_window:
        row["context"] = model.context_window
    if model.price_variants:
        row["variants"] = [
            {**_price(variant.prices, variant.constraint, scales), "when": variant.when}
            for variant in model.price_variants
        ]
    return row


def _price(price: Any, constraint: Any, scales: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
    rates: dict[str, list[tuple[int, int]]] = {}
    for name, value in vars(price).items():
        if value is None or name not in scales:
            continue
        key, scale = scales[name]
        base = getattr(value, "base", value)
        rates[key] = [(-1, round(base * scale))]  # -1: a request without input is in the first tier too
        rates[key] += [(tier.start, round(tier.price * scale)) for tier in getattr(value, "tiers", ())]
    found: dict[str, Any] = {"rates": rates}
    if hasattr(constraint, "start_date"):
        found["since"] = constraint.start_date.isoformat()
    elif constraint is not None:
        found["daily"] = (_second(constraint.start_time), _second(constraint.end_time))
    return found


def _second(time: datetime.time) -> int:
    """Second of the day in UTC."""
    if time.tzinfo is not None:
        time = datetime.datetime.combine(datetime.date(2000, 1, 2), time).astimezone(datetime.UTC).time()
    return (time.hour * 60 + time.minute) * 60 + time.second


def _clause(clause: Any) -> list[Any]:
    """["equals", text], or another test of `pricelist`; "or" and "and" are followed by clauses."""
    ((name, value),) = vars(clause).items()
    name = name.removesuffix("_")
    return [name, *map(_clause, value)] if isinstance(value, list) else [name, value]


def main(providers: list[str]) -> int:
    """Exit code 0, or 3 when genai-prices is not installed."""
    try:
        lists = price_lists(providers)
    except ImportError:
        return 3
    json.dump(lists, sys.stdout, separators=(",", ":"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
