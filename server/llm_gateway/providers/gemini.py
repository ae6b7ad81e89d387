"""Gemini by Google AI Studio: https://ai.google.dev/api."""

from dataclasses import replace

from llm_gateway.providers.rows import Families, Usual, known, one

# https://ai.google.dev/gemini-api/docs/models
_GEMINI = known(
    "streaming tools parallel_tools json_schema prompt_caching provider_tools candidates vision audio video documents",
    context=1_048_576,
    output=65_536,
)
_THINKING = replace(_GEMINI, can=_GEMINI.can | {"reasoning"})

KNOWN: Families = {
    "gemini-2.0-flash": replace(_GEMINI, output=8_192, cannot=frozenset({"reasoning"})),
    "gemini-2.5-": _THINKING,
    "gemini-3": _THINKING,
    "gemini-4": replace(_THINKING, context=None, output=None),
}

ROW = one(
    "gemini",
    "GEMINI",
    base_url="https://generativelanguage.googleapis.com",
    trims="/v1(beta|alpha)?(/(models|openai)(/.*)?)?|/models(/.*)?",
    auth="x-goog-api-key",
    usual=Usual(
        key=(
            "GEMINI_API_KEY",
            "GOOGLE_API_KEY",
            "GOOGLE_GENERATIVE_AI_API_KEY",
            "GOOGLE_AI_API_KEY",
            "GOOGLE_GENAI_API_KEY",
        ),
        settings={"endpoint": ("GEMINI_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE")},
    ),
    default_model="gemini-3.8-flash",  # the newest stable one: https://ai.google.dev/gemini-api/docs/models
    flat=True,
    known=KNOWN,
    aliases=("google", "googleai", "googlegenai", "googlegemini", "googleaistudio"),
    rank=3,
    prices="google",
    otel="gcp.gemini",
    operation="generate_content",
    shown_model="gemini-2.5-pro",
)
