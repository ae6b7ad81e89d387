"""What a request needs, what a model can do, and why one does not fit the other."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2

from llm_gateway.catalogue.facts import ModelFacts
from llm_gateway.catalogue.pricing.rates import tier
from llm_gateway.protocols.summary import Summary, summary_of

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text with the tokenizers in use; estimates are only compared, never billed."""
TOKENS_PER_MEDIA = 1000
OUTPUT_GUESS = 500
"""Output tokens assumed where the request sets no limit."""

_MODALITY_NEED = {
    content_pb2.MODALITY_IMAGE: "vision",
    content_pb2.MODALITY_AUDIO: "audio",
    content_pb2.MODALITY_VIDEO: "video",
    content_pb2.MODALITY_DOCUMENT: "documents",
}


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a request needs of a model."""

    implied: frozenset[str] = frozenset()
    """By its content."""
    required: frozenset[str] = frozenset()
    """By the caller's explicit word."""
    specialisations: frozenset[str] = frozenset()
    excluded_providers: frozenset[str] = frozenset()
    local_only: bool = False
    max_cost: int | None = None
    input_tokens: int = 0
    """Estimated, as is the output."""
    output_tokens: int = OUTPUT_GUESS

    def cost(self, facts: ModelFacts) -> int | None:
        """Estimated price in nano-USD; None when the model's price is not known."""
        if not facts.rates:
            return None
        return tier(facts.rates, self.input_tokens).estimate(self.input_tokens, self.output_tokens)

    def unmet(self, provider: str, local: bool, facts: ModelFacts) -> list[str]:
        """Why the model cannot serve, in the words of the contract's skip reasons; [] when it can."""
        why = []
        if provider in self.excluded_providers:
            why.append("PROVIDER_EXCLUDED")
        if self.local_only and not local:
            why.append("NOT_LOCAL")
        why += [
            f"LACKS_{need.upper()}"
            for need in sorted(self.implied | self.required)
            if facts.capabilities.get(need) is False
        ]
        why += [f"UNKNOWN_{need.upper()}" for need in sorted(self.required) if need not in facts.capabilities]
        why += [f"LACKS_SPECIALISATION_{_word(name)}" for name in sorted(self.specialisations - facts.specialisations)]
        if facts.input_limit is not None and self.input_tokens > facts.input_limit:
            why.append("CONTEXT_TOO_SMALL")
        if self.max_cost is not None:
            cost = self.cost(facts)
            if cost is None:
                why.append("PRICE_UNKNOWN")
            elif cost > self.max_cost:
                why.append("TOO_EXPENSIVE")
        return why

    def explicit(self) -> bool:
        """Whether the caller asked for anything beyond what its request implies."""
        return bool(
            self.required
            or self.specialisations
            or self.excluded_providers
            or self.local_only
            or self.max_cost is not None
        )


class Lacks(msgspec.Struct, frozen=True, kw_only=True):
    """What some model of a route is known to lack."""

    capabilities: frozenset[str] = frozenset()
    input_limit: int | None = None
    """The smallest, in tokens."""

    @classmethod
    def of(cls, models: Iterable[ModelFacts]) -> Lacks:
        facts = tuple(models)
        return cls(
            capabilities=frozenset(name for each in facts for name, has in each.capabilities.items() if has is False),
            input_limit=min((each.input_limit for each in facts if each.input_limit is not None), default=None),
        )

    def spare(self, request: gateway_pb2.SendRequest, summary: Summary | None = None, *, stream: bool) -> bool:
        """Whether the request certainly needs none of it. summary: of its conversation, if already made."""
        if self.capabilities and self.capabilities & _asked_for(request, stream):
            return False
        if self.input_limit is None and self.capabilities.isdisjoint(_MODALITY_NEED.values()):
            return True
        held = summary_of(request) if summary is None else summary
        return not held.media and (
            self.input_limit is None or request.ByteSize() // CHARACTERS_PER_TOKEN <= self.input_limit
        )


def needs_of(request: gateway_pb2.SendRequest, summary: Summary | None = None, *, stream: bool = False) -> Needs:
    """What this request needs. summary: of its conversation, if already made. Streaming excludes only models that are known to lack it."""
    held = summary_of(request) if summary is None else summary
    implied = _asked_for(request, stream)
    implied |= {need for modality, need in _MODALITY_NEED.items() if modality in held.modalities}
    characters = held.characters
    for tool in request.tools:
        characters += len(tool.function.description) + len(tool.function.parameters_json_schema)
    policy = request.routing
    return Needs(
        implied=frozenset(implied),
        required=frozenset(_name(capability) for capability in policy.required_capabilities),
        specialisations=frozenset(policy.required_specialisations),
        excluded_providers=frozenset(policy.excluded_providers),
        local_only=policy.local_only,
        max_cost=policy.max_cost_nano_usd if policy.HasField("max_cost_nano_usd") else None,
        input_tokens=characters // CHARACTERS_PER_TOKEN + held.media * TOKENS_PER_MEDIA,
        output_tokens=request.generation_config.max_output_tokens or OUTPUT_GUESS,
    )


def _asked_for(request: gateway_pb2.SendRequest, stream: bool) -> set[str]:
    """Needs implied by everything except the messages."""
    needs = {"streaming"} if stream else set()
    for tool in request.tools:
        needs.add("provider_tools" if tool.HasField("provider_tool") else "tools")
    if request.tools and request.tool_config.parallel_tool_calls:
        needs.add("parallel_tools")
    if request.output_format.HasField("json_schema"):
        needs.add("json_schema")
    reasoning = request.reasoning
    if reasoning.effort > gateway_pb2.ReasoningConfig.EFFORT_NONE or reasoning.budget_tokens > 0:
        needs.add("reasoning")
    config = request.generation_config
    if config.logprobs:
        needs.add("logprobs")
    if config.candidate_count > 1:
        needs.add("candidates")
    return needs


def _word(name: str) -> str:
    """A caller's name, as it may stand in a reason."""
    return re.sub(r"[^A-Z0-9]+", "_", name.upper())[:64]


def _name(capability: model_pb2.ModelCapability.ValueType) -> str:
    try:
        return model_pb2.ModelCapability.Name(capability).removeprefix("MODEL_CAPABILITY_").lower()
    except ValueError:
        return f"capability_{capability}"
