"""The sum of what several attempts used."""

from __future__ import annotations

from collections.abc import Sequence

from llmgateway.v1 import usage_pb2

_COUNTS = ("input_tokens", "output_tokens", "total_tokens")
_DETAILS = (
    "cache_read_input_tokens",
    "cache_write_input_tokens",
    "reasoning_output_tokens",
    "tool_use_input_tokens",
)
_COSTS = ("cost_nano_usd", "provider_cost_nano_usd")
_BY_MODALITY = ("input_by_modality", "output_by_modality", "cache_read_by_modality")


def total_usage(usages: Sequence[usage_pb2.Usage]) -> usage_pb2.Usage:
    """The sum. It has a cost only if each of them has one: with an unknown part the whole is unknown. price_id is that of all, or ""."""
    total = usage_pb2.Usage(estimated=any(usage.estimated for usage in usages))
    for name in _COUNTS:
        setattr(total, name, sum(getattr(usage, name) for usage in usages))
    for name in _DETAILS:
        told = [getattr(usage, name) for usage in usages if usage.HasField(name)]  # type: ignore[arg-type]  # a name of the above
        if told:
            setattr(total, name, sum(told))
    for name in _COSTS:
        if all(usage.HasField(name) for usage in usages):  # type: ignore[arg-type]  # a name of the above
            setattr(total, name, sum(getattr(usage, name) for usage in usages))
    for name in _BY_MODALITY:
        tokens: dict[int, int] = {}
        for usage in usages:
            for one in getattr(usage, name):
                tokens[one.modality] = tokens.get(one.modality, 0) + one.tokens
        for modality, count in tokens.items():
            getattr(total, name).add(modality=modality, tokens=count)
    kept: dict[int, int] = {}
    for usage in usages:
        for written in usage.cache_write_by_ttl:
            kept[written.ttl.seconds] = kept.get(written.ttl.seconds, 0) + written.tokens
        for tool, uses in usage.provider_tool_uses.items():
            total.provider_tool_uses[tool] += uses
    for seconds, count in kept.items():
        total.cache_write_by_ttl.add(tokens=count).ttl.seconds = seconds
    prices = {usage.price_id for usage in usages}
    if len(prices) == 1:
        total.price_id = prices.pop()
    return total
