"""Answers and streams of generateContent, as the contract's events."""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2, usage_pb2

from llm_gateway import errors
from llm_gateway.protocols import callids, json, reading
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.gemini.dialect import REQUESTED_TIERS, Dialect
from llm_gateway.protocols.gemini.errors import in_stream_error
from llm_gateway.protocols.media import MODALITIES

_F = gateway_pb2

FINISH_REASONS: Mapping[str, gateway_pb2.FinishReason.ValueType] = {
    "STOP": _F.FINISH_REASON_STOP,
    "MAX_TOKENS": _F.FINISH_REASON_MAX_TOKENS,
    "SAFETY": _F.FINISH_REASON_CONTENT_FILTER,
    "LANGUAGE": _F.FINISH_REASON_CONTENT_FILTER,
    "BLOCKLIST": _F.FINISH_REASON_CONTENT_FILTER,
    "PROHIBITED_CONTENT": _F.FINISH_REASON_CONTENT_FILTER,
    "SPII": _F.FINISH_REASON_CONTENT_FILTER,
    "IMAGE_SAFETY": _F.FINISH_REASON_CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": _F.FINISH_REASON_CONTENT_FILTER,
    "MODEL_ARMOR": _F.FINISH_REASON_CONTENT_FILTER,
    "RECITATION": _F.FINISH_REASON_RECITATION,
    "IMAGE_RECITATION": _F.FINISH_REASON_RECITATION,
    "MALFORMED_FUNCTION_CALL": _F.FINISH_REASON_MALFORMED_TOOL_CALL,
    "UNEXPECTED_TOOL_CALL": _F.FINISH_REASON_MALFORMED_TOOL_CALL,
    "TOO_MANY_TOOL_CALLS": _F.FINISH_REASON_MALFORMED_TOOL_CALL,
    "CONTINUATION": _F.FINISH_REASON_PAUSED,
    "MALFORMED_RESPONSE": _F.FINISH_REASON_ERROR,
    "MISSING_THOUGHT_SIGNATURE": _F.FINISH_REASON_ERROR,
}
"""What is not here is OTHER."""

TIERS: Mapping[str, gateway_pb2.ServiceTier.ValueType] = {
    **{word: tier for tier, word in REQUESTED_TIERS.items()},
    "ON_DEMAND": _F.SERVICE_TIER_STANDARD,
    "ON_DEMAND_FLEX": _F.SERVICE_TIER_FLEX,
    "ON_DEMAND_PRIORITY": _F.SERVICE_TIER_PRIORITY,
}

_MODALITIES = {word.upper(): modality for word, modality in MODALITIES.items()}
_FRAME_KEYS = {"candidates", "usageMetadata", "modelVersion", "responseId", "createTime", "promptFeedback", "error"}
_GROWING = {"content", "index"}
"""What a candidate holds while it grows."""
_CANDIDATE_KEYS = {
    "content",
    "finishReason",
    "finishMessage",
    "index",
    "safetyRatings",
    "citationMetadata",
    "logprobsResult",
}
_CONTENT_KEYS = {"parts", "role"}
_Origin = tuple[bytes, *tuple[str | int, ...]]
"""Data, and the path of something in it."""
_TEXT_KEYS = {"text", "thought", "thoughtSignature"}
_PART_FLAGS = {"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"}
_USAGE_KEYS = {
    "promptTokenCount", "candidatesTokenCount", "totalTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount",
    "cachedContentTokenCount", "promptTokensDetails", "candidatesTokensDetails", "toolUsePromptTokensDetails", "cacheTokensDetails",
    "serviceTier", "trafficType",
}  # fmt: skip


# ---------------------------------------------------------------- calls that arrive in pieces (Vertex, streamFunctionCallArguments)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]")
_MOST_ELEMENTS = 100_000


