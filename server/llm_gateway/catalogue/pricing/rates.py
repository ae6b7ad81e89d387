"""Rates: what a million tokens of each kind cost, and the cost of a usage. Integers only; nothing is rounded but the sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from llmgateway.v1 import content_pb2, usage_pb2

MILLION = 1_000_000
LONG_TTL = 3600
"""Cache writes kept for this many seconds, or longer, have their own rate."""

TOOLS: Mapping[str, str] = {
    "web_search": "web_searches",
    "file_search": "storage_searches",
    "x_search": "social_searches",
    "code_execution": "code_executions",
    "code_interpreter": "code_executions",
}
"""Provider tool, as Usage.provider_tool_uses names it, to the key of its price."""
_MODALITIES = (
    (content_pb2.MODALITY_AUDIO, "audio"),
    (content_pb2.MODALITY_IMAGE, "image"),
    (content_pb2.MODALITY_VIDEO, "video"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityRates:
    """Rates of one modality where they differ from those of text."""

    modality: content_pb2.Modality.ValueType
    input: int
    cache_read: int
    output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Nano-USD for a million tokens of each kind, for requests with more than `above` input tokens.

    id: names the price, for Usage.price_id. input, output: None is unknown. A kind without a rate of its own has the rate of what it is
    part of, as on the providers' price pages: cache reads and writes that of input, reasoning that of output. reads_cache, writes_cache:
    whether the cache has rates of its own. request, tools: for a million requests and uses.
    """

    id: str
    above: int = -1
    input: int | None = None
    output: int | None = None
    cache_read: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    reasoning: int = 0
    modalities: tuple[ModalityRates, ...] = ()
    request: int = 0
    tools: Mapping[str, int] = field(default_factory=dict)
    reads_cache: bool = False
    writes_cache: bool = False

    @classmethod
    def of(cls, price_id: str, above: int, rates: Mapping[str, int]) -> Rates:
        """From rates by usage key of genai-prices."""
        given, written = rates.get("input_tokens"), rates.get("output_tokens")
        text_in, text_out = given or 0, written or 0
        read = rates.get("cache_read_tokens", text_in)
        short = rates.get("cache_write_5m_tokens", rates.get("cache_write_tokens", text_in))
        modalities = []
        for modality, name in _MODALITIES:
            keys = (f"input_{name}_tokens", f"cache_{name}_read_tokens", f"output_{name}_tokens")
            if not rates.keys().isdisjoint(keys):
                uncached = rates.get(keys[0], text_in)
                modalities.append(
                    ModalityRates(
                        modality=modality,
                        input=uncached,
                        cache_read=rates.get(keys[1], rates.get("cache_read_tokens", uncached)),
                        output=rates.get(keys[2], text_out),
                    )
                )
        return cls(
            id=price_id,
            above=above,
            input=given,
            output=written,
            cache_read=read,
            cache_write=short,
            cache_write_long=rates.get("cache_write_1h_tokens", rates.get("cache_write_tokens", text_in)),
            reasoning=rates.get("output_reasoning_tokens", text_out),
            modalities=tuple(modalities),
            request=rates.get("requests", 0),
            tools={tool: rates[key] for tool, key in TOOLS.items() if key in rates},
            reads_cache="cache_read_tokens" in rates,
            writes_cache="cache_write_tokens" in rates or "cache_write_5m_tokens" in rates,
        )

    def cost(self, usage: usage_pb2.Usage) -> int | None:
        """Nano-USD of a usage; None where a rate is unknown, or the parts exceed their total: nothing is guessed."""
        total, written_out = usage.input_tokens, usage.output_tokens
        rate_in, rate_out = self.input, self.output
        if rate_in is None:
            if total:
                return None
            rate_in = 0
        if rate_out is None:
            if written_out:
                return None
            rate_out = 0
        read, written = usage.cache_read_input_tokens, usage.cache_write_input_tokens
        fresh = total - read - written
        sum_ = self.request + read * self.cache_read + written * self.cache_write + written_out * rate_out
        if written:
            kept_long = sum(kept.tokens for kept in usage.cache_write_by_ttl if kept.ttl.seconds >= LONG_TTL)
            if kept_long > written:
                return None
            sum_ += kept_long * (self.cache_write_long - self.cache_write)
        if self.reasoning != rate_out:
            sum_ += usage.reasoning_output_tokens * (self.reasoning - rate_out)
        if fresh < 0 or usage.reasoning_output_tokens > written_out:
            return None
        if self.modalities:
            special = self._special(usage, fresh)
            if special is None:
                return None
            sum_ += special
        if self.tools and usage.provider_tool_uses:
            sum_ += sum(uses * self.tools.get(tool, 0) for tool, uses in usage.provider_tool_uses.items())
        return (sum_ + fresh * rate_in + MILLION // 2) // MILLION

    def _special(self, usage: usage_pb2.Usage, fresh: int) -> int | None:
        """The difference that modalities with their own rates make to the price of text; None when their counts do not add up. fresh:
        uncached input."""
        rate_in, rate_out = self.input or 0, self.output or 0
        sum_, text_read, text_out = 0, usage.cache_read_input_tokens, usage.output_tokens
        for rates in self.modalities:
            modality = rates.modality
            if rates.output != rate_out:
                spoken = _tokens(usage.output_by_modality, modality)
                text_out -= spoken
                sum_ += spoken * (rates.output - rate_out)
            if rates.input != rate_in or rates.cache_read != self.cache_read:
                cached = _tokens(usage.cache_read_by_modality, modality)
                uncached = _tokens(usage.input_by_modality, modality) - cached
                if uncached < 0:
                    return None
                fresh, text_read = fresh - uncached, text_read - cached
                sum_ += uncached * (rates.input - rate_in) + cached * (rates.cache_read - self.cache_read)
        return None if fresh < 0 or text_read < 0 or text_out < 0 else sum_

    def estimate(self, input_tokens: int, output_tokens: int) -> int | None:
        """Nano-USD of a request without cache; None where a rate is unknown."""
        if self.input is None or self.output is None:
            return None
        return (self.request + input_tokens * self.input + output_tokens * self.output + MILLION // 2) // MILLION


def tier(tiers: tuple[Rates, ...], input_tokens: int) -> Rates:
    """The rates of a request. All input, cached or not, decides the tier, which holds for the whole request."""
    for rates in reversed(tiers):
        if input_tokens > rates.above:
            return rates
    return tiers[0]


def _tokens(counts: Iterable[usage_pb2.ModalityTokens], modality: content_pb2.Modality.ValueType) -> int:
    found = 0
    for one in counts:
        if one.modality == modality:
            found += one.tokens
    return found
