"""Answers, streams, errors and model lists of Converse
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html)."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2, usage_pb2

from llm_gateway import errors
from llm_gateway.protocols import aws, failures, json, reading
from llm_gateway.protocols.anthropic.response import FINISH as CLAUDES
from llm_gateway.protocols.anthropic.response import TTLS
from llm_gateway.protocols.bedrock.request import TIERS as REQUESTED_TIERS
from llm_gateway.protocols.bedrock.request import Dialect
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.media import AUDIO, MODALITIES
from llm_gateway.protocols.wire import Headers, ModelPage, Outgoing

FINISH: dict[str, gateway_pb2.FinishReason.ValueType] = {
    **CLAUDES,
    "guardrail_intervened": gateway_pb2.FINISH_REASON_CONTENT_FILTER,
    "content_filtered": gateway_pb2.FINISH_REASON_CONTENT_FILTER,
    "malformed_tool_use": gateway_pb2.FINISH_REASON_MALFORMED_TOOL_CALL,
    "malformed_model_output": gateway_pb2.FINISH_REASON_ERROR,
}

TIERS: dict[Any, gateway_pb2.ServiceTier.ValueType] = {word: tier for tier, word in REQUESTED_TIERS.items()}

_COUNTS = frozenset(
    {
        "inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens", "cacheReadInputTokenCount",
        "cacheWriteInputTokenCount", "cacheDetails", "serverToolUsage",
    }
)  # fmt: skip
_ANSWER = frozenset({"output", "stopReason", "usage", "p"})


def parse_response(body: bytes, writer: EventWriter, dialect: Dialect, /) -> None:
    """A whole answer; see `WireFormat.parse_response`."""
    answer = json.decode(body)
    if "output" not in answer:
        raise _in_answer(answer)
    blocks = answer["output"]["message"]["content"]
    for block, raw in zip(blocks, json.items(json.spelled(blocks, body, "output", "message", "content")), strict=True):
        _whole(writer, block, bytes(raw))
    _finish(writer, answer)
    _describe(writer, answer)
    writer.end()


def _in_answer(answer: dict[str, Any]) -> errors.ProviderError:
    name = failures.word(answer.get("__type")).rpartition("#")[2]
    return aws.in_stream(name, failures.word(answer.get("message"))) if name else errors.ResponseInvalid()


def _whole(writer: EventWriter, block: dict[str, Any], raw: bytes) -> None:
    part = content_pb2.Part()
    if "text" in block:
        part.text.text = block["text"]
    elif "toolUse" in block and block["toolUse"].get("type", "tool_use") == "tool_use":
        use = block["toolUse"]
        part.tool_call.id, part.tool_call.name = use["toolUseId"], use["name"]
        part.tool_call.arguments_json = bytes(json.fields(json.raw_at(raw, "toolUse")).get("input", b"{}")).decode()
    elif "reasoningContent" in block:
        reasoning = block["reasoningContent"]
        part.signature_provider = writer.provider
        if "redactedContent" in reasoning:
            part.reasoning.encrypted = base64.b64decode(reasoning["redactedContent"])
        else:
            told = reasoning["reasoningText"]
            part.reasoning.text = told.get("text") or ""
            part.signature = (told.get("signature") or "").encode()
    elif "citationsContent" in block:
        cited = block["citationsContent"]
        part.text.text = "".join(piece.get("text") or "" for piece in cited.get("content") or ())
        part.text.citations.extend(citation(wire) for wire in cited.get("citations") or ())
    elif "image" in block and "bytes" in (block["image"].get("source") or {}):
        part.media.mime_type = f"image/{block['image']['format']}"
        part.media.data = base64.b64decode(block["image"]["source"]["bytes"])
    else:
        writer.opaque(next(iter(block)), raw.decode())
        return
    writer.whole(part)


def _finish(writer: EventWriter, answer: dict[str, Any]) -> None:
    reason = answer.get("stopReason")
    if not reason:
        return
    found = FINISH.get(reason, gateway_pb2.FINISH_REASON_OTHER)
    if found == gateway_pb2.FINISH_REASON_STOP and writer.saw_tool_call():
        found = gateway_pb2.FINISH_REASON_TOOL_CALLS
    more = answer.get("additionalModelResponseFields")
    more = more if isinstance(more, dict) else {}
    delta = more.get("delta")
    met = more.get("stop_sequence") or (delta.get("stop_sequence") if isinstance(delta, dict) else None)
    writer.finish(found, reason, stop_sequence=met if isinstance(met, str) else "")


def _describe(writer: EventWriter, answer: dict[str, Any]) -> None:
    """Read what stands beside the message: usage, tier, and fields that the contract does not have."""
    metadata = writer.metadata
    for name, value in answer.items():
        if name not in _ANSWER and value not in (None, {}):
            metadata[name] = value
    tier = (answer.get("serviceTier") or {}).get("type")
    if tier in TIERS:
        writer.service_tier = TIERS[tier]
        del metadata["serviceTier"]
    usage = answer.get("usage")
    if usage:
        more = json.beyond(usage, _COUNTS)
        if more:
            metadata["usage"] = more
        writer.report_usage(usage_of(usage, metadata.get("additionalModelResponseFields")))


def usage_of(wire: dict[str, Any], more: Any = None) -> usage_pb2.Usage:
    """The usage. Converse's inputTokens leave out what was read from the cache and written to it; ours include both.

    more: additionalModelResponseFields, in which Claude tells how many tokens it thought.
    """
    read = wire.get("cacheReadInputTokens", wire.get("cacheReadInputTokenCount"))
    written = wire.get("cacheWriteInputTokens", wire.get("cacheWriteInputTokenCount"))
    usage = usage_pb2.Usage(
        input_tokens=(wire.get("inputTokens") or 0) + (read or 0) + (written or 0),
        output_tokens=wire.get("outputTokens") or 0,
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
    )
    for detail in wire.get("cacheDetails") or ():
        if detail.get("inputTokens") and detail.get("ttl") in TTLS:
            usage.cache_write_by_ttl.add(tokens=detail["inputTokens"]).ttl.seconds = TTLS[detail["ttl"]]
    for name, uses in (wire.get("serverToolUsage") or {}).items():
        if isinstance(uses, int) and uses:
            usage.provider_tool_uses[name] = uses
    thought = more
    for name in ("usage", "output_tokens_details", "thinking_tokens"):
        thought = thought.get(name) if isinstance(thought, dict) else None
    if isinstance(thought, int):
        usage.reasoning_output_tokens = thought
    return usage


def citation(wire: dict[str, Any]) -> content_pb2.Citation:
    """A citation. It covers the whole text part that it belongs to, so it has no span."""
    web = (wire.get("location") or {}).get("web") or {}
    source = wire.get("source")
    return content_pb2.Citation(
        uri=web.get("url") or (source if isinstance(source, str) and "://" in source else ""),
        title=wire.get("title") or web.get("domain") or "",
        cited_text="".join(piece.get("text") or "" for piece in wire.get("sourceContent") or ()),
        source_id=source if isinstance(source, str) and "://" not in source else "",
        provider_json=json.text(wire),
    )


# ---------------------------------------------------------------- streams
class ConverseParser:
    """Reads the events of one message. Text and reasoning begin with their first delta; the stream ends when both `messageStop` and
    `metadata` have come, in either order."""

    __slots__ = ("_encrypted", "_held", "_signatures", "_stopped", "_told", "_writer")

    def __init__(self, writer: EventWriter, dialect: object = None, /) -> None:
        self._writer = writer
        self._signatures: dict[int, str] = {}
        self._encrypted: dict[int, bytes] = {}
        self._held: dict[int, tuple[str, dict[str, Any], list[str]]] = {}
        self._stopped = False
        self._told = False

    def feed(self, event: str, data: bytes) -> None:
        value = json.decode(data)
        if event == "contentBlockDelta":
            self._delta(value["contentBlockIndex"], value["delta"])
        elif event == "contentBlockStart":
            self._start(value["contentBlockIndex"], value["start"])
        elif event == "contentBlockStop":
            self._stop(value["contentBlockIndex"])
        elif event == "messageStop":
            _finish(self._writer, value)
            more = value.get("additionalModelResponseFields")
            if more:
                self._writer.metadata["additionalModelResponseFields"] = more
            self._stopped = True
        elif event == "metadata":
            _describe(self._writer, value)
            self._told = True
        elif aws.is_exception(event):
            raise aws.in_stream(event, failures.word(value.get("message")))
        elif event == "error":
            raise aws.in_stream(failures.word(value.get("code")), failures.word(value.get("message")))
        if self._stopped and self._told:
            self._writer.end()

    def close(self) -> None:
        """`messageStop` alone is an end too: some streams close without `metadata`."""
        if self._stopped:
            self._writer.end()

    def _start(self, index: int, start: dict[str, Any]) -> None:
        part = content_pb2.Part()
        use = start.get("toolUse")
        if use is not None and use.get("type", "tool_use") == "tool_use":
            part.tool_call.id, part.tool_call.name = use["toolUseId"], use["name"]
            self._writer.start(index, part)
            self._held[index] = ("arguments", {}, [])
        elif "image" in start:
            part.media.mime_type = f"image/{start['image']['format']}"
            self._writer.start(index, part)
        elif start:
            kind = next(iter(start))
            self._held[index] = (kind, dict(start[kind]), [])

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        writer = self._writer
        if "text" in delta:
            writer.ensure(index, "text")
            writer.text(index, delta["text"])
        elif "toolUse" in delta:
            fragment = delta["toolUse"]["input"]
            held = self._held.get(index)
            if held is not None and held[0] != "arguments":
                held[2].append(fragment)
            elif fragment:
                self._held.pop(index, None)
                writer.arguments(index, fragment)
        elif "reasoningContent" in delta:
            self._reasoning(index, delta["reasoningContent"])
        elif "citation" in delta:
            writer.ensure(index, "text")
            writer.citation(index, citation(delta["citation"]))
        elif "image" in delta:
            source = delta["image"].get("source") or {}
            writer.data(index, base64.b64decode(source.get("bytes") or ""))
        elif "toolResult" in delta and index in self._held:
            content = self._held[index][1].setdefault("content", [])
            for piece in delta["toolResult"]:
                if content and piece.keys() == content[-1].keys() == {"text"}:
                    content[-1] = {"text": content[-1]["text"] + piece["text"]}
                else:
                    content.append(piece)

    def _reasoning(self, index: int, delta: dict[str, Any]) -> None:
        self._writer.ensure(index, "reasoning")
        if "text" in delta:
            self._writer.text(index, delta["text"])
        if "signature" in delta:
            self._signatures[index] = self._signatures.get(index, "") + delta["signature"]
        if "redactedContent" in delta:
            self._encrypted[index] = self._encrypted.get(index, b"") + base64.b64decode(delta["redactedContent"])

    def _stop(self, index: int) -> None:
        held = self._held.pop(index, None)
        if held is not None and held[0] != "arguments":
            kind, block, fragments = held
            if fragments:
                text = "".join(fragments)
                try:
                    json.decode(text)
                    block["input"] = json.Raw(text.encode())
                except json.MalformedJson:
                    block["input"] = text
            elif kind == "toolUse":
                block.setdefault("input", {})
            self._writer.opaque(kind, json.text({kind: block}))
            return
        if held is not None:
            self._writer.arguments(index, "{}")
        self._writer.complete(
            index,
            signature=self._signatures.pop(index, "").encode(),
            encrypted=self._encrypted.pop(index, b""),
        )


stream_parser = ConverseParser


# ---------------------------------------------------------------- errors
def parse_error(status: int, headers: Headers, body: bytes, dialect: Dialect, /) -> errors.ProviderError:
    """The error of an answer that is not 2xx. A header names it, or `__type` in the body."""
    error, message = failures.body_words(body)
    return aws.from_http(status, headers, name=failures.word(error.get("__type")), message=message)


# ---------------------------------------------------------------- models
_PROFILES = "profiles:"


def render_list_models(token: str, dialect: Dialect, /) -> Outgoing:
    """The request for a page of models: first the foundation models, then the inference profiles. The control plane's host has both."""
    if not token.startswith(_PROFILES):
        return Outgoing(path="/foundation-models?byOutputModality=TEXT", method="GET")
    page = token.removeprefix(_PROFILES)
    more = f"&nextToken={quote(page, safe='')}" if page else ""
    return Outgoing(path=f"/inference-profiles?maxResults=1000{more}", method="GET")