class _PartialCall:
    """A function call whose arguments arrive as values at JSONPaths."""

    __slots__ = ("args", "key", "signature")

    def __init__(self, key: str, signature: bytes) -> None:
        self.key = key
        self.signature = signature
        self.args: dict[str, Any] = {}

    def put(self, piece: dict[str, Any]) -> None:
        path = piece.get("jsonPath", "$")
        steps = [
            int(found[2]) if found[2] else re.sub(r"\\(.)", r"\1", found[1] or found[3] or found[4] or "")
            for found in _STEP.finditer(path[1:])
        ]
        if not steps:
            return
        for key in ("stringValue", "numberValue", "boolValue", "nullValue"):
            if key in piece:
                value = None if key == "nullValue" else piece[key]
                break
        else:
            value = ""
        place: Any = self.args
        for step, following in pairwise(steps):
            new: Any = [] if isinstance(following, int) else {}
            place = _child(place, step, new)
        old = _child(place, steps[-1], None)
        place[steps[-1]] = old + value if isinstance(old, str) and isinstance(value, str) else value


def _child(place: Any, step: str | int, new: Any) -> Any:
    """What stands at `step` of an object or array, put there if nothing does."""
    if isinstance(place, list):
        if not isinstance(step, int) or step > _MOST_ELEMENTS:
            raise ValueError("path")
        place.extend([None] * (step + 1 - len(place)))
        if place[step] is None:
            place[step] = new
        return place[step]
    if isinstance(step, int):
        raise ValueError("path")
    return place.setdefault(step, new) if place.get(step) is None else place[step]


# ---------------------------------------------------------------- one candidate
class _Text:
    """A text part, open until the answer ends, because the sources of its spans come last."""

    __slots__ = ("key", "pieces", "signature")

    def __init__(self, key: str) -> None:
        self.key = key
        self.pieces: list[str] = []
        self.signature = b""


class _Candidate:
    __slots__ = (
        "call", "chosen", "citations", "finish", "grounding", "index", "kind", "message", "metadata", "number", "ratings", "text",
        "texts", "top",
    )  # fmt: skip

    def __init__(self, index: int) -> None:
        self.index = index
        self.number = 0
        self.kind = ""
        """The kind of part that is being written: "text", "thought", a MIME type of sound, or "" for none."""
        self.text: _Text | None = None
        self.texts: list[_Text] = []
        self.call: _PartialCall | None = None
        self.finish = ""
        self.message = ""
        self.ratings: list[dict[str, Any]] = []
        self.citations: list[dict[str, Any]] = []
        self.grounding: dict[str, Any] = {}
        self.chosen: list[dict[str, Any]] = []
        self.top: list[dict[str, Any]] = []
        self.metadata: dict[str, Any] = {}

    def next_key(self) -> str:
        self.number += 1
        return str(self.number)


