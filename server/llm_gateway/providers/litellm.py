"""The long tail, by LiteLLM in a process of its own. Its dialect is what `litellm.acompletion` takes, which turns that into each provider's
own: https://docs.litellm.ai/docs/completion/input."""

from llm_gateway import errors
from llm_gateway.protocols.openai_dialects import ChatDialect, without
from llm_gateway.providers.rows import Usual, one

CHAT = ChatDialect(
    sampling=without("min_p", "repetition_penalty"),
    media=frozenset({"image_url", "input_audio", "file"}),
    call_breakpoint=True,
    provider_tools="web_search_options",
    budget_field="",
    exclude_field="",
    metadata_field="",
    error_codes={
        "ContextWindowExceededError": errors.ContextWindowExceeded,
        "ContentPolicyViolationError": errors.ContentBlocked,
    },
)

ROW = one("openai_chat", CHAT, transport="litellm", makers_listed=True, usual=Usual(keyless=True, shown={}), rank=24)