def parse_models(body: bytes, dialect: Dialect, /) -> ModelPage:
    """One page, of foundation models that can be called by their own id or of inference profiles."""
    page = json.decode(body)
    if "inferenceProfileSummaries" in page:
        more, entries = page.get("nextToken"), page["inferenceProfileSummaries"]
        profiles = [_profile(entry) for entry in entries if entry.get("status", "ACTIVE") == "ACTIVE"]
        return ModelPage(models=profiles, next=_PROFILES + more if more else "")
    models = [
        _model(entry)
        for entry in page["modelSummaries"]
        if "ON_DEMAND" in (entry.get("inferenceTypesSupported") or ("ON_DEMAND",))
    ]
    return ModelPage(models=models, next=_PROFILES)


_MODALITIES = {word.upper(): modality for word, modality in MODALITIES.items()} | {"SPEECH": AUDIO}


def _model(entry: dict[str, Any]) -> model_pb2.Model:
    lifecycle = entry.get("modelLifecycle") or {}
    model = model_pb2.Model(
        model_id=entry["modelId"],
        display_name=entry.get("modelName") or "",
        input_modalities=_modalities(entry.get("inputModalities")),
        output_modalities=_modalities(entry.get("outputModalities")),
        deprecated=lifecycle.get("status") == "LEGACY",
    )
    if entry.get("responseStreamingSupported"):
        model.capabilities.append(model_pb2.MODEL_CAPABILITY_STREAMING)
    reading.set_moment(model.create_time, lifecycle.get("startOfLifeTime"))
    reading.set_moment(model.retire_time, lifecycle.get("endOfLifeTime"))
    return model


def _modalities(names: Any) -> list[content_pb2.Modality.ValueType]:
    return list(dict.fromkeys(_MODALITIES[name] for name in names or () if name in _MODALITIES))


def _profile(entry: dict[str, Any]) -> model_pb2.Model:
    model = model_pb2.Model(model_id=entry["inferenceProfileId"], display_name=entry.get("inferenceProfileName") or "")
    reading.set_moment(model.create_time, entry.get("createdAt"))
    return model
