"""The dialects of the gateway's providers, by the names that golden cases give them: CHAT.GROQ, RESPONSES.XAI, MESSAGES.VERTEX."""

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from llm_gateway.protocols import anthropic, gemini, openai_dialects
from llm_gateway.protocols.openai_dialects import ChatDialect, ResponsesDialect
from llm_gateway.providers import anthropic_compatible, plugins, vertex


def named(home: Any, of: type) -> Iterator[tuple[str, Any]]:
    """The dialects of a class that a module or a namespace holds, by their lower-case names."""
    return ((name.lower(), value) for name, value in vars(home).items() if isinstance(value, of))


def _found(of: type, named: str) -> Iterator[tuple[str, Any]]:
    """Those of a class, with the provider's name in the place of what its file calls them."""
    for kind in plugins.rows():
        for name, value in vars(importlib.import_module(f"llm_gateway.providers.{kind}")).items():
            if isinstance(value, of) and name.startswith(named):
                yield f"{kind.upper()}{name.removeprefix(named)}", value


CHAT = SimpleNamespace(GENERIC=openai_dialects.GENERIC, **dict(_found(ChatDialect, "CHAT")))
RESPONSES = SimpleNamespace(GENERIC=openai_dialects.GENERIC_RESPONSES, **dict(_found(ResponsesDialect, "RESPONSES")))
MESSAGES = SimpleNamespace(
    ANTHROPIC=anthropic.ANTHROPIC,
    VERTEX=plugins.dialect(vertex.ROW.apis["anthropic"]),
    COMPATIBLE=plugins.dialect(anthropic_compatible.ROW.apis[""]),
)
GEMINI = SimpleNamespace(GEMINI=gemini.GEMINI, VERTEX=plugins.dialect(vertex.ROW.apis["gemini"]))
