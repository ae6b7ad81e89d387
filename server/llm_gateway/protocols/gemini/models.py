"""The model lists of AI Studio and Vertex."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from llmgateway.v1 import model_pb2

from llm_gateway import errors
from llm_gateway.protocols import json
from llm_gateway.protocols.gemini.dialect import Dialect, family_of
from llm_gateway.protocols.wire import ModelPage, Outgoing


def render_list_models(token: str, dialect: Dialect, /) -> Outgoing:
    """The request for a page of the model list; free of charge."""
    page = f"&pageToken={quote(token, safe='')}" if token else ""
    return Outgoing(path=f"/{dialect.version}/{dialect.models}?pageSize=1000{page}", method="GET")


def parse_models(body: bytes, dialect: Dialect, /) -> ModelPage:
    """One page of `models` (AI Studio) or `publisherModels` (Vertex). Models that do not generate content are left out."""
    try:
        answer = json.decode(body)
        listed = answer.get("models") or answer.get("publisherModels") or []
        models = [_model(wire) for wire in listed if _generates(wire)]
        return ModelPage(models=models, next=answer.get("nextPageToken") or "")
    except (KeyError, TypeError, AttributeError, ValueError):
        raise errors.ResponseInvalid("The provider's list of models is not in its own format.") from None


def _generates(wire: dict[str, Any]) -> bool:
    methods = wire.get("supportedGenerationMethods")
    return methods is None or "generateContent" in methods


def _model(wire: dict[str, Any]) -> model_pb2.Model:
    model_id = wire["name"].rsplit("/", 1)[-1]
    model = model_pb2.Model(model_id=model_id, display_name=wire.get("displayName") or "")
    if wire.get("inputTokenLimit"):
        model.input_token_limit = wire["inputTokenLimit"]
    if wire.get("outputTokenLimit"):
        model.output_token_limit = wire["outputTokenLimit"]
    able = model.capabilities
    able.append(model_pb2.MODEL_CAPABILITY_STREAMING)
    if wire.get("thinking", family_of(model_id).thinking in ("level", "budget")):
        able.append(model_pb2.MODEL_CAPABILITY_REASONING)
    if "createCachedContent" in (wire.get("supportedGenerationMethods") or ()):
        able.append(model_pb2.MODEL_CAPABILITY_PROMPT_CACHING)
    if wire.get("launchStage") == "DEPRECATED":
        model.deprecated = True
    return model
