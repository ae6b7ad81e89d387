"""Answers, streams, errors and model lists of the Messages API (https://platform.claude.com/docs/en/build-with-claude/streaming)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2, usage_pb2

from llm_gateway import errors
from llm_gateway.protocols import failures, google, json, reading
from llm_gateway.protocols.anthropic.request import Dialect
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.wire import Headers, ModelPage, Outgoing

FINISH: dict[str, gateway_pb2.FinishReason.ValueType] = {
    "end_turn": gateway_pb2.FINISH_REASON_STOP,
    "stop_sequence": gateway_pb2.FINISH_REASON_STOP_SEQUENCE,
    "max_tokens": gateway_pb2.FINISH_REASON_MAX_TOKENS,
    "model_context_window_exceeded": gateway_pb2.FINISH_REASON_CONTEXT_WINDOW,
    "tool_use": gateway_pb2.FINISH_REASON_TOOL_CALLS,
    "refusal": gateway_pb2.FINISH_REASON_REFUSAL,
    "pause_turn": gateway_pb2.FINISH_REASON_PAUSED,
    "compaction": gateway_pb2.FINISH_REASON_PAUSED,
}

TIERS: dict[Any, gateway_pb2.ServiceTier.ValueType] = {
    "standard": gateway_pb2.SERVICE_TIER_STANDARD,
    "priority": gateway_pb2.SERVICE_TIER_PRIORITY,
}

# Error types and error codes (https://platform.claude.com/docs/en/api/errors); those left out follow their HTTP status and words.
CODES: dict[str, type[errors.ProviderError]] = {
    "authentication_error": errors.CredentialsRejected,
    "organization_on_hold": errors.CredentialsRejected,
    "billing_error": errors.Billing,
    "not_found_error": errors.ModelNotFound,
    "request_body_too_large_after_decoding": errors.RequestTooLarge,
    "ramp_limit_exceeded": errors.RateLimited,
    "enforced_spend_limit_reached": errors.QuotaExhausted,
    "contract_spend_limit_reached": errors.QuotaExhausted,
    "conflict_error": errors.ProviderUnavailable,
    "api_error": errors.ProviderUnavailable,
    "compaction_unavailable": errors.ProviderUnavailable,
    "timeout_error": errors.ProviderTimeout,
    "overloaded_error": errors.ProviderOverloaded,
    "FAILED_PRECONDITION": errors.ModelNotFound,  # Google: the model is not served in this region or to this project
}

_MESSAGE = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage"}
)
_EVENT = frozenset({"type", "index", "delta", "usage"})
_COUNTS = frozenset(
    {
        "input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation", "output_tokens_details",
        "server_tool_use", "service_tier",
    }
)  # fmt: skip
TTLS = {"5m": 300, "1h": 3600}


def parse_response(body: bytes, writer: EventWriter, dialect: Dialect, /) -> None:
    """A whole message; see `WireFormat.parse_response`."""
    answer = json.decode(body)
    if answer.get("type") == "error" or "content" not in answer:
        raise _stream_error(answer)
    parser = MessageParser(writer)
    parser.begin(answer)
    raws: list[json.Raw] = []
    for index, block in enumerate(answer["content"]):
        if block["type"] == "text":
            parser.whole_text(block)
            continue
        raws = raws or json.items(json.spelled(answer["content"], body, "content"))
        parser.whole(block, bytes(raws[index]))
    parser.finish(answer)
    writer.end()


class MessageParser:
    """Reads the events of one message. Blocks without a portable shape are held until they are whole."""

    __slots__ = ("_held", "_inputs", "_signatures", "_usage", "_writer")

    def __init__(self, writer: EventWriter, dialect: object = None, /) -> None:
        self._writer = writer
        self._usage: dict[str, Any] = {}
        self._signatures: dict[int, str] = {}
        self._inputs: dict[int, bytes] = {}
        self._held: dict[int, tuple[dict[str, Any], bytes, list[str]]] = {}

    def feed(self, event: str, data: bytes) -> None:
        """One event. The API sends `type` in the data as well."""
        value = json.decode(data)
        kind = value.get("type") or event
        if kind == "content_block_delta":
            self._delta(value["index"], value["delta"])
        elif kind == "content_block_start":
            self._start(value["index"], value["content_block"], data)
        elif kind == "content_block_stop":
            self._stop(value["index"])
        elif kind == "message_start":
            self.begin(value["message"])
        elif kind == "message_delta":
            self._message_delta(value)
        elif kind == "message_stop":
            self._writer.end()
        elif kind == "error" or event == "error" or not json.is_blank(value.get("error")):
            if isinstance(value.get("usage"), dict):  # the API sends none; servers that are compatible with it may
                self._count(value["usage"])
            raise _stream_error(value)

    def close(self) -> None:
        """The stream ends by `message_stop` only."""

    # ------------------------------------------------------------ the message
    def begin(self, message: dict[str, Any]) -> None:
        """Read a message without its content: id, model, usage, and fields that the contract does not have."""
        writer = self._writer
        writer.response_id = json.name(message.get("id"))
        writer.response_model = json.name(message.get("model"))
        self._more(message, _MESSAGE)
        if message.get("usage"):
            self._count(message["usage"])

    def finish(self, message: dict[str, Any]) -> None:
        """Read why the message ended, from itself or from the `delta` of a message_delta."""
        details = message.get("stop_details")
        reason = message.get("stop_reason")
        text = ""
        if isinstance(details, dict):
            text = details.get("explanation") or ""
            if reason == "refusal":
                part = content_pb2.Part()
                part.refusal.text, part.refusal.category = text, details.get("category") or ""
                self._writer.whole(part)
        if reason:
            self._writer.finish(
                FINISH.get(reason, gateway_pb2.FINISH_REASON_OTHER),
                reason,
                message=text,
                stop_sequence=message.get("stop_sequence") or "",
                metadata=json.text({"stop_details": details}) if details else "",
            )

    def _message_delta(self, value: dict[str, Any]) -> None:
        delta = value.get("delta") or {}
        self.finish(delta)
        self._more(delta, _MESSAGE)
        self._more(value, _EVENT)
        if value.get("usage"):
            self._count(value["usage"])

    def _more(self, message: dict[str, Any], known: frozenset[str]) -> None:
        if not message.keys() <= known:
            self._writer.metadata.update(json.beyond(message, known))

    def _count(self, usage: dict[str, Any]) -> None:
        """Counts are cumulative: a later one replaces an earlier one of its name."""
        self._usage.update({name: value for name, value in usage.items() if value is not None})
        counted = self._usage
        tier = counted.get("service_tier")
        if tier in TIERS:
            self._writer.service_tier = TIERS[tier]
        more = json.beyond(counted, _COUNTS)
        if tier and tier not in TIERS:
            more["service_tier"] = tier
        if more:
            self._writer.metadata["usage"] = more
        self._writer.report_usage(usage_of(counted))

    # ------------------------------------------------------------ blocks that are whole
    def whole_text(self, block: dict[str, Any]) -> None:
        part = content_pb2.Part()
        part.text.text = block["text"] or ""
        for cited in block.get("citations") or ():
            part.text.citations.append(citation(cited))
        if len(block) > 2:
            self._extras(part, block, ("type", "text", "citations"))
        self._writer.whole(part)

    def whole(self, block: dict[str, Any], raw: bytes) -> None:
        kind = block["type"]
        if kind == "tool_use":
            part = self._tool_use(block)
            part.tool_call.arguments_json = bytes(json.fields(raw).get("input", b"{}")).decode()
            self._writer.whole(part)
        elif kind == "thinking":
            part = self._thinking(block)
            part.signature = (block.get("signature") or "").encode()
            self._writer.whole(part)
        elif kind == "redacted_thinking":
            self._writer.whole(self._redacted(block))
        else:
            self._writer.opaque(kind, raw.decode())

    def _tool_use(self, block: dict[str, Any]) -> content_pb2.Part:
        part = content_pb2.Part()
        part.tool_call.id, part.tool_call.name = block["id"], block["name"]
        self._extras(part, block, ("type", "id", "name", "input"))
        return part

    def _thinking(self, block: dict[str, Any]) -> content_pb2.Part:
        part = content_pb2.Part(signature_provider=self._writer.provider)
        part.reasoning.text = block.get("thinking") or ""
        self._extras(part, block, ("type", "thinking", "signature"))
        return part

    def _redacted(self, block: dict[str, Any]) -> content_pb2.Part:
        part = content_pb2.Part(signature_provider=self._writer.provider)
        part.reasoning.encrypted = (block.get("data") or "").encode()
        return part

    def _extras(self, part: content_pb2.Part, block: dict[str, Any], known: tuple[str, ...]) -> None:
        """Keep fields of a block that the contract does not have (`caller` of a tool_use, say) as options of the part, so that they go back with it."""
        extras = json.beyond(block, known)
        if extras:
            part.provider_options_json[self._writer.provider] = json.text(extras)

    # ------------------------------------------------------------ blocks that grow
    def _start(self, index: int, block: dict[str, Any], data: bytes) -> None:
        kind, writer = block["type"], self._writer
        if kind == "text":
            part = content_pb2.Part()
            part.text.text = block.get("text") or ""
            self._extras(part, block, ("type", "text", "citations"))
            writer.start(index, part)
            for cited in block.get("citations") or ():
                writer.citation(index, citation(cited))
        elif kind == "tool_use":
            writer.start(index, self._tool_use(block))
            self._inputs[index] = json.encode(block.get("input") or {})
        elif kind == "thinking":
            writer.start(index, self._thinking(block))
            self._signatures[index] = block.get("signature") or ""
        elif kind == "redacted_thinking":
            writer.whole(self._redacted(block))
        else:
            self._held[index] = (block, json.spelled(block, data, "content_block"), [])

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        kind, writer = delta["type"], self._writer
        if kind == "text_delta":
            writer.ensure(index, "text")
            writer.text(index, delta["text"])
        elif kind == "input_json_delta":
            fragment = delta["partial_json"]
            if index in self._held:
                self._held[index][2].append(fragment)
            elif fragment:
                self._inputs.pop(index, None)
                writer.arguments(index, fragment)
        elif kind == "thinking_delta":
            writer.ensure(index, "reasoning")
            writer.text(index, delta["thinking"])
        elif kind == "signature_delta":
            writer.ensure(index, "reasoning")
            self._signatures[index] = self._signatures.get(index, "") + delta["signature"]
        elif kind == "citations_delta":
            writer.ensure(index, "text")
            writer.citation(index, citation(delta["citation"]))
        elif index in self._held:
            self._grow(index, delta)

    def _grow(self, index: int, delta: dict[str, Any]) -> None:
        block, _, fragments = self._held[index]
        for name, value in delta.items():
            if name == "type":
                continue
            old = block.get(name)
            block[name] = old + value if isinstance(old, str) and isinstance(value, str) else value
        self._held[index] = (block, b"", fragments)  # encoded when it is whole

    def _stop(self, index: int) -> None:
        if index in self._held:
            block, raw, fragments = self._held.pop(index)
            text = "".join(fragments)
            if text:
                raw = json.encode({**block, "input": _json_or_text(text)})
            self._writer.opaque(block["type"], (raw or json.encode(block)).decode())
            return
        whole = self._inputs.pop(index, None)
        if whole is not None:
            self._writer.arguments(index, whole.decode())
        self._writer.complete(index, signature=self._signatures.pop(index, "").encode())


stream_parser = MessageParser


def _json_or_text(text: str) -> Any:
    try:
        return json.raw_object(text)
    except json.MalformedJson:
        return text


def citation(wire: dict[str, Any]) -> content_pb2.Citation:
    """A citation. It covers the whole text part that it belongs to, so it has no span."""
    source = wire.get("url") or wire.get("source")
    return content_pb2.Citation(
        uri=source if isinstance(source, str) else "",
        title=wire.get("title") or wire.get("document_title") or "",
        cited_text=wire.get("cited_text") or "",
        source_id=wire.get("file_id") or "",
        provider_json=json.text(wire),
    )


def usage_of(wire: dict[str, Any]) -> usage_pb2.Usage:
    """The usage. The API's input_tokens leave out what was read from the cache and written to it; ours include both."""
    read, written = wire.get("cache_read_input_tokens"), wire.get("cache_creation_input_tokens")
    usage = usage_pb2.Usage(
        input_tokens=(wire.get("input_tokens") or 0) + (read or 0) + (written or 0),
        output_tokens=wire.get("output_tokens") or 0,
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
    )
    thought = (wire.get("output_tokens_details") or {}).get("thinking_tokens")
    if thought is not None:
        usage.reasoning_output_tokens = thought
    for name, tokens in (wire.get("cache_creation") or {}).items():
        seconds = TTLS.get(name.removeprefix("ephemeral_").removesuffix("_input_tokens"))
        if seconds and tokens:
            usage.cache_write_by_ttl.add(tokens=tokens).ttl.seconds = seconds
    for name, uses in (wire.get("server_tool_use") or {}).items():
        if uses:
            usage.provider_tool_uses[name.removesuffix("_requests")] = uses
    return usage


