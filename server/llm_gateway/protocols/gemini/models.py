"""The model lists of AI Studio and Vertex."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from llmgateway.v1 import content_pb2, model_pb2

from llm_gateway.protocols import json
from llm_gateway.protocols.gemini.dialect import Dialect, family_of
from llm_gateway.protocols.wire import ModelPage, Outgoing

_TEXT, _IMAGE, _AUDIO = content_pb2.MODALITY_TEXT, content_pb2.MODALITY_IMAGE, content_pb2.MODALITY_AUDIO
_READS_ALL = (_TEXT, _IMAGE, _AUDIO, content_pb2.MODALITY_VIDEO, content_pb2.MODALITY_DOCUMENT)
_CHAT = (
    model_pb2.MODEL_CAPABILITY_TOOLS,
    model_pb2.MODEL_CAPABILITY_PARALLEL_TOOLS,
    model_pb2.MODEL_CAPABILITY_JSON_SCHEMA,
    model_pb2.MODEL_CAPABILITY_PROVIDER_TOOLS,
)
_KINDS = (
    (re.compile(r"gemini-.*tts"), (_TEXT,), (_AUDIO,), ()),
    (re.compile(r"gemini-.*image"), (_TEXT, _IMAGE), (_TEXT, _IMAGE), ()),
    (re.compile(r"gemini-.*(?:live|native-audio|computer-use|embedding|robotics)"), (), (), ()),
    (re.compile(r"gemini-(?:1\.5|[2-9])|gemini-(?:flash|pro)(?:-lite)?-latest"), _READS_ALL, (_TEXT,), _CHAT),
)
"""What the models' pages say and the lists do not: (id, what it reads, what it writes, what it can). The first match holds."""


def render_list_models(token: str, dialect: Dialect, /) -> Outgoing:
    """The request for a page of the model list; free of charge."""
    page = f"&pageToken={quote(token, safe='')}" if token else ""
    return Outgoing(path=f"/{dialect.version}/{dialect.models}?pageSize=1000{page}", method="GET")


def parse_models(body: bytes, dialect: Dialect, /) -> ModelPage:
    """One page of `models` (AI Studio) or `publisherModels` (Vertex). Models that do not generate content are left out."""
    answer = json.decode(body)
    listed = answer.get("models") or answer.get("publisherModels") or []
    models = [_model(wire) for wire in listed if _generates(wire)]
    return ModelPage(models=models, next=json.name(answer.get("nextPageToken")))


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
    for pattern, reads, writes, can in _KINDS:
        if pattern.match(model_id):
            model.input_modalities.extend(reads)
            model.output_modalities.extend(writes)
            able.extend(can)
            break
    if wire.get("launchStage") == "DEPRECATED":
        model.deprecated = True
    return model
