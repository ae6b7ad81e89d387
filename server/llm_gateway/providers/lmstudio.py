"""LM Studio: https://lmstudio.ai/docs/developer."""

from dataclasses import replace

from llm_gateway.protocols.openai_dialects import GENERIC_RESPONSES, ChatDialect, without
from llm_gateway.providers.rows import Row, Spoken, Usual, openai_apis

CHAT = ChatDialect(
    chat_path="/v1/chat/completions",
    models_path="/api/v1/models",  # of its own REST API, which tells what is loaded with which context; since LM Studio 0.4.0
    sampling=without(
        "min_p",
        "candidate_count",
        "logprobs",
        "top_logprobs",
        "repetition_penalty",
        repetition_penalty="repeat_penalty",
    ),
    service_tiers={},
    modalities=False,
    message_name=(),
    tool_media=False,
    media=frozenset({"image_url"}),
    cache_breakpoint="",
    named_tool_choice=False,
    parallel_tool_calls=False,
    provider_tools="",
    json_object=False,
    budget_field="",
    exclude_field="",
    user_field="",
    metadata_field="",
    cache_key_field="",
)

RESPONSES = replace(GENERIC_RESPONSES, chat=CHAT, path="/v1/responses")


def address(host: str) -> str:
    """The URL of ``LMSTUDIO_HOST``: host:port or URL, given with or without the ``/v1`` of its OpenAI dialect."""
    return (host if "://" in host else f"http://{host}").rstrip("/").removesuffix("/v1")


ROW = Row(
    apis={
        **openai_apis(CHAT, RESPONSES),
        # The lists of older releases.
        "v0": Spoken(wire="openai_chat", dialect=replace(CHAT, models_path="/api/v0/models")),
        "v1": Spoken(wire="openai_chat", dialect=replace(CHAT, models_path="/v1/models")),
    },
    choice="chat",
    lists=("chat|v0|v1",),
    base_url="http://127.0.0.1:1234",
    trims="/v1(/.*)?|/api(/v[01])?(/.*)?",
    local=True,
    probe=("/v1/models", b'"data"'),
    usual=Usual(
        key=("LM_API_TOKEN", "LMSTUDIO_API_KEY", "LM_STUDIO_API_KEY"),
        settings={"endpoint": ("LMSTUDIO_HOST", "LMSTUDIO_BASE_URL", "LM_STUDIO_API_BASE")},
        keyless=True,
        when=(("LMSTUDIO_HOST",), ("LMSTUDIO_BASE_URL",), ("LM_STUDIO_API_BASE",)),
        endpoint=address,
        shown={"LMSTUDIO_HOST": "127.0.0.1:1234"},
    ),
    missing_model="Run `lms get {model}`, and `lms load {model}` unless LM Studio loads models by itself.",
    stopped="Is its server running? `lms server start` starts it.",
    rank=18,
    otel="lm_studio",
)
