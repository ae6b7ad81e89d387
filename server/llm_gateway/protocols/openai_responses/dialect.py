"""What differs between servers that speak the Responses API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from llm_gateway.protocols import openai_chat, openai_dialects
from llm_gateway.protocols.openai_chat import ModelRule

_NO_RULE = ModelRule(pattern="")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dialect:
    """One server's reading of the Responses API."""

    chat: openai_chat.Dialect
    """What the server's two APIs share: service tiers, places of user, labels and cache key, rules per model, error codes, the list of models."""
    path: str = "/responses"
    """Below the endpoint's base URL."""
    stateless: bool = True
    """Ask that nothing is stored, and for encrypted reasoning, without which reasoning cannot be sent back."""
    plain_reasoning: bool = False
    """Reasoning that is not encrypted may be sent back."""
    hides_obfuscation: bool = False
    """Padding of streams can be switched off."""
    developer_role: bool = True
    """The role is known."""
    strict: bool = True
    """Functions take it; it must be said because it is true by default."""
    max_effort: str = ""
    """Pattern of models that take the effort max here although not in Chat Completions."""
    tools: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: TOOLS)
    """The contract's portable tool types to the server's, with what it requires beside them."""

    def rule(self, model: str) -> ModelRule:
        """What the model takes."""
        return _rule(self.chat.rules, model)

    def efforts(self, model: str) -> tuple[str, ...]:
        """Words of effort that the model takes, weakest first; () is all."""
        found = self.rule(model).efforts or self.chat.efforts
        if found and self.max_effort and "max" not in found and re.match(self.max_effort, model):
            found = (*found, "max")
        return found


@lru_cache(maxsize=1024)
def _rule(rules: tuple[ModelRule, ...], model: str) -> ModelRule:
    return next((rule for rule in rules if re.match(rule.pattern, model)), _NO_RULE)


TOOLS: Mapping[str, Mapping[str, object]] = {
    "web_search": {"type": "web_search"},
    "code_execution": {"type": "code_interpreter", "container": {"type": "auto"}},
    "file_search": {"type": "file_search"},
    "computer_use": {"type": "computer_use_preview"},
    "mcp": {"type": "mcp"},
}

OPENAI = Dialect(chat=openai_dialects.OPENAI, hides_obfuscation=True, max_effort=r"gpt-(5\.[6-9]|[6-9])")
AZURE = Dialect(
    chat=openai_dialects.AZURE_OPENAI,
    path="/openai/v1/responses",
    max_effort=r"gpt-(5\.[6-9]|[6-9])",
)
AZURE_DATED = replace(AZURE, chat=openai_dialects.AZURE_OPENAI_DATED, path="/openai/responses")
XAI = Dialect(
    chat=openai_dialects.XAI,
    plain_reasoning=True,
    strict=False,
    tools={**TOOLS, "code_execution": {"type": "code_interpreter"}},
)
GENERIC = Dialect(chat=openai_dialects.GENERIC, stateless=False, plain_reasoning=True)
LMSTUDIO = replace(GENERIC, chat=openai_dialects.LMSTUDIO, path="/v1/responses")