class Reader:
    """Reads chunks of an answer; a whole answer is one chunk."""

    __slots__ = ("_calls", "_candidates", "_counts", "_ended", "_feedback", "_reported", "_writer")

    def __init__(self, writer: EventWriter, dialect: object = None, /) -> None:
        self._writer = writer
        self._candidates: dict[int, _Candidate] = {}
        self._counts: dict[str, Any] = {}
        self._reported: dict[str, Any] = {}
        self._feedback: dict[str, Any] = {}
        self._calls = 0
        self._ended = False

    # ------------------------------------------------------------ the seam
    def feed(self, event: str, data: bytes) -> None:
        """One chunk, or an array of chunks."""
        chunk = json.decode(data)
        if isinstance(chunk, list):
            for index, one in enumerate(chunk):
                self._chunk(one, (data, index))
        else:
            self._chunk(chunk, (data,))

    def close(self) -> None:
        """A stream has no end mark: it may close once a finish reason or a blocked prompt has come."""
        if self._ended:
            self.end()
        else:
            self._report_usage()

    def end(self) -> None:
        """Write what comes last: citations, signatures, finish reasons."""
        if self._writer.done:
            return
        self._report_usage()
        if self._feedback:
            self._blocked()
        for candidate in self._candidates.values():
            self._finish(candidate)
        self._writer.end()

    # ------------------------------------------------------------ a chunk
    def _chunk(self, chunk: dict[str, Any], origin: _Origin) -> None:
        """origin: where the chunk stands."""
        writer = self._writer
        if not json.is_blank(chunk.get("error")):
            error = in_stream_error(chunk)
            with suppress(*json.WRONG_SHAPE):
                self._chunk({key: value for key, value in chunk.items() if key != "error"}, origin)
                self._report_usage()
            raise error
        if not chunk.keys() <= _FRAME_KEYS:
            writer.metadata.update(_beyond(chunk, _FRAME_KEYS))
        if not writer.response_id:
            writer.response_id = json.name(chunk.get("responseId"))
        if not writer.response_model:
            writer.response_model = json.name(chunk.get("modelVersion"))
        if writer.create_time is None and chunk.get("createTime"):
            writer.create_time = reading.moment(chunk["createTime"])
        counts = chunk.get("usageMetadata")
        if counts:
            self._counts = counts
            if not self._reported:
                self._report_usage()
        feedback = chunk.get("promptFeedback")
        if feedback:
            self._feedback = feedback
            if feedback.get("blockReason"):
                self._ended = True
        for position, wire in enumerate(chunk.get("candidates") or ()):
            index = wire.get("index", 0)
            candidate = self._candidates.get(index)
            if candidate is None:
                if not isinstance(index, int):
                    raise TypeError
                candidate = self._candidates[index] = _Candidate(index)
            content = wire.get("content")
            if content:
                for number, part in enumerate(content.get("parts") or ()):
                    text = part.get("text")
                    if text is not None and len(part) == 1 and candidate.kind == "text" and candidate.text is not None:
                        if text:
                            candidate.text.pieces.append(text)
                            writer.text(candidate.text.key, text, candidate=index)
                    else:
                        self._part(candidate, part, (*origin, "candidates", position, "content", "parts", number))
                if not content.keys() <= _CONTENT_KEYS:
                    candidate.metadata["content"] = _beyond(content, _CONTENT_KEYS)
            if not wire.keys() <= _GROWING:
                self._rest(candidate, wire)
        if counts and counts.get("candidatesTokenCount"):
            writer.hold_usage(partial(usage_of, counts))

    def _rest(self, candidate: _Candidate, wire: dict[str, Any]) -> None:
        """Read everything of a candidate except its content. A later value replaces an earlier one, but sources and log probabilities add up."""
        reason = wire.get("finishReason")
        if reason and reason != "FINISH_REASON_UNSPECIFIED":
            candidate.finish = str(reason)
            candidate.message = wire.get("finishMessage") or candidate.message
            self._ended = True
        if wire.get("safetyRatings"):
            candidate.ratings = wire["safetyRatings"]
        sources = wire.get("citationMetadata")
        if sources:
            for source in sources.get("citationSources") or sources.get("citations") or ():
                if source and source not in candidate.citations:
                    candidate.citations.append(source)
        scores = wire.get("logprobsResult")
        if scores:
            candidate.chosen.extend(scores.get("chosenCandidates") or ())
            candidate.top.extend(scores.get("topCandidates") or ())
            rest = _beyond(scores, {"chosenCandidates", "topCandidates"})
            if rest:
                candidate.metadata["logprobsResult"] = rest
        for key, value in _beyond(wire, _CANDIDATE_KEYS).items():
            if isinstance(value, dict):
                old = candidate.metadata.get(key)
                value = {**old, **value} if isinstance(old, dict) else value
            if value not in ({}, [], None, ""):
                candidate.metadata[key] = value

    # ------------------------------------------------------------ parts
    def _part(self, candidate: _Candidate, part: dict[str, Any], origin: _Origin) -> None:
        if not part.keys() <= _TEXT_KEYS:
            part = {key: value for key, value in part.items() if key == "text" or not json.is_blank(value)}
        signature = _signature(part)
        call = part.get("functionCall")
        if call is not None and (call.get("name") or candidate.call is not None):
            self._call(candidate, call, signature, origin)
            return
        text = part.get("text")
        if text is not None and part.keys() <= _TEXT_KEYS:
            if not text and not signature:
                return
            kind = "thought" if part.get("thought") else "text"
            if kind != candidate.kind or signature:
                self._begin_text(candidate, kind, signature)
            key = str(candidate.number)
            self._writer.text(key, text, candidate=candidate.index)
            if kind == "text" and candidate.text is not None:
                candidate.text.pieces.append(text)
            if signature:
                self._close_part(candidate, signature)
            return
        blob = part.get("inlineData")
        if blob is not None and part.keys() <= {"inlineData", "thoughtSignature"}:
            self._blob(candidate, blob, signature)
            return
        self._close_part(candidate)
        file = part.get("fileData")
        if file is not None and part.keys() <= {"fileData", "thoughtSignature"}:
            media = content_pb2.Part(
                media=content_pb2.MediaPart(mime_type=file.get("mimeType") or "", uri=file["fileUri"]),
                signature=signature,
            )
            if signature:
                media.signature_provider = self._writer.provider
            self._writer.whole(media, candidate=candidate.index)
            return
        kinds = [key for key in part if key not in _PART_FLAGS]
        if kinds:
            self._writer.opaque(kinds[0], json.text(part), candidate=candidate.index)
        elif signature:
            self._begin_text(candidate, "text", signature)
            self._close_part(candidate, signature)

    def _begin_text(self, candidate: _Candidate, kind: str, signature: bytes) -> None:
        self._close_part(candidate)
        key = candidate.next_key()
        candidate.kind = kind
        if kind == "text":
            candidate.text = _Text(key)
            candidate.text.signature = signature
            candidate.texts.append(candidate.text)
            part = content_pb2.Part(text=content_pb2.TextPart())
        else:
            part = content_pb2.Part(reasoning=content_pb2.ReasoningPart(is_summary=True))
        self._writer.start(key, part, candidate=candidate.index)

    def _close_part(self, candidate: _Candidate, signature: bytes = b"") -> None:
        """End the part that is being written; text stays open for its citations."""
        if candidate.kind and candidate.kind != "text":
            self._writer.complete(str(candidate.number), candidate=candidate.index, signature=signature)
        candidate.kind = ""
        candidate.text = None

    def _blob(self, candidate: _Candidate, blob: dict[str, Any], signature: bytes) -> None:
        """Sound comes in pieces that belong together; an image is whole."""
        mime_type = blob.get("mimeType") or ""
        if candidate.kind != mime_type or signature or not mime_type.startswith("audio/"):
            self._close_part(candidate)
            part = content_pb2.Part(media=content_pb2.MediaPart(mime_type=mime_type, data=b""))
            self._writer.start(candidate.next_key(), part, candidate=candidate.index)
            candidate.kind = mime_type or "application/octet-stream"
        self._writer.data(str(candidate.number), _bytes(blob.get("data") or ""), candidate=candidate.index)
        if signature or not mime_type.startswith("audio/"):
            self._close_part(candidate, signature)

    def _call(self, candidate: _Candidate, call: dict[str, Any], signature: bytes, origin: _Origin) -> None:
        partial, name = candidate.call, call.get("name")
        if partial is not None and not name:
            for piece in call.get("partialArgs") or ():
                partial.put(piece)
            partial.signature = partial.signature or signature
            if not call.get("willContinue"):
                self._end_call(candidate)
            return
        self._end_call(candidate)
        self._close_part(candidate)
        key = candidate.next_key()
        call_id = call.get("id") or callids.make_up(self._writer.response_id, self._calls)
        self._calls += 1
        part = content_pb2.Part(tool_call=content_pb2.ToolCall(id=call_id, name=name or ""))
        self._writer.start(key, part, candidate=candidate.index)
        candidate.call = partial = _PartialCall(key, signature)
        for piece in call.get("partialArgs") or ():
            partial.put(piece)
        if call.get("willContinue"):
            return
        args = call.get("args")
        if args:
            spelled = json.compact(args, *origin, "functionCall", "args")
            self._writer.arguments(key, spelled, candidate=candidate.index)
            self._writer.complete(key, candidate=candidate.index, signature=signature)
            candidate.call = None
        else:
            self._end_call(candidate)

    def _end_call(self, candidate: _Candidate) -> None:
        partial = candidate.call
        if partial is not None:
            self._writer.arguments(partial.key, json.text(partial.args), candidate=candidate.index)
            self._writer.complete(partial.key, candidate=candidate.index, signature=partial.signature)
            candidate.call = None

    # ------------------------------------------------------------ the end of an answer
    def _blocked(self) -> None:
        """A blocked prompt is an answer without parts; other feedback on the prompt is kept as it is."""
        feedback, reason = self._feedback, self._feedback.get("blockReason")
        if not reason or self._candidates:
            self._writer.metadata["promptFeedback"] = feedback
            return
        self._writer.wanted = 1
        completed = self._writer.finish(
            gateway_pb2.FINISH_REASON_CONTENT_FILTER,
            str(reason),
            message=feedback.get("blockReasonMessage") or f"The provider blocked the prompt: {reason}.",
        )
        completed.safety_ratings.extend(map(_rating, feedback.get("safetyRatings") or ()))
        rest = _beyond(feedback, {"blockReason", "blockReasonMessage", "safetyRatings"})
        if rest or _rich(feedback.get("safetyRatings")):
            self._writer.metadata["promptFeedback"] = feedback

    def _finish(self, candidate: _Candidate) -> None:
        writer, index = self._writer, candidate.index
        self._end_call(candidate)
        self._close_part(candidate)
        cited = self._cite(candidate)
        for text in candidate.texts:
            writer.complete(text.key, candidate=index, signature=text.signature)
        if candidate.citations and not cited:
            candidate.metadata["citationMetadata"] = {"citations": candidate.citations}
        if _rich(candidate.ratings):
            candidate.metadata["safetyRatings"] = candidate.ratings
        reason = gateway_pb2.FINISH_REASON_UNSPECIFIED
        if candidate.finish:
            reason = FINISH_REASONS.get(candidate.finish, gateway_pb2.FINISH_REASON_OTHER)
            if reason == gateway_pb2.FINISH_REASON_STOP and writer.saw_tool_call(index):
                reason = gateway_pb2.FINISH_REASON_TOOL_CALLS
        completed = writer.finish(
            reason,
            candidate.finish,
            candidate=index,
            message=candidate.message,
            metadata=json.text(candidate.metadata) if candidate.metadata else "",
        )
        completed.safety_ratings.extend(map(_rating, candidate.ratings))
        for place, chosen in enumerate(candidate.chosen):
            scored = reading.logprob(chosen, key="logProbability")
            if place < len(candidate.top):
                scored.top.extend(reading.logprobs(candidate.top[place].get("candidates"), key="logProbability"))
            completed.logprobs.append(scored)

    def _cite(self, candidate: _Candidate) -> bool:
        """Write the sources to the parts of text that they speak of. Returns False when there is no text."""
        if not candidate.texts:
            return False
        grounding = candidate.metadata.get("groundingMetadata") or {}
        chunks = grounding.get("groundingChunks") or ()
        supports = grounding.get("groundingSupports") or ()
        if not candidate.citations and not supports:
            return True
        spans = _Spans(candidate.texts)
        for source in candidate.citations:
            key, start, end = spans.find(source.get("startIndex") or 0, source.get("endIndex") or 0)
            citation = content_pb2.Citation(
                start_index=start,
                end_index=end,
                uri=source.get("uri") or "",
                title=source.get("title") or "",
                provider_json=json.text(source),
            )
            self._writer.citation(key, citation, candidate=candidate.index)
        for support in supports:
            segment = support.get("segment") or {}
            key, start, end = spans.find(segment.get("startIndex") or 0, segment.get("endIndex") or 0)
            for number in support.get("groundingChunkIndices") or ():
                if number < len(chunks):
                    citation = _grounded(chunks[number])
                    citation.start_index, citation.end_index = start, end
                    self._writer.citation(key, citation, candidate=candidate.index)
        return True

    def _report_usage(self) -> None:
        """Counts are cumulative: they are written when the first come and at the end, not with each chunk."""
        counts = self._counts
        if counts == self._reported:
            return
        self._reported = counts
        writer = self._writer
        for key in ("serviceTier", "trafficType"):
            if counts.get(key):
                tier = TIERS.get(counts[key])
                if tier is None:
                    writer.metadata[key] = counts[key]
                else:
                    writer.service_tier = tier
        writer.metadata.update(_beyond(counts, _USAGE_KEYS))
        if counts.keys() & {"promptTokenCount", "candidatesTokenCount", "totalTokenCount", "thoughtsTokenCount"}:
            writer.report_usage(usage_of(counts))


