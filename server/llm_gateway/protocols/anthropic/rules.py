"""What each Claude model takes, as data.

Sources: the model pages and migration guides of the Claude API documentation (adaptive thinking, effort, prefill, sampling and
forced tool choice by model) and the `capabilities` of its model list. They hold for a model wherever it is served.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_TO_HIGH = ("low", "medium", "high")
_TO_MAX = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Limits of one model. The defaults are those of an unknown model: everything is passed on."""

    thinking: frozenset[str] = frozenset({"adaptive", "enabled", "disabled"})
    """`thinking.type` values that are accepted."""
    thinks: bool = False
    """It thinks when `thinking` is left out."""
    effort: tuple[str, ...] = _TO_MAX
    """Accepted `output_config.effort` values, weakest first."""
    sampling: bool = True
    """It takes temperature, top_p, top_k."""
    one_of_two: bool = False
    """It takes temperature or top_p but not both."""
    forced: bool = True
    """It takes tool_choice any and tool."""
    prefill: bool = True
    """It continues a last assistant turn."""
    structured: bool = True
    """It answers by a JSON schema."""
    system_turns: bool = False
    """It takes system messages in mid-conversation."""
    own_images: bool = False
    """It takes images in turns of the model."""
    max_output: int = 32_000
    """Most output tokens."""


UNKNOWN = Rules()

_MANUAL = frozenset({"enabled", "disabled"})
_BOTH = frozenset({"adaptive", "enabled", "disabled"})
_ADAPTIVE = frozenset({"adaptive", "disabled"})
_ALWAYS = frozenset({"adaptive"})

_3 = Rules(thinking=frozenset(), effort=(), structured=False, max_output=4_096)
_3_5 = Rules(thinking=frozenset(), effort=(), structured=False, max_output=8_192)
_4 = Rules(thinking=_MANUAL, effort=(), structured=False, max_output=64_000)
_4_OPUS = Rules(thinking=_MANUAL, effort=(), structured=False, max_output=32_000)
_4_1 = Rules(thinking=_MANUAL, effort=(), one_of_two=True, max_output=32_000)
_4_5 = Rules(thinking=_MANUAL, effort=(), one_of_two=True, max_output=64_000)
_4_5_OPUS = Rules(thinking=_MANUAL, effort=_TO_HIGH, one_of_two=True, max_output=64_000)
_4_6 = Rules(thinking=_BOTH, effort=(*_TO_HIGH, "max"), one_of_two=True, prefill=False, max_output=128_000)
_4_7 = Rules(thinking=_ADAPTIVE, sampling=False, prefill=False, max_output=128_000)
_4_8 = Rules(thinking=_ADAPTIVE, sampling=False, prefill=False, system_turns=True, max_output=128_000)
_5 = Rules(thinking=_ADAPTIVE, thinks=True, sampling=False, prefill=False, system_turns=True, max_output=128_000)
_5_ALWAYS = Rules(thinking=_ALWAYS, thinks=True, sampling=False, prefill=False, system_turns=True, max_output=128_000)
_5_5_OPUS = Rules(
    thinking=_ALWAYS, thinks=True, sampling=False, forced=False, prefill=False, system_turns=True, max_output=128_000
)
_5_5_SONNET = Rules(
    thinking=frozenset({"adaptive", "between_tools"}),
    thinks=True,
    sampling=False,
    forced=False,
    prefill=False,
    system_turns=True,
    max_output=128_000,
)

# A model that is not listed follows the newest one before it in its family.
BY_MODEL: dict[str, dict[tuple[int, int], Rules]] = {
    "haiku": {(3, 0): _3, (3, 5): _3_5, (4, 5): _4_5, (5, 5): _5},
    "sonnet": {
        (3, 0): _3, (3, 5): _3_5, (3, 7): _4, (4, 0): _4, (4, 5): _4_5, (4, 6): _4_6, (5, 0): _5, (5, 5): _5_5_SONNET,
    },
    "opus": {
        (3, 0): _3, (4, 0): _4_OPUS, (4, 1): _4_1, (4, 5): _4_5_OPUS, (4, 6): _4_6, (4, 7): _4_7, (4, 8): _4_8, (5, 0): _5, (5, 5): _5_5_OPUS,
    },
    "fable": {(5, 0): _5_ALWAYS, (5, 1): _5_5_OPUS},
    "mythos": {(5, 0): _5_ALWAYS, (5, 1): _5_5_OPUS},
}  # fmt: skip

_VERSION = r"(\d)(?:[-.](\d{1,2})(?!\d))?"
_MODEL = re.compile(
    rf"claude-(?:(haiku|sonnet|opus|fable|mythos)-{_VERSION}|{_VERSION}-(haiku|sonnet|opus))(?!\d)", re.IGNORECASE
)


@lru_cache(maxsize=512)
def rules_of(model: str, unknown: Rules = UNKNOWN) -> Rules:
    """Rules of a model by its id, in any platform's spelling (`us.anthropic.claude-opus-4-6-v1:0`, `claude-3-7-sonnet@20250219`);
    `unknown` for models other than Claude."""
    found = _MODEL.search(model)
    if found is None:
        return unknown
    family = (found[1] or found[6]).lower()
    version = (int(found[2] or found[4]), int(found[3] or found[5] or 0))
    known = BY_MODEL[family]
    return known[max((listed for listed in known if listed <= version), default=min(known))]
