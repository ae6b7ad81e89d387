"""Chat Completions answers, whole and streamed.

A whole answer and a chunk of a stream are read by the same code: `message` and `delta` have the same fields.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway import errors
from llm_gateway.protocols import callids, json, reading
from llm_gateway.protocols.events import EventWriter, FinishReason
from llm_gateway.protocols.framing import Sse
from llm_gateway.protocols.openai_chat import values
from llm_gateway.protocols.openai_chat.failure import raise_error, read_error
from llm_gateway.protocols.openai_dialects import ChatDialect as Dialect

_Wire = dict[str, Any]

FINISH_REASONS: Mapping[str, FinishReason.ValueType] = {
    "stop": gateway_pb2.FINISH_REASON_STOP,
    "eos": gateway_pb2.FINISH_REASON_STOP,
    "end_turn": gateway_pb2.FINISH_REASON_STOP,
    "length": gateway_pb2.FINISH_REASON_MAX_TOKENS,
    "max_tokens": gateway_pb2.FINISH_REASON_MAX_TOKENS,
    "model_length": gateway_pb2.FINISH_REASON_CONTEXT_WINDOW,
    "tool_calls": gateway_pb2.FINISH_REASON_TOOL_CALLS,
    "tool_use": gateway_pb2.FINISH_REASON_TOOL_CALLS,
    "function_call": gateway_pb2.FINISH_REASON_TOOL_CALLS,
    "content_filter": gateway_pb2.FINISH_REASON_CONTENT_FILTER,
    "error": gateway_pb2.FINISH_REASON_ERROR,
    "insufficient_system_resource": gateway_pb2.FINISH_REASON_ERROR,
}

SERVICE_TIERS: Mapping[str, gateway_pb2.ServiceTier.ValueType] = {
    "auto": gateway_pb2.SERVICE_TIER_AUTO,
    "default": gateway_pb2.SERVICE_TIER_STANDARD,
    "standard": gateway_pb2.SERVICE_TIER_STANDARD,
    "standard_only": gateway_pb2.SERVICE_TIER_STANDARD,
    "on_demand": gateway_pb2.SERVICE_TIER_STANDARD,
    "flex": gateway_pb2.SERVICE_TIER_FLEX,
    "priority": gateway_pb2.SERVICE_TIER_PRIORITY,
    "performance": gateway_pb2.SERVICE_TIER_PRIORITY,
    "fast": gateway_pb2.SERVICE_TIER_PRIORITY,
}

# Fields that are read below or say nothing; all others become metadata. `p` and `obfuscation` are random padding.
_READ = frozenset({
    "id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "error", "x_groq", "obfuscation", "p",
    "citations", "stream_options",
})  # fmt: skip
_READ_CHOICE = frozenset({
    "index", "delta", "message", "messages", "finish_reason", "logprobs", "content_filter_results", "error", "text",
})  # fmt: skip
_READ_MESSAGE = frozenset({
    "role", "content", "reasoning", "reasoning_content", "reasoning_text", "reasoning_details", "refusal", "annotations", "audio",
    "images", "tool_calls", "function_call", "obfuscation",
})  # fmt: skip
_STOPS = ("stop_reason", "matched_stop")  # vLLM, SGLang: the sequence as text, or a token as a number
_REASONING = ("reasoning_content", "reasoning", "reasoning_text")
_FLOWS = dict.fromkeys(_REASONING, "reasoning") | {"content": "text"}
_READ_USAGE = frozenset({
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
    "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "num_cached_tokens", "cached_tokens", "reasoning_tokens", "cost",
    "cost_in_usd_ticks", "estimated_cost", "service_tier",
})  # fmt: skip


def parse_response(body: bytes, writer: EventWriter, dialect: Dialect) -> None:
    text = body.lstrip()
    if text.startswith(b"data:") or text.startswith(b": "):  # a server that streams whether asked to or not
        _parse_streamed(text, writer, dialect)
        return
    value = json.decode(text)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise errors.ResponseInvalid("The provider's answer is not a JSON object.")
    answer = _Answer(writer, dialect)
    if not isinstance(value.get("choices"), list):
        if isinstance(value.get("usage"), dict):
            answer.usage(value["usage"])
        raise_error(value, dialect)
    answer.guarded(value, whole=True)
    if not answer.candidates:
        raise errors.ResponseInvalid("The provider's answer has no choices.")
    answer.end()


def _parse_streamed(text: bytes, writer: EventWriter, dialect: Dialect) -> None:
    framing = Sse()
    writer.streamed = True
    parser = stream_parser(writer, dialect)
    for event, data in framing.feed(text) + framing.close():
        parser.feed(event, data)
    parser.close()
    if not writer.done:
        raise errors.StreamTruncated()


class _Stream:
    """Reads chunks.

    Most chunks of a stream differ from the one before only in their text. So the bytes around the text of a chunk are kept; a chunk that
    begins and ends with the same bytes, and has neither quotation mark nor backslash between, is read without a JSON parser.
    """

    __slots__ = ("_answer", "_candidate", "_kind", "_least", "_prefix", "_suffix", "_writer")

    def __init__(self, writer: EventWriter, dialect: Dialect) -> None:
        self._writer = writer
        self._answer = _Answer(writer, dialect)
        self._prefix = self._suffix = b""
        self._least = sys.maxsize  # of a frame that may be read by its text: none yet
        self._kind = ""
        self._candidate = 0

    def feed(self, event: str, data: bytes) -> None:
        if data.startswith(self._prefix) and data.endswith(self._suffix) and len(data) >= self._least:
            middle = data[len(self._prefix) : len(data) - len(self._suffix)]
            if b'"' not in middle and b"\\" not in middle:
                try:
                    text = middle.decode()
                except UnicodeDecodeError:
                    pass
                else:
                    self._writer.flow(self._kind, text, candidate=self._candidate)
                    return
        if self._writer.done or not data:
            return
        if data.startswith(b"[DONE]"):
            self._least = sys.maxsize
            self._answer.end()
            return
        value = json.decode(data)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]  # so Gemini's errors come, by its OpenAI dialect too
        if not isinstance(value, dict):
            if event == "error":
                raise_error({"error": value}, self._answer.dialect)
            return
        if event == "error" or (value.get("object") == "error" and "choices" not in value):
            if isinstance(value.get("usage"), dict):
                self._answer.usage(value["usage"])
            raise_error(value, self._answer.dialect)
        self._answer.guarded(value)
        self._learn(data, value)

    def _learn(self, data: bytes, value: _Wire) -> None:
        """Keep the bytes around the text of a chunk, if its delta holds one text and nothing else. The rest of the chunk may come again
        unread, since it says nothing new; except log probabilities, which belong to the text."""
        choices = value.get("choices")
        if (
            not choices
            or len(choices) != 1
            or choices[0].get("logprobs")
            or not isinstance(choices[0].get("delta"), dict)
        ):
            return
        spoken = [name for name, item in choices[0]["delta"].items() if item and name != "role"]
        kind = _FLOWS.get(spoken[0]) if len(spoken) == 1 else None
        text = choices[0]["delta"][spoken[0]] if kind else None
        if kind is None or not isinstance(text, str) or not self._answer.flows(choices[0].get("index")):
            return
        mark = f'"{spoken[0]}"'.encode()
        at = data.find(mark)
        if data.find(mark, at + 1) >= 0:
            return
        start = data.find(b'"', at + len(mark)) + 1
        raw = text.encode()
        end = start + len(raw)
        if (
            data[at + len(mark) : start].replace(b" ", b"") == b':"'
            and data[start:end] == raw
            and data[end : end + 1] == b'"'
        ):
            self._prefix, self._suffix = data[:start], data[end:]
            self._least = len(self._prefix) + len(self._suffix)
            self._kind, self._candidate = kind, choices[0].get("index") or 0

    def close(self) -> None:
        if not self._writer.done and self._answer.finished():
            self._answer.end()


stream_parser = _Stream


_UNDECIDED, _THINKING, _PLAIN = range(3)


class _Call:
    """A tool call that is being read."""

    __slots__ = ("_pieces", "id", "index", "key", "kind", "name", "signature", "started")

    def __init__(self, key: int, index: int | None) -> None:
        self.key = key
        self.index = index
        self.id = self.name = self.kind = ""
        self._pieces: list[str] = []
        self.signature = b""
        self.started = False

    @property
    def arguments(self) -> str:
        """The arguments so far. They come in thousands of fragments, so they are joined only when asked for."""
        if len(self._pieces) > 1:
            self._pieces[:] = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def add(self, fragment: str) -> None:
        if fragment:
            self._pieces.append(fragment)

    def is_whole(self) -> bool:
        try:
            json.decode(self.arguments)
        except json.MalformedJson:
            return False
        return True


class _Candidate:
    """What is known of a candidate and not written yet."""

    __slots__ = (
        "annotations", "audio", "audio_id", "calls", "details", "error", "filters", "finish", "held", "index", "logprobs", "metadata",
        "refused", "think",
    )  # fmt: skip

    def __init__(self, index: int, think: int) -> None:
        self.index = index
        self.think = think
        self.held = ""
        self.calls: list[_Call] = []
        self.details: dict[Any, _Wire] = {}
        self.annotations: list[Any] = []
        self.filters: _Wire = {}
        self.metadata: _Wire = {}
        self.logprobs: list[gateway_pb2.TokenLogprob] = []
        self.finish = ""
        self.refused = False
        self.audio = False
        self.audio_id = ""
        self.error: Any = None


class _Answer:
    """Reads one answer into a writer."""

    __slots__ = ("candidates", "citations", "dialect", "writer")

    def __init__(self, writer: EventWriter, dialect: Dialect) -> None:
        self.writer = writer
        self.dialect = dialect
        self.candidates: dict[int, _Candidate] = {}
        self.citations: list[Any] = []

    def guarded(self, value: _Wire, whole: bool = False) -> None:
        """The same as `read`, for a value that may tell of an error: the error counts more than a field of a wrong type."""
        error = value.get("error")
        failed = bool(error) and not json.is_blank(error)
        try:
            self.read(value, whole)
        except json.WRONG_SHAPE:
            if not failed:
                raise
        if failed:  # what stands beside it counts: text, and above all usage
            raise_error(value, self.dialect)

    def read(self, value: _Wire, whole: bool) -> None:
        """Read one chunk, or the whole answer."""
        self.head(value)
        for choice in value.get("choices") or ():
            self.choice(choice, whole)
        usage = value.get("usage")
        if usage:
            self.usage(usage)
        if not value.keys() <= _READ:
            self.writer.metadata.update(json.beyond(value, _READ))
        citations = value.get("citations")
        if citations:
            if isinstance(citations, list):
                self.citations = citations
            self.writer.metadata["citations"] = citations
        groq = value.get("x_groq")
        if groq:
            self.groq(groq)

    def flows(self, index: Any) -> bool:
        """Whether the text of a candidate is written as it comes."""
        candidate = self.candidates.get(index or 0)
        return candidate is not None and candidate.think == _PLAIN

    def head(self, value: _Wire) -> None:
        writer = self.writer
        if not writer.response_id and value.get("id"):
            writer.response_id = json.name(value["id"])
        if not writer.response_model and value.get("model"):
            writer.response_model = json.name(value["model"])
        if writer.create_time is None and value.get("created"):
            writer.create_time = reading.moment(value["created"])
        fingerprint = value.get("system_fingerprint")
        if fingerprint:
            writer.system_fingerprint = json.name(fingerprint)
        tier = value.get("service_tier")
        if tier:
            self.tier(tier)

    def tier(self, tier: Any) -> None:
        if isinstance(tier, str) and tier in SERVICE_TIERS:
            self.writer.service_tier = SERVICE_TIERS[tier]
        else:
            self.writer.metadata["service_tier"] = tier

    def groq(self, groq: _Wire) -> None:
        if groq.get("usage"):
            self.usage(groq["usage"])
        if groq.get("error"):
            raise_error(groq if isinstance(groq["error"], dict) else {"error": groq["error"]}, self.dialect)
        rest = json.beyond(groq, ("usage", "error"))
        if rest:
            self.writer.metadata["x_groq"] = {**self.writer.metadata.get("x_groq", {}), **rest}  # type: ignore[dict-item]

    def usage(self, raw: _Wire) -> None:
        if raw.get("service_tier"):
            self.tier(raw["service_tier"])  # before the usage: the price depends on it
        usage = values.read_usage(raw)
        if usage is not None:
            self.writer.report_usage(usage)
        rest = json.beyond(raw, _READ_USAGE)
        if isinstance(raw.get("cost"), dict):
            rest["cost"] = raw["cost"]
        if rest:
            self.writer.metadata["usage"] = rest

    # ------------------------------------------------------------ choices
    def choice(self, choice: _Wire, whole: bool) -> None:
        index = choice.get("index") or 0
        candidate = self.candidates.get(index)
        if candidate is None:
            if not isinstance(index, int) or not 0 <= index < 1 << 31:
                raise ValueError("index")
            candidate = self.candidates[index] = _Candidate(index, _UNDECIDED if self.dialect.think_tags else _PLAIN)
        error = choice.get("error")
        if error and not json.is_blank(error):
            candidate.error = error
        message = choice.get("message" if whole else "delta")
        if message is None:
            message = choice.get("delta" if whole else "message")
        logprobs = choice.get("logprobs")
        if logprobs:
            self.logprobs(candidate, logprobs)
        if message:
            self.message(candidate, message, whole)
        elif choice.get("messages"):  # Mistral's agents answer with several
            for each in choice["messages"]:
                self.message(candidate, each, whole)
        elif choice.get("text"):
            self.text(candidate, choice["text"], whole)
        finish = choice.get("finish_reason")
        if finish and finish != "null":
            candidate.finish = finish if isinstance(finish, str) else json.text(finish)
        filters = choice.get("content_filter_results")
        if filters:
            candidate.filters.update(filters)
        if not choice.keys() <= _READ_CHOICE:
            candidate.metadata.update(json.beyond(choice, _READ_CHOICE))

    def message(self, candidate: _Candidate, message: _Wire, whole: bool) -> None:
        """A message or a delta. Parts are written in the order reasoning, text, refusal, sound, images, tool calls."""
        thought: Any = None
        for name in _REASONING:
            thought = message.get(name)
            if thought:
                if isinstance(thought, str):
                    self.think(candidate, thought)
                else:
                    self.unknown(candidate, name, thought)
                break
        details = message.get("reasoning_details")
        if details:
            self.reasoning_details(candidate, details, silent=bool(thought))
        content = message.get("content")
        if content:
            if isinstance(content, str):
                self.text(candidate, content, whole)
            else:
                self.content(candidate, content, whole)
        refusal = message.get("refusal")
        if refusal:
            candidate.refused = True
            self.release(candidate)
            self.writer.flow("refusal", refusal, candidate=candidate.index, logprobs=self.take(candidate))
        if message.get("annotations"):
            self.annotations(candidate, message["annotations"])
        if message.get("audio"):
            self.audio(candidate, message["audio"])
        for image in message.get("images") or ():
            self.image(candidate, image)
        calls, legacy = message.get("tool_calls"), message.get("function_call")
        for call in calls or ():
            if not json.is_blank(call):
                self.tool_call(candidate, call, whole)
        if legacy and not calls and not json.is_blank(legacy):
            self.tool_call(candidate, {"index": 0, "function": legacy}, whole)
        if not message.keys() <= _READ_MESSAGE:
            for key in message.keys() - _READ_MESSAGE:
                self.unknown(candidate, key, message[key])

    def unknown(self, candidate: _Candidate, key: str, value: Any) -> None:
        if value in (None, "", [], {}):
            return
        old = candidate.metadata.get(key)
        candidate.metadata[key] = old + value if isinstance(old, list) and isinstance(value, list) else value

    def take(self, candidate: _Candidate) -> list[gateway_pb2.TokenLogprob]:
        """Take the log probabilities that belong to the text that is written now."""
        if not candidate.logprobs:
            return []
        found, candidate.logprobs = candidate.logprobs, []
        return found

    # ------------------------------------------------------------ text and reasoning
    def think(self, candidate: _Candidate, text: str) -> None:
        if candidate.think == _UNDECIDED and not candidate.held:
            candidate.think = _PLAIN
        self.writer.flow("reasoning", text, candidate=candidate.index)

    def text(self, candidate: _Candidate, text: str, whole: bool) -> None:
        if candidate.think == _PLAIN:
            self.writer.flow("text", text, candidate=candidate.index, logprobs=self.take(candidate))
        else:
            self.tagged(candidate, text, whole)

    def tagged(self, candidate: _Candidate, text: str, whole: bool) -> None:
        """Read text of an answer that begins, or may yet begin, with <think>. The tag and what it holds may come in any number of pieces.

        A whole answer whose tag is never closed stays text as it came; in a stream, which cannot wait for that, it is reasoning."""
        candidate.held += text
        if candidate.think == _UNDECIDED:
            start = candidate.held.lstrip()
            if not whole and "<think>".startswith(start):
                return
            if not start.startswith("<think>") or (whole and "</think>" not in start):
                self.untag(candidate, candidate.held)
                return
            candidate.think = _THINKING
            candidate.held = start[7:]
        before, closed, after = candidate.held.partition("</think>")
        kept = (
            0
            if closed
            else next((n for n in range(min(7, len(before)), 0, -1) if "</think>".startswith(before[-n:])), 0)
        )
        self.writer.flow("reasoning", before[: len(before) - kept], candidate=candidate.index)
        if closed:
            self.untag(candidate, after)
        else:
            candidate.held = before[len(before) - kept :]

    def untag(self, candidate: _Candidate, text: str) -> None:
        """From here on all is plain text."""
        candidate.think = _PLAIN
        candidate.held = ""
        if text:
            self.writer.flow("text", text, candidate=candidate.index, logprobs=self.take(candidate))

    def release(self, candidate: _Candidate) -> None:
        """Write the text that is held back for a tag, before a part of another kind: parts keep the order of the answer."""
        held, candidate.held = candidate.held, ""
        if held and candidate.think == _THINKING:
            self.writer.flow("reasoning", held, candidate=candidate.index)
        elif held:
            self.writer.flow("text", held, candidate=candidate.index, logprobs=self.take(candidate))

    def content(self, candidate: _Candidate, content: Any, whole: bool) -> None:
        """Content that is no string: parts (Mistral, vLLM), or an object (Cloudflare, where it is the answer as JSON)."""
        if not isinstance(content, list):
            self.text(candidate, json.text(content), whole)
            return
        for part in content:
            if isinstance(part, str):
                self.text(candidate, part, whole)
                continue
            if not part:
                continue
            kind = part.get("type")
            if kind in ("text", "output_text") and isinstance(part.get("text"), str):
                self.text(candidate, part["text"], whole)
                if part.get("annotations"):
                    self.annotations(candidate, part["annotations"])
            elif kind == "thinking":
                self.thinking(candidate, part)
            elif kind == "refusal" and isinstance(part.get("refusal"), str):
                if part["refusal"]:
                    candidate.refused = True
                    self.release(candidate)
                    self.writer.flow("refusal", part["refusal"], candidate=candidate.index)
            elif kind == "reference":
                self.annotations(candidate, [part])
            elif kind == "image_url":
                self.image(candidate, part)
            else:
                self.opaque(candidate, str(kind or ""), part)

    def thinking(self, candidate: _Candidate, part: _Wire) -> None:
        """A `thinking` part of Mistral's: a list of texts and references, perhaps signed."""
        inner = part.get("thinking")
        for piece in inner if isinstance(inner, list) else [inner]:
            text = piece.get("text") if isinstance(piece, dict) else piece
            if isinstance(text, str):
                if text:
                    self.think(candidate, text)
            elif piece:
                self.unknown(candidate, "thinking", [piece])
        if part.get("signature"):
            self.writer.end_flow(candidate=candidate.index, signature=str(part["signature"]).encode())

    def reasoning_details(self, candidate: _Candidate, details: Iterable[Any], *, silent: bool) -> None:
        """OpenRouter's blocks of reasoning, to be sent back as they came; pieces of a stream are put together by index and type."""
        for detail in details:
            if not isinstance(detail, dict):
                continue
            for name in ("text", "summary"):
                if not silent and detail.get(name) and isinstance(detail[name], str):
                    self.think(candidate, detail[name])
            key = (detail.get("index", 0), detail.get("type"))
            known = candidate.details.get(key)
            if known is None:
                candidate.details[key] = dict(detail)
                continue
            for name, value in detail.items():
                old = known.get(name)
                if name in ("text", "summary", "data") and isinstance(old, str) and isinstance(value, str):
                    known[name] = old + value
                elif value is not None:
                    known[name] = value

    # ------------------------------------------------------------ what hangs on the text
    def annotations(self, candidate: _Candidate, annotations: Iterable[Any]) -> None:
        key = self.writer.flow_key(candidate=candidate.index)
        for annotation in annotations:
            citation = values.citation_of(annotation)
            if citation is None:
                self.unknown(candidate, "annotations", [annotation])
            elif key == ("flow", "text"):
                self.writer.citation(key, citation, candidate=candidate.index)
            else:
                candidate.annotations.append(annotation)

    def logprobs(self, candidate: _Candidate, logprobs: _Wire) -> None:
        for name in ("content", "refusal"):
            candidate.logprobs.extend(reading.logprobs(logprobs.get(name)))
        tokens = logprobs.get("tokens")  # the shape of the old Completions API, as Together sends it
        if isinstance(tokens, list) and not candidate.logprobs:
            likelihoods = logprobs.get("token_logprobs") or []
            candidate.logprobs.extend(
                gateway_pb2.TokenLogprob(token=str(token), logprob=value)
                for token, value in zip(tokens, likelihoods, strict=False)
                if isinstance(value, (int, float))
            )

    # ------------------------------------------------------------ media
    def audio(self, candidate: _Candidate, audio: _Wire) -> None:
        data, transcript = values.decoded(audio.get("data")), str(audio.get("transcript") or "")
        candidate.audio_id = candidate.audio_id or str(audio.get("id") or "")
        if not candidate.audio and (data or transcript):
            self.release(candidate)
            candidate.audio = True
            media = content_pb2.MediaPart(modality=content_pb2.MODALITY_AUDIO, mime_type=values.sound(data))
            part = content_pb2.Part(media=media, item_id=candidate.audio_id)
            self.writer.start("audio", part, candidate=candidate.index)
        if candidate.audio:
            self.writer.data("audio", data, candidate=candidate.index)
            self.writer.transcript("audio", transcript, candidate=candidate.index)
        if audio.get("expires_at"):
            candidate.metadata["audio"] = {"expires_at": audio["expires_at"]}

    def image(self, candidate: _Candidate, image: _Wire) -> None:
        url = image.get("image_url") if isinstance(image, dict) else image
        url = url.get("url") if isinstance(url, dict) else url
        if not isinstance(url, str):
            if not json.is_blank(image):
                self.opaque(candidate, "image", image)
            return
        if not url:
            return
        media = content_pb2.MediaPart(modality=content_pb2.MODALITY_IMAGE)
        head, comma, data = url.partition(",")
        if url.startswith("data:") and comma and head.endswith(";base64"):
            media.mime_type = head[5:].split(";")[0]
            media.data = values.decoded(data)
        else:
            media.uri = url
        self.release(candidate)
        self.writer.whole(content_pb2.Part(media=media), candidate=candidate.index)

    def opaque(self, candidate: _Candidate, kind: str, block: Any) -> None:
        self.release(candidate)
        self.writer.opaque(kind, json.text(block), candidate=candidate.index)

    # ------------------------------------------------------------ tool calls
    def tool_call(self, candidate: _Candidate, delta: _Wire, whole: bool) -> None:
        kind = str(delta.get("type") or "")
        function = delta.get("function")
        if function is None or (delta.get("custom") and json.is_blank(function)):
            function = delta.get("custom") or {}
        identity = delta.get("id")
        identity = "" if identity in (None, "null") else str(identity)
        name = function.get("name") or ""
        fragment = function.get("arguments", function.get("input"))
        if fragment is None:
            fragment = ""
        elif not isinstance(fragment, str):
            fragment = json.text(fragment)
        index = delta.get("index")
        if not isinstance(index, int):
            index = None
        call = None if whole else _known_call(candidate.calls, index, identity, name, fragment)
        if call is None:
            call = _Call(len(candidate.calls), index)
            candidate.calls.append(call)
        elif name and call.arguments and fragment == call.arguments:
            return  # the whole call once more
        call.id = call.id or identity
        call.name = call.name or name
        if kind not in ("", "function"):
            call.kind = kind
        extra = delta.get("extra_content")
        if isinstance(extra, dict):
            signature = (extra.get("google") or {}).get("thought_signature")
            if signature:
                call.signature = str(signature).encode()
        if fragment == "null" and not call.arguments:
            fragment = ""  # Groq's word for no arguments
        call.add(fragment)
        if call.started:
            self.writer.arguments(call.key, fragment, candidate=candidate.index)
        elif call.name:
            self.start_call(candidate, call)

    def start_call(self, candidate: _Candidate, call: _Call) -> None:
        part = content_pb2.Part()
        part.tool_call.id = call.id or callids.make_up(self.writer.response_id, candidate.index * 1000 + call.key)
        part.tool_call.name = call.name
        part.tool_call.provider_tool_type = call.kind
        if call.signature:
            part.signature, part.signature_provider = call.signature, self.writer.provider
        call.started = True
        self.release(candidate)
        self.writer.start(call.key, part, candidate=candidate.index)
        self.writer.arguments(call.key, call.arguments, candidate=candidate.index)

    # ------------------------------------------------------------ the end
    def finished(self) -> bool:
        """Whether every candidate has a finish reason, which is the only end mark of servers that send no [DONE]."""
        return bool(self.candidates) and all(
            candidate.finish or candidate.error for candidate in self.candidates.values()
        )

    def end(self) -> None:
        failed = [candidate.error for candidate in self.candidates.values() if candidate.error]
        if failed and len(failed) == len(self.candidates):
            error = read_error({"error": failed[0]}, self.dialect)
            error.usage = self.writer.usage
            raise error
        for index in sorted(self.candidates):
            self.end_candidate(self.candidates[index])
        self.writer.end()

    def end_candidate(self, candidate: _Candidate) -> None:
        writer, index = self.writer, candidate.index
        self.release(candidate)
        self.cite(candidate)
        for call in candidate.calls:
            if not call.started:  # a call without a name is none: nobody can run it
                if call.arguments:
                    self.unknown(candidate, "tool_calls", [{"id": call.id, "arguments": call.arguments}])
                continue
            if not call.arguments and call.kind != "custom":
                writer.arguments(call.key, "{}", candidate=index)
        if any(detail.get(name) for detail in candidate.details.values() for name in ("signature", "data", "id")):
            for detail in candidate.details.values():
                self.opaque(candidate, "reasoning_details", detail)
        stop = next((name for name in _STOPS if isinstance(candidate.metadata.get(name), str)), "")
        stop_sequence = candidate.metadata.pop(stop) if stop else ""
        ratings = values.ratings(candidate.filters, candidate.metadata)
        reason = FINISH_REASONS.get(candidate.finish, gateway_pb2.FINISH_REASON_OTHER) if candidate.finish else 0
        if reason in (0, gateway_pb2.FINISH_REASON_STOP):
            if writer.saw_tool_call(index):
                reason = gateway_pb2.FINISH_REASON_TOOL_CALLS  # so too after a forced choice, which ends with "stop"
            elif candidate.refused:
                reason = gateway_pb2.FINISH_REASON_REFUSAL
        elif reason == gateway_pb2.FINISH_REASON_TOOL_CALLS and "tool_calls" in candidate.metadata:
            reason = gateway_pb2.FINISH_REASON_MALFORMED_TOOL_CALL
        message = ""
        if candidate.error:  # of one choice of several: the others stand
            reason = gateway_pb2.FINISH_REASON_ERROR
            message = read_error({"error": candidate.error}, self.dialect).provider_message
        completed = writer.finish(
            reason,  # type: ignore[arg-type]
            candidate.finish or ("error" if candidate.error else ""),
            candidate=index,
            message=message,
            stop_sequence=stop_sequence,
            metadata=json.text(candidate.metadata) if candidate.metadata else "",
        )
        completed.safety_ratings.extend(ratings)
        completed.logprobs.extend(self.take(candidate))

    def cite(self, candidate: _Candidate) -> None:
        """Write the citations that came before their text, and those that name no span (Perplexity)."""
        found = [citation for annotation in candidate.annotations if (citation := values.citation_of(annotation))]
        if candidate.index == 0 and self.citations:
            results = self.writer.metadata.get("search_results")
            known = (
                {r["url"]: r for r in results if isinstance(r, dict) and isinstance(r.get("url"), str)}
                if isinstance(results, list)
                else {}
            )
            for url in self.citations:
                if isinstance(url, str):
                    title = known.get(url, {}).get("title")
                    found.append(content_pb2.Citation(uri=url, title=title if isinstance(title, str) else ""))
        key = self.writer.flow_key(candidate=candidate.index)
        if key == ("flow", "text"):
            for citation in found:
                self.writer.citation(key, citation, candidate=candidate.index)
        elif candidate.annotations:
            self.unknown(candidate, "annotations", candidate.annotations)


def _known_call(calls: list[_Call], index: int | None, identity: str, name: str, fragment: str) -> _Call | None:
    """The call that a delta continues; None when it begins one.

    By index where there is one: an id may change from delta to delta. Servers that leave the index out, or count every call as 0, are
    told apart by id, else by name.
    """
    if not calls:
        return None
    if index is not None:
        call = next((call for call in reversed(calls) if call.index == index), None)
        if call is None:
            return None
        if name and identity and call.id and identity != call.id and (name != call.name or call.is_whole()):
            return None  # a new call under the old index
    elif identity:
        call = next((call for call in reversed(calls) if call.id == identity), None)
        if call is None:
            return None if name else calls[-1]
    elif name:
        return None
    else:
        return calls[-1]
    if name and not identity and call.name and call.arguments and call.is_whole():
        return None
    if name and fragment and call.arguments and index is None and fragment != call.arguments and call.is_whole():
        return None
    return call
