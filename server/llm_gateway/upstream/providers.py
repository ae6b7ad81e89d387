"""The provider rows: where each kind lives, which wire format it speaks, how it takes a key. Data only.

A new OpenAI-compatible provider is one row here and one golden case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Auth = Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of provider.

    wire: module of `llm_gateway.protocols`. dialect: attribute of `dialects`, a module there too. base_url: "" where it must be configured.
    auth: how a key is sent. local: runs on the operator's machines, so it costs nothing and needs no key.
    """

    wire: str
    dialect: str
    dialects: str
    base_url: str = ""
    auth: Auth = "bearer"
    local: bool = False


def _openai(dialect: str, base_url: str = "", *, auth: Auth = "bearer", local: bool = False) -> Row:
    return Row(
        wire="openai_chat", dialects="openai_dialects", dialect=dialect, base_url=base_url, auth=auth, local=local
    )


ROWS: Mapping[str, Row] = {
    "openai": _openai("OPENAI", "https://api.openai.com/v1"),
    "anthropic": Row(
        wire="anthropic",
        dialects="anthropic",
        dialect="ANTHROPIC",
        base_url="https://api.anthropic.com",
        auth="x-api-key",
    ),
    "gemini": Row(
        wire="gemini",
        dialects="gemini",
        dialect="GEMINI",
        base_url="https://generativelanguage.googleapis.com",
        auth="x-goog-api-key",
    ),
    "xai": _openai("XAI", "https://api.x.ai/v1"),
    "mistral": _openai("MISTRAL", "https://api.mistral.ai"),
    "groq": _openai("GROQ", "https://api.groq.com/openai/v1"),
    "deepseek": _openai("DEEPSEEK", "https://api.deepseek.com/v1"),
    "openrouter": _openai("OPENROUTER", "https://openrouter.ai/api/v1"),
    "together": _openai("TOGETHER", "https://api.together.xyz/v1"),
    "fireworks": _openai("FIREWORKS", "https://api.fireworks.ai/inference/v1"),
    "cerebras": _openai("CEREBRAS", "https://api.cerebras.ai/v1"),
    "perplexity": _openai("PERPLEXITY", "https://api.perplexity.ai"),
    "ollama": Row(wire="ollama", dialects="ollama", dialect="OLLAMA", base_url="http://127.0.0.1:11434", local=True),
    "lmstudio": _openai("LMSTUDIO", "http://127.0.0.1:1234", local=True),
    "vllm": _openai("VLLM", local=True),
    "llama_cpp": _openai("LLAMA_CPP", local=True),
    "openai_compatible": _openai("GENERIC"),
}
"""Kinds that speak HTTP with a static key. `echo` and the kinds with credentials of their own are built in `upstream.build`."""
