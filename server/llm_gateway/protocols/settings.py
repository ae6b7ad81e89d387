"""Settings of a request that a format has no field for, as a table: path and why, in the order of the warnings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.protocols.wire import Rendering

NEUTRAL: Mapping[str, Any] = {
    "temperature": 1, "top_p": 1, "min_p": 0, "frequency_penalty": 0, "presence_penalty": 0, "repetition_penalty": 1, "candidate_count": 1,
    "logprobs": False, "top_logprobs": 0,
}  # fmt: skip
"""Values of GenerationConfig that ask for the default behaviour, so that nothing is lost without them."""

_USUAL_TIERS = (gateway_pb2.SERVICE_TIER_AUTO, gateway_pb2.SERVICE_TIER_STANDARD)
_GROUPS = ("generation_config", "cache_config")


def matters(name: str, value: Any, neutral: Mapping[str, Any] = NEUTRAL) -> bool:
    """Whether leaving a set field of GenerationConfig out changes anything."""
    if name == "output_modalities":
        return any(modality != content_pb2.MODALITY_TEXT for modality in value)
    if name == "service_tier":
        return value not in _USUAL_TIERS
    return bool(value != neutral.get(name))


def note(
    rendering: Rendering,
    lacks: Mapping[str, str],
    neutral: Mapping[str, Any] = NEUTRAL,
    *,
    placed: Collection[str] = (),
) -> None:
    """Warn of what the request asks for and the format lacks. lacks: by path below SendRequest. neutral: values that ask for nothing.
    placed: paths that are carried this time."""
    asked = set()
    for field, value in rendering.request.ListFields():
        name = field.name
        if name not in _GROUPS:
            asked.add(name)
            continue
        for inner, setting in value.ListFields():
            if name == "cache_config" or matters(inner.name, setting, neutral):
                asked |= {name, f"{name}.{inner.name}"}
    for path, why in lacks.items():
        if path in asked and path not in placed:
            rendering.notes.dropped(path, why)