# ---------------------------------------------------------------- errors
def _stream_error(value: dict[str, Any]) -> errors.ProviderError:
    """The error in an `error` event, or in a body with HTTP status 200. Its type decides, since the status says nothing."""
    error = value.get("error")
    if not isinstance(error, dict):
        error = {"message": error} if error else {}
    kind, message = failures.word(error.get("type")), failures.word(error.get("message"))
    if not kind and not message:
        return errors.ResponseInvalid("The answer is not a message.")
    code = _error_code(error)
    found = failures.classify(failures.STATUS_OF_TYPE.get(kind, 0), code=code, kind=kind, message=message, codes=CODES)
    return found(
        provider_code=code or kind,
        provider_message=message,
        provider_request_id=failures.word(value.get("request_id")),
    )


def _error_code(error: dict[str, Any]) -> str:
    details = error.get("details")
    return failures.word(details.get("error_code")) if isinstance(details, dict) else ""


def parse_error(status: int, headers: Headers, body: bytes, dialect: Dialect, /) -> errors.ProviderError:
    """The error of an answer that is not 2xx, in the API's own shape or, from Vertex AI, in Google's."""
    error, message = failures.body_words(body)
    if google.is_status(error):
        return google.from_http(status, headers, error, message, codes=CODES)
    kind = error.get("type")
    return failures.from_http(
        status,
        headers,
        code=_error_code(error) or (None if kind else error.get("code")),
        kind=kind,
        message=message,
        request_id=headers.get("request-id") or _request_id(body),
        codes=CODES,
    )


