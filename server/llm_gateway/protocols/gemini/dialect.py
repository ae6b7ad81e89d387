"""What differs between the services that speak generateContent, and between the model families behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from llmgateway.v1 import gateway_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Models that behave alike."""

    pattern: str
    """Regular expression that the bare model id begins with."""
    thinking: Literal["level", "budget", "none", "any"]
    """How thinking is set: by thinkingLevel, by thinkingBudget, not at all ("none"), or "any" where the model is not known."""
    levels: tuple[str, ...] = ()
    """thinkingLevel values, weakest first."""
    budget: tuple[int, int] = (0, 24576)
    """Least and most tokens of thinkingBudget."""
    can_stop_thinking: bool = True
    """Budget 0 is allowed."""
    sampling: bool = True
    """temperature, topP and topK have an effect."""
    candidates: bool = True
    """candidateCount may exceed 1."""
    signatures: bool = False
    """The first function call of a turn needs a thought signature, for which the documented stand-in is sent."""
    call_ids: bool = True
    """Function calls carry ids."""
    result_media: bool = True
    """A functionResponse holds media parts."""
    part_resolution: bool = True
    """A media part takes mediaResolution."""
    system: bool = True
    """There is a systemInstruction."""
    prefill: bool = True
    """A request may end with a turn of the model."""
    validated: bool = True
    """The function calling mode VALIDATED is known."""


_ALL_LEVELS = ("minimal", "low", "medium", "high")

FAMILIES: tuple[Family, ...] = (
    Family(
        pattern=r"gemini-3\.5-flash-lite",
        thinking="level",
        levels=_ALL_LEVELS,
        sampling=False,
        candidates=False,
        signatures=True,
    ),
    Family(
        pattern=r"gemini-3\.6-flash",
        thinking="level",
        levels=_ALL_LEVELS,
        sampling=False,
        candidates=False,
        signatures=True,
        prefill=False,
    ),
    Family(
        pattern=r"gemini-3\.[78]-flash",
        thinking="level",
        levels=("low", "medium", "high"),
        sampling=False,
        candidates=False,
        signatures=True,
        prefill=False,
    ),
    Family(pattern=r"gemini-3-pro-image", thinking="none", candidates=False, signatures=True),
    Family(pattern=r"gemini-3-pro", thinking="level", levels=("low", "high"), candidates=False, signatures=True),
    Family(
        pattern=r"gemini-3[\d.]*-pro",
        thinking="level",
        levels=("low", "medium", "high"),
        candidates=False,
        signatures=True,
    ),
    Family(pattern=r"gemini-3\b", thinking="level", levels=_ALL_LEVELS, candidates=False, signatures=True),
    Family(
        pattern=r"gemini-[4-9]",
        thinking="level",
        levels=("low", "medium", "high"),
        candidates=False,
        signatures=True,
        prefill=False,
    ),
    Family(
        pattern=r"gemini-2\.5-[a-z-]*(?:image|tts)|gemini-2\.0|gemini-1|gemini-pro|gemini-flash-1|learnlm",
        thinking="none",
        call_ids=False,
        result_media=False,
        part_resolution=False,
        validated=False,
    ),
    Family(
        pattern=r"gemini-2\.5-pro",
        thinking="budget",
        budget=(128, 32768),
        can_stop_thinking=False,
        call_ids=False,
        result_media=False,
        part_resolution=False,
    ),
    Family(
        pattern=r"gemini-2\.5-flash-lite",
        thinking="budget",
        budget=(512, 24576),
        call_ids=False,
        result_media=False,
        part_resolution=False,
    ),
    Family(pattern=r"gemini-2\.5", thinking="budget", call_ids=False, result_media=False, part_resolution=False),
    Family(
        pattern=r"gemma-[1-3]",
        thinking="none",
        system=False,
        call_ids=False,
        result_media=False,
        part_resolution=False,
        validated=False,
    ),
)
"""First match wins. A model that matches none is assumed to take whatever it is sent."""

UNKNOWN = Family(pattern="", thinking="any", levels=("minimal", "low", "medium", "high", "xhigh"))

REQUESTED_TIERS = {
    gateway_pb2.SERVICE_TIER_STANDARD: "standard",
    gateway_pb2.SERVICE_TIER_FLEX: "flex",
    gateway_pb2.SERVICE_TIER_PRIORITY: "priority",
}
_COMPILED = tuple((re.compile(family.pattern), family) for family in FAMILIES)


def family_of(model: str) -> Family:
    """The family of a model id; resource prefixes such as `models/` are ignored."""
    bare = model.rsplit("/", 1)[-1].lower()
    for pattern, family in _COMPILED:
        if pattern.match(bare):
            return family
    return UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What differs between the services."""

    version: str = "v1beta"
    """API version, where the settings name none (`api_version`)."""
    parent: str = ""
    """Path before `models/{model}`; `{project}` and `{location}` come from the settings. Without a project the part from `projects/` to
    `publishers/` is left out (Vertex express mode)."""
    models: str = "models"
    """Path of the model list below the version."""
    files: str = "https://generativelanguage.googleapis.com/v1beta/"
    """URI prefix of an uploaded file's name; "" where there is no Files API."""
    tier: Literal["body", "header"] = "body"
    """Where the service tier goes."""
    display_names: bool = False
    """Media parts take a display name."""


GEMINI = Dialect()
