"""Model lists: OpenAI's, and what other servers add to it."""

from __future__ import annotations

from typing import Any

from llmgateway.v1 import content_pb2, model_pb2

from llm_gateway import errors
from llm_gateway.protocols import json, reading
from llm_gateway.protocols.media import DOCUMENT, MODALITIES
from llm_gateway.protocols.openai_dialects import ChatDialect as Dialect
from llm_gateway.protocols.wire import ModelPage, Outgoing

_Wire = dict[str, Any]

_NO_CHAT = frozenset({
    "embedding", "embeddings", "image", "moderation", "rerank", "audio", "transcribe", "transcription", "video", "tts", "speech",
})  # fmt: skip

_CONTEXT = (
    ("loaded_context_length",), ("context_length",), ("context_window",), ("max_context_length",), ("max_model_len",),
    ("max_input_tokens",), ("meta", "n_ctx"), ("meta", "n_ctx_train"), ("top_provider", "context_length"), ("limits", "max_input_tokens"),
)  # fmt: skip
_OUTPUT = (
    ("max_completion_tokens",), ("max_output_tokens",), ("top_provider", "max_completion_tokens"), ("limits", "max_output_tokens"),
)  # fmt: skip
_MODALITIES = {**MODALITIES, "file": DOCUMENT, "pdf": DOCUMENT}
_CAPABILITIES = {
    "tools": model_pb2.MODEL_CAPABILITY_TOOLS,
    "tool_use": model_pb2.MODEL_CAPABILITY_TOOLS,
    "function_calling": model_pb2.MODEL_CAPABILITY_TOOLS,
    "trained_for_tool_use": model_pb2.MODEL_CAPABILITY_TOOLS,
    "supports_tools": model_pb2.MODEL_CAPABILITY_TOOLS,
    "parallel_tool_calls": model_pb2.MODEL_CAPABILITY_PARALLEL_TOOLS,
    "structured_outputs": model_pb2.MODEL_CAPABILITY_JSON_SCHEMA,
    "supports_structured_output": model_pb2.MODEL_CAPABILITY_JSON_SCHEMA,
    "reasoning": model_pb2.MODEL_CAPABILITY_REASONING,
    "reasoning_effort": model_pb2.MODEL_CAPABILITY_REASONING,
    "logprobs": model_pb2.MODEL_CAPABILITY_LOGPROBS,
    "n": model_pb2.MODEL_CAPABILITY_CANDIDATES,
}


def render_list_models(token: str, dialect: Dialect) -> Outgoing:
    return Outgoing(path=dialect.models_path, method="GET")


def parse_models(body: bytes, dialect: Dialect) -> ModelPage:
    """Reads {"data": [...]}, {"models": [...]} (LM Studio, xAI) and a bare list (Together). Models that cannot chat are left out."""
    value = json.decode(body)
    if isinstance(value, dict):
        value = value.get("data", value.get("models"))
    if not isinstance(value, list):
        raise errors.ResponseInvalid("The provider's model list is not a list.")
    models = [model for entry in value if isinstance(entry, dict) and (model := _model(entry)) is not None]
    return ModelPage(models=models)


def _model(entry: _Wire) -> model_pb2.Model | None:
    identity = next(
        (entry[key] for key in ("id", "key", "model", "name") if isinstance(entry.get(key), str) and entry[key]), ""
    )
    if not identity or entry.get("type") in _NO_CHAT or _says_no(entry):
        return None
    model = model_pb2.Model(model_id=identity)
    for key in ("display_name", "name"):
        if isinstance(entry.get(key), str) and entry[key] != identity:
            model.display_name = entry[key]
            break
    model.aliases.extend(alias for alias in _list(entry.get("aliases")) if isinstance(alias, str) and alias != identity)
    instances = [i for i in _list(entry.get("loaded_instances")) if isinstance(i, dict)]
    context = next((n for i in instances if (n := _count(_at(i, ("config", "context_length"))))), None)
    context = context or next((n for path in _CONTEXT if (n := _count(_at(entry, path)))), None)
    if context:
        model.input_token_limit = context
    output = next((n for path in _OUTPUT if (n := _count(_at(entry, path)))), None)
    if output:
        model.output_token_limit = output
    _modalities(model, entry)
    _capabilities(model, entry)
    _pricing(model, entry)
    _life(model, entry)
    if "loaded_instances" in entry:
        model.loaded = bool(instances)
    elif entry.get("state") in ("loaded", "not-loaded"):
        model.loaded = entry["state"] == "loaded"
    elif isinstance(_at(entry, ("status", "value")), str):  # llama.cpp's router
        model.loaded = entry["status"]["value"] == "loaded"
    return model