stream_parser = Reader


def _beyond(wire: dict[str, Any], known: Set[str]) -> dict[str, Any]:
    """The fields of an object that are not among the known ones."""
    return {key: value for key, value in wire.items() if key not in known}


def usage_of(counts: dict[str, Any]) -> usage_pb2.Usage:
    """The usage. Google counts thoughts beside the candidates' tokens, and tool results beside the prompt's; a cached prompt is part of the prompt."""
    thoughts, tools = counts.get("thoughtsTokenCount"), counts.get("toolUsePromptTokenCount")
    usage = usage_pb2.Usage(
        input_tokens=(counts.get("promptTokenCount") or 0) + (tools or 0),
        output_tokens=(counts.get("candidatesTokenCount") or 0) + (thoughts or 0),
    )
    if thoughts is not None:
        usage.reasoning_output_tokens = thoughts
    if tools is not None:
        usage.tool_use_input_tokens = tools
    if counts.get("cachedContentTokenCount") is not None:
        usage.cache_read_input_tokens = counts["cachedContentTokenCount"]
    for field, *keys in (
        (usage.input_by_modality, "promptTokensDetails", "toolUsePromptTokensDetails"),
        (usage.output_by_modality, "candidatesTokensDetails"),
        (usage.cache_read_by_modality, "cacheTokensDetails"),
    ):
        sums: dict[content_pb2.Modality.ValueType, int] = {}
        for key in keys:
            for detail in counts.get(key) or ():
                modality = _MODALITIES.get(detail.get("modality"), content_pb2.MODALITY_UNSPECIFIED)
                sums[modality] = sums.get(modality, 0) + (detail.get("tokenCount") or 0)
        for modality, tokens in sums.items():
            field.add(modality=modality, tokens=tokens)
    return usage


