"""Usage, citations and media in the servers' spellings."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from llmgateway.v1 import content_pb2, gateway_pb2, usage_pb2

from llm_gateway.protocols import json
from llm_gateway.protocols.media import MODALITIES

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

_Wire = dict[str, Any]


def number(*values: Any) -> int | None:
    """The first that is a count."""
    for value in values:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1 << 53:
            return int(value)
    return None


_COSTS = frozenset({"cost", "cost_in_usd_ticks", "estimated_cost", "is_byok"})


def read_usage(raw: Any, given: str = "prompt", written: str = "completion") -> usage_pb2.Usage | None:
    """Usage in any of the servers' spellings; None when it counts nothing. given, written: the format's words for what the model read and wrote.

    prompt_tokens include what was cached. completion_tokens include reasoning, except at xAI, which counts it separately: the total
    tells (docs.x.ai, Chat Completions).
    """
    if not isinstance(raw, dict):
        return None
    read, wrote = number(raw.get(f"{given}_tokens")), number(raw.get(f"{written}_tokens"))
    if read is None and wrote is None:
        return None
    usage = usage_pb2.Usage(input_tokens=read or 0, output_tokens=wrote or 0)
    reasoning = number(raw.get("reasoning_tokens"))
    kept = number(raw.get("prompt_cache_hit_tokens"), raw.get("num_cached_tokens"), raw.get("cached_tokens"))
    inputs = raw.get(f"{given}_tokens_details")
    if inputs and isinstance(inputs, dict):
        kept = number(inputs.get("cached_tokens"), kept)
        cached = number(inputs.get("cache_write_tokens"), inputs.get("cache_creation_tokens"))
        if cached is not None:
            usage.cache_write_input_tokens = cached
        _by_modality(inputs, usage.input_by_modality)
    outputs = raw.get(f"{written}_tokens_details")
    if outputs and isinstance(outputs, dict):
        reasoning = number(outputs.get("reasoning_tokens"), reasoning)
        _by_modality(outputs, usage.output_by_modality)
    if reasoning is not None:
        if reasoning and number(raw.get("total_tokens")) == usage.input_tokens + usage.output_tokens + reasoning:
            usage.output_tokens += reasoning
        usage.reasoning_output_tokens = reasoning
    if kept is not None:
        usage.cache_read_input_tokens = kept
    cost = reported_cost(raw)
    if cost is not None:
        usage.provider_cost_nano_usd = cost
    return usage


def _by_modality(details: _Wire, counts: RepeatedCompositeFieldContainer[usage_pb2.ModalityTokens]) -> None:
    for word, modality in MODALITIES.items():
        tokens = number(details.get(f"{word}_tokens"))
        if tokens:
            counts.add(modality=modality, tokens=tokens)


def reported_cost(raw: _Wire) -> int | None:
    """The cost that a usage reports, in 1e-9 USD: xAI in ticks of 1e-10 USD, OpenRouter, LiteLLM (`cost`), Perplexity
    (`cost.total_cost`) and DeepInfra (`estimated_cost`) in USD; None if it reports none.

    With your own key at OpenRouter (`is_byok`) `cost` is OpenRouter's fee alone, and the provider behind it charges
    `cost_details.upstream_inference_cost` in addition; otherwise that is part of `cost`.
    """
    if not raw.keys() & _COSTS:
        return None
    ticks = number(raw.get("cost_in_usd_ticks"))
    if ticks is not None:
        return round(ticks / 10)
    cost = raw.get("cost", raw.get("estimated_cost"))
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    details = raw.get("cost_details")
    if raw.get("is_byok") is True and isinstance(details, dict):
        charged = _usd(details.get("upstream_inference_cost"))
        if charged is not None:
            return round(((_usd(cost) or 0) + charged) * 1e9)
    dollars = _usd(cost)
    return None if dollars is None else round(dollars * 1e9)


def _usd(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e6 else None


def citation_of(annotation: Any) -> content_pb2.Citation | None:
    """url_citation (OpenAI, OpenRouter) and reference (Mistral); None for other annotations."""
    if not isinstance(annotation, dict):
        return None
    kind = annotation.get("type")
    citation = content_pb2.Citation(provider_json=json.text(annotation))
    if kind == "reference":
        citation.source_id = ",".join(str(reference) for reference in annotation.get("reference_ids") or ())
        return citation
    source = annotation.get("url_citation")
    if kind != "url_citation" or not isinstance(source, dict):
        return None
    citation.uri = str(source.get("url") or "")
    citation.title = str(source.get("title") or "")
    citation.cited_text = str(source.get("content") or "")
    citation.start_index = min(number(source.get("start_index")) or 0, 2**31 - 1)
    citation.end_index = min(number(source.get("end_index")) or 0, 2**31 - 1)
    return citation


def ratings(filters: _Wire, metadata: _Wire) -> list[gateway_pb2.SafetyRating]:
    """Azure's content filter results; what a rating has no field for goes to `metadata`."""
    found = []
    for category, result in filters.items():
        if (
            isinstance(result, dict)
            and isinstance(result.get("filtered"), bool)
            and result.keys() <= {"filtered", "severity", "detected"}
        ):
            level = result.get("severity") or ("detected" if result.get("detected") else "")
            found.append(gateway_pb2.SafetyRating(category=category, level=str(level), blocked=result["filtered"]))
        else:
            metadata.setdefault("content_filter_results", {})[category] = result
    return found


def decoded(data: Any) -> bytes:
    """base64, with or without padding; nothing for anything else."""
    if not isinstance(data, str):
        return b""
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4))
    except ValueError:
        return b""


def sound(data: bytes) -> str:
    """The media type by the first bytes; streams of OpenAI are bare samples."""
    for start, kind in (
        (b"RIFF", "audio/wav"),
        (b"ID3", "audio/mpeg"),
        (b"fLaC", "audio/flac"),
        (b"OggS", "audio/ogg"),
    ):
        if data.startswith(start):
            return kind
    return "audio/mpeg" if data[:1] == b"\xff" and data[1:2] >= b"\xe0" else "audio/pcm"
