"""The ladder of reasoning effort: its levels, the level for a budget, and the nearest level that a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmgateway.v1 import gateway_pb2

WORDS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""By the number of ReasoningConfig.Effort less one."""

BUDGETS: Mapping[str, int] = {
    "minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_768, "max": 49_152,
}  # fmt: skip
"""The budget in tokens for each level, and the largest budget that each level stands for, where a model takes only one of the two
(Claude)."""


def word(config: gateway_pb2.ReasoningConfig) -> str:
    """The effort asked for; "" for none, and for a value unknown to this server."""
    return WORDS[config.effort - 1] if 0 < config.effort <= len(WORDS) else ""


def of_budget(tokens: int, most: Mapping[str, int]) -> str:
    """The first level that covers the budget, else the last. most: weakest first."""
    return next((name for name, tokens_ in most.items() if tokens <= tokens_), [*most][-1])


def nearest(wanted: str, taken: Sequence[str], *, ties: int = 1) -> str:
    """The nearest level that is taken; of two equally near the stronger, with ties=-1 the weaker. Nothing else is replaced by "none"."""
    if wanted in taken:
        return wanted
    rank = WORDS.index(wanted)
    choices = [name for name in taken if name != "none"] or taken
    return min(choices, key=lambda name: (abs(WORDS.index(name) - rank), -ties * WORDS.index(name)))