class _Spans:
    """Turns byte offsets in the whole text of a candidate into code points of one of its parts."""

    def __init__(self, texts: list[_Text]) -> None:
        self._keys = [text.key for text in texts]
        self._texts = ["".join(text.pieces).encode("utf-8", "replace") for text in texts]
        self._starts = [0]
        for text in self._texts[:-1]:
            self._starts.append(self._starts[-1] + len(text))

    def find(self, start: int, end: int) -> tuple[str, int, int]:
        """(key of the part that holds the span's last byte, first code point, code point behind), cut to that part."""
        place = bisect_right(self._starts, max(end - 1, start, 0)) - 1
        while place and not self._texts[place]:
            place -= 1
        text, base = self._texts[place], self._starts[place]
        first, last = max(start - base, 0), max(end - base, 0)
        return self._keys[place], _code_points(text[:first]), _code_points(text[:last])


def _code_points(text: bytes) -> int:
    return len(text.decode("utf-8", "ignore"))


def _grounded(chunk: dict[str, Any]) -> content_pb2.Citation:
    """The citation of a groundingChunk, whatever its source is: web, maps, retrievedContext, image."""
    source: dict[str, Any] = next((value for value in chunk.values() if isinstance(value, dict)), {})
    return content_pb2.Citation(
        uri=source.get("uri") or source.get("sourceUri") or "",
        title=source.get("title") or "",
        cited_text=source.get("text") or "",
        source_id=source.get("placeId") or source.get("documentName") or "",
        provider_json=json.text(chunk),
    )


def _rating(wire: dict[str, Any]) -> gateway_pb2.SafetyRating:
    return gateway_pb2.SafetyRating(
        category=wire.get("category") or "", level=wire.get("probability") or "", blocked=bool(wire.get("blocked"))
    )


def _rich(ratings: Iterable[dict[str, Any]] | None) -> bool:
    """Whether ratings say more than a SafetyRating holds."""
    return any(rating.keys() - {"category", "probability", "blocked"} for rating in ratings or ())


def _signature(part: dict[str, Any]) -> bytes:
    text = part.get("thoughtSignature")
    return _bytes(text) if text else b""


def _bytes(text: str) -> bytes:
    """Base64 of either alphabet, with or without padding."""
    plain = text.translate(_URL_SAFE).rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4))


_URL_SAFE = str.maketrans("-_", "+/")


# ---------------------------------------------------------------- the seam
def parse_response(body: bytes, writer: EventWriter, dialect: Dialect, /) -> None:
    """A whole answer, or an array of chunks, of which one must say why the answer ended."""
    reader = Reader(writer)
    reader.feed("", body)
    if not body.lstrip().startswith(b"["):
        reader.end()
    reader.close()
    if not writer.done:
        raise errors.StreamTruncated
