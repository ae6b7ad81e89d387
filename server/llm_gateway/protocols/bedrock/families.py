"""What the model families behind Converse take, as data.

Source: the Amazon Bedrock user guide (supported models and features of Converse, prompt caching, structured output, inference
parameters of each model).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from llm_gateway.protocols.anthropic.rules import UNKNOWN, Rules, rules_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Models that take the same fields. The defaults are those of an unknown family, such as behind the ARN of an application's own
    inference profile: it is sent what the caller asks for."""

    caches: bool = True
    """It takes cache points."""
    structured: bool = True
    """It answers by a JSON schema."""
    status: bool = True
    """It takes the status of a tool result."""
    top_k: tuple[str, ...] = ("top_k",)
    """Path of that parameter in `additionalModelRequestFields`; () for none."""
    reasons: Literal["claude", "nova", "openai", "effort", "never"] = "effort"
    """How it is told to reason."""
    system_tools: tuple[tuple[str, str], ...] = ()
    """Portable tool types to names of system tools."""
    rules: Rules = UNKNOWN
    """The limits of a Claude."""


_CLAUDE = Family(reasons="claude")
_NOVA = Family(
    structured=False,
    top_k=("inferenceConfig", "topK"),
    reasons="never",
    system_tools=(("web_search", "nova_grounding"), ("code_execution", "nova_code_interpreter")),
)
_PLAIN = Family(caches=False, structured=False, status=False, top_k=(), reasons="never")
_FAMILIES: tuple[tuple[str, Family], ...] = (
    ("claude", _CLAUDE),
    (r"nova-2|nova-premier-2", replace(_NOVA, reasons="nova")),
    ("nova", _NOVA),
    ("titan", _PLAIN),
    ("llama", _PLAIN),
    (r"cohere|command-r", replace(_PLAIN, top_k=("k",))),
    (r"ai21|jamba", _PLAIN),
    (r"mistral|pixtral|deepseek|qwen", Family(caches=False, status=False)),
    (r"openai|gpt-", Family(caches=False, status=False, top_k=(), reasons="openai")),
)
_DEFAULT = Family()


@lru_cache(maxsize=512)
def family_of(model: str) -> Family:
    """Family of a model by its id, the id of its inference profile, or its ARN."""
    found = next((family for pattern, family in _FAMILIES if re.search(pattern, model, re.IGNORECASE)), _DEFAULT)
    if found.reasons != "claude":
        return found
    rules = rules_of(model)
    if rules.thinks:  # Converse offers these models no schemas, and the strongest effort for Opus only
        effort = rules.effort if "opus" in model else tuple(level for level in rules.effort if level != "max")
        rules = replace(rules, structured=False, effort=effort)
    return replace(found, rules=rules, structured=rules.structured)