def _says_no(entry: _Wire) -> bool:
    """Whether an entry itself says that the model does not chat: Mistral, Fireworks, Azure (where models of the Responses API alone have
    no chat_completion either), and lists that name what a model puts out."""
    able = entry.get("capabilities")
    able = able if isinstance(able, dict) else {}
    if able.get("completion_chat") is False or entry.get("supports_chat") is False:
        return True
    if able.get("embeddings") is True and able.get("chat_completion") is not True:
        return True
    writes = _list(entry.get("output_modalities") or _at(entry, ("architecture", "output_modalities")))
    return bool(writes) and not any(word in _MODALITIES for word in writes if isinstance(word, str))


def _modalities(model: model_pb2.Model, entry: _Wire) -> None:
    for ours, name in ((model.input_modalities, "input_modalities"), (model.output_modalities, "output_modalities")):
        words = _list(entry.get(name) or _at(entry, ("architecture", name)))
        ours.extend(_MODALITIES[word] for word in words if isinstance(word, str) and word in _MODALITIES)
    capabilities = entry.get("capabilities")
    if not model.input_modalities and (isinstance(capabilities, dict) or entry.get("type") == "vlm"):
        model.input_modalities.append(content_pb2.MODALITY_TEXT)
        for word, modality in (("vision", content_pb2.MODALITY_IMAGE), ("audio", content_pb2.MODALITY_AUDIO)):
            if (isinstance(capabilities, dict) and capabilities.get(word) is True) or (
                word == "vision" and entry.get("type") == "vlm"
            ):
                model.input_modalities.append(modality)


def _capabilities(model: model_pb2.Model, entry: _Wire) -> None:
    found = set()
    for source in ("supported_parameters", "capabilities", "features", "supported_features"):
        said = entry.get(source)
        words = [word for word, value in said.items() if value] if isinstance(said, dict) else _list(said)
        found |= {_CAPABILITIES[word] for word in words if isinstance(word, str) and word in _CAPABILITIES}
    for provider in _list(entry.get("providers")):  # Hugging Face: what any of them offers
        if isinstance(provider, dict):
            found |= {
                _CAPABILITIES[word] for word, value in provider.items() if value is True and word in _CAPABILITIES
            }
    model.capabilities.extend(sorted(found))


_PRICES = (
    ("input_nano_usd_per_million", ("prompt", "input"), ("prompt_text_token_price",)),
    ("output_nano_usd_per_million", ("completion", "output"), ("completion_text_token_price",)),
    ("cache_read_nano_usd_per_million", ("input_cache_read", "cached_input"), ("cached_prompt_text_token_price",)),
    ("cache_write_nano_usd_per_million", ("input_cache_write",), ()),
)


def _pricing(model: model_pb2.Model, entry: _Wire) -> None:
    """OpenRouter prices a token in USD, as text; Together a million tokens in USD; xAI 100 million tokens in cents."""
    pricing = entry.get("pricing")
    for field, names, cents in _PRICES:
        if isinstance(pricing, dict):
            for name in names:
                price = pricing.get(name)
                amount = _amount(price)
                if amount is not None:
                    setattr(model.pricing, field, round(amount * (1e15 if isinstance(price, str) else 1e9)))
                    break
        for name in cents:
            amount = _amount(entry.get(name))
            if amount is not None:
                setattr(model.pricing, field, round(amount * 1e5))


def _life(model: model_pb2.Model, entry: _Wire) -> None:
    if not reading.set_moment(model.create_time, entry.get("created")):
        reading.set_moment(model.create_time, entry.get("created_at"))
    for name in ("shutdown_date", "deprecation", "expiration_date", "deprecation_date"):
        if reading.set_moment(model.retire_time, entry.get(name)):
            model.deprecated = True
    if entry.get("deprecated") is True or entry.get("active") is False:
        model.deprecated = True


def _amount(value: Any) -> float | None:
    try:
        amount = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else -1.0
    except ValueError:
        return None
    return amount if 0 <= amount < 1e3 or (0 <= amount < 1e9 and isinstance(value, int)) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 53 else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
