"""llama.cpp's server: https://github.com/ggml-org/llama.cpp/tree/master/tools/server."""

from llm_gateway.protocols.openai_dialects import ChatDialect, without
from llm_gateway.providers.rows import openai, served

CHAT = ChatDialect(
    sampling=without("repetition_penalty", repetition_penalty="repeat_penalty"),
    service_tiers={},
    modalities=False,
    tool_media=False,
    media=frozenset({"image_url", "input_audio"}),
    cache_breakpoint="",
    provider_tools="",
    budget_field="",
    exclude_field="",
    reasoning_off={"chat_template_kwargs": {"enable_thinking": False}},
    user_field="",
    metadata_field="",
    cache_key_field="",
)

ROW = openai(
    CHAT,
    local=True,
    usual=served("LLAMA_CPP"),
    missing_model="Start llama-server with it (`-m FILE --alias {model}`, or `-hf REPO`).",
    aliases=("llamaserver",),
    rank=20,
)