def _request_id(body: bytes) -> str:
    try:
        value = json.decode(body)
    except json.MalformedJson:
        return ""
    return failures.word(value.get("request_id")) if isinstance(value, dict) else ""


# ---------------------------------------------------------------- models
def render_list_models(token: str, dialect: Dialect, /) -> Outgoing:
    """The request for the page of models that follows `token`, the last id of the page before."""
    if dialect.in_path:
        query = "?pageSize=100" + (f"&pageToken={quote(token, safe='')}" if token else "")
        return Outgoing(path=dialect.models_path + query, method="GET")
    query = "?limit=1000" + (f"&after_id={quote(token, safe='')}" if token else "")
    return Outgoing(path=dialect.models_path + query, method="GET", headers=(("anthropic-version", dialect.version),))


def parse_models(body: bytes, dialect: Dialect, /) -> ModelPage:
    """One page of the model list (`data`), or of Vertex AI's publisher models."""
    page = json.decode(body)
    if "publisherModels" in page:
        models = [_model({"id": entry["name"].rpartition("/")[2]}) for entry in page["publisherModels"]]
        return ModelPage(models=models, next=json.name(page.get("nextPageToken")))
    models = [_model(entry) for entry in page.get("data") or ()]
    return ModelPage(models=models, next=json.name(page.get("last_id")) if page.get("has_more") else "")


