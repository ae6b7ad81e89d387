"""What differs between the services that speak generateContent, and between the model families behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Models that behave alike.

    pattern: regular expression that the bare model id begins with.
    thinking: how thinking is set: by thinkingLevel, by thinkingBudget, not at all ("none"), or "any" where the model is not known.
    levels: thinkingLevel values from the least to the most. budget: least and most tokens of thinkingBudget.
    can_stop_thinking: whether budget 0 is allowed.
    sampling: whether temperature, topP and topK have an effect. candidates: whether candidateCount may exceed 1.
    signatures: what happens to the first function call of a turn that has no thought signature: sent as it is (False), or with the
    documented stand-in, because the model refuses it otherwise (True).
    call_ids: whether function calls carry ids. result_media: whether a functionResponse holds media parts.
    part_resolution: whether a media part takes mediaResolution. system: whether there is a systemInstruction.
    prefill: whether a request may end with a turn of the model. validated: whether the function calling mode VALIDATED is known.
    """

    pattern: str
    thinking: Literal["level", "budget", "none", "any"]
    levels: tuple[str, ...] = ()
    budget: tuple[int, int] = (0, 24576)
    can_stop_thinking: bool = True
    sampling: bool = True
    candidates: bool = True
    signatures: bool = False
    call_ids: bool = True
    result_media: bool = True
    part_resolution: bool = True
    system: bool = True
    prefill: bool = True
    validated: bool = True


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
"""First match wins. A model that matches none is believed to take what it is sent."""

UNKNOWN = Family(pattern="", thinking="any", levels=("minimal", "low", "medium", "high", "xhigh"))

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
    """What differs between the services.

    version: API version, where the settings name none (`api_version`).
    parent: path before `models/{model}`; `{project}` and `{location}` come from the settings. Without a project the part from
    `projects/` to `publishers/` is left out (Vertex express mode).
    models: path of the model list below the version.
    files: URI prefix of an uploaded file's name; "" where there is no Files API.
    tier: where the service tier goes, into the body or into a header.
    display_names: whether media parts take a display name.
    """

    version: str = "v1beta"
    parent: str = ""
    models: str = "models"
    files: str = "https://generativelanguage.googleapis.com/v1beta/"
    tier: Literal["body", "header"] = "body"
    display_names: bool = False


GEMINI = Dialect()
VERTEX = Dialect(
    version="v1beta1",
    parent="projects/{project}/locations/{location}/publishers/google/",
    models="publishers/google/models",
    files="",
    tier="header",
    display_names=True,
)
