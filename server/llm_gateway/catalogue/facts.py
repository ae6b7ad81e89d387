"""What is known of a model, and what a provider's own list says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_gateway.catalogue.pricing.rates import Rates
from llm_gateway.errors import GatewayError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of a model. None and absent keys mean unknown, and what is unknown excludes nothing."""

    input_limit: int | None = None
    output_limit: int | None = None
    capabilities: Mapping[str, bool] = field(default_factory=dict)
    """Need (tools, parallel_tools, json_schema, reasoning, prompt_caching, logprobs, provider_tools, candidates, streaming, vision, audio, video,
    documents) → has it."""
    specialisations: frozenset[str] = frozenset()
    rates: tuple[Rates, ...] = ()
    """What it costs, one for each tier of input; () is unknown."""
    score: float = 0.0
    """How good the model is in general, set by the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a provider's own model list says about names."""

    models: tuple[str, ...] = ()
    """Ids of those that chat."""
    names: frozenset[str] = frozenset()
    """Every name that the list knows: ids, with and without a date, and aliases."""
    chosen: str = ""
    """The model for calls that name none: the only one, else the first that is loaded, else ""."""
    error: GatewayError | None = None
    """Why there is no list."""


NOTHING_LISTED = Listing()