def _model(entry: dict[str, Any]) -> model_pb2.Model:
    model = model_pb2.Model(model_id=entry["id"], display_name=entry.get("display_name") or "")
    model.input_modalities.append(content_pb2.MODALITY_TEXT)
    model.output_modalities.append(content_pb2.MODALITY_TEXT)
    if entry.get("max_input_tokens"):
        model.input_token_limit = entry["max_input_tokens"]
    if entry.get("max_tokens"):
        model.output_token_limit = entry["max_tokens"]
    reading.set_moment(model.create_time, entry.get("created_at"))
    reading.set_moment(model.retire_time, entry.get("retires_at"))
    model.deprecated = entry.get("lifecycle") in ("deprecated", "retired")
    model.capabilities.extend(
        (
            model_pb2.MODEL_CAPABILITY_STREAMING,
            model_pb2.MODEL_CAPABILITY_TOOLS,
            model_pb2.MODEL_CAPABILITY_PARALLEL_TOOLS,
            model_pb2.MODEL_CAPABILITY_PROMPT_CACHING,
        )
    )
    able = entry.get("capabilities") or {}
    for name, modality in (("image_input", content_pb2.MODALITY_IMAGE), ("pdf_input", content_pb2.MODALITY_DOCUMENT)):
        if _supported(able.get(name)):
            model.input_modalities.append(modality)
    for names, capability in (
        (("structured_outputs",), model_pb2.MODEL_CAPABILITY_JSON_SCHEMA),
        (("thinking", "effort"), model_pb2.MODEL_CAPABILITY_REASONING),
        (("server_tools", "code_execution"), model_pb2.MODEL_CAPABILITY_PROVIDER_TOOLS),
    ):
        if any(_supported(able.get(name)) for name in names):
            model.capabilities.append(capability)
    return model


def _supported(value: Any) -> bool:
    return value.get("supported") is True if isinstance(value, dict) else value is True
