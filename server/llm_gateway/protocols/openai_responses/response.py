"""Answers of the Responses API, whole and streamed, as the contract's events."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2, usage_pb2

from llm_gateway import errors
from llm_gateway.protocols import failures, json, reading
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.openai_chat.failure import ERROR_CODES as CHAT_CODES
from llm_gateway.protocols.openai_chat.response import SERVICE_TIERS
from llm_gateway.protocols.openai_chat.values import read_usage
from llm_gateway.protocols.openai_dialects import ResponsesDialect as Dialect
from llm_gateway.protocols.wire import CUSTOM

_Wire = dict[str, Any]
_Key = tuple[str, int, int]
_F = gateway_pb2

INCOMPLETE: Mapping[str, gateway_pb2.FinishReason.ValueType] = {
    "max_output_tokens": _F.FINISH_REASON_MAX_TOKENS,
    "content_filter": _F.FINISH_REASON_CONTENT_FILTER,
    "max_messages": _F.FINISH_REASON_PAUSED,
    "steered": _F.FINISH_REASON_PAUSED,
}
"""incomplete_details.reason; what is not here is OTHER."""

ERROR_CODES: Mapping[str, type[errors.ProviderError]] = {
    "server_error": errors.ProviderUnavailable,
    "slow_down": errors.ProviderOverloaded,
    "vector_store_timeout": errors.ProviderTimeout,
    "bio_policy": errors.ContentBlocked,
    "cyber_policy": errors.ContentBlocked,
    "misalignment_policy_violation": errors.ContentBlocked,
    "image_content_policy_violation": errors.ContentBlocked,
    "data_residency_mismatch": errors.CredentialsRejected,
    "failed_to_download_image": errors.MediaUnreachable,
    "image_file_not_found": errors.MediaUnreachable,
}
"""Codes of errors inside an answer (ResponseError.code), and of the error event, beside those that Chat Completions has too."""

_ECHO = frozenset({
    "id", "object", "created_at", "status", "error", "incomplete_details", "model", "output", "output_text", "usage", "service_tier",
    # what the request said
    "background", "conversation", "frequency_penalty", "include", "instructions", "max_output_tokens", "max_tool_calls", "metadata",
    "parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "reasoning", "safety_identifier", "store", "stream", "temperature", "text", "tool_choice", "tools",
    "top_logprobs", "top_p", "truncation", "user",
})  # fmt: skip
_USAGE = frozenset({
    "input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details", "cost",
    "cost_in_usd_ticks",
})  # fmt: skip
_CALL = frozenset({"type", "id", "status", "call_id", "name", "arguments", "input"})
_REASONING = frozenset({"type", "id", "status", "summary", "content", "encrypted_content"})
_IMAGE = frozenset({"type", "id", "status", "result"})


class Reader:
    """Reads the events of a stream, or the items of a whole answer."""

    __slots__ = (
        "_annotated", "_dialect", "_done", "_ids", "_items", "_keys", "_last", "_moved", "_refused", "_seen", "_tools", "_writer",
    )  # fmt: skip

    def __init__(self, writer: EventWriter, dialect: Dialect) -> None:
        self._writer = writer
        self._dialect = dialect
        self._items: dict[int, set[_Key]] = {}
        """Parts opened for an item, by its place: its output_index, or one that `_place` gave it. Ids may change from event to event
        (Copilot, OpenRouter) and do not tell items apart where there is a place."""
        self._keys: dict[int, tuple[str, str]] = {}
        """Id and phase of an item."""
        self._seen: dict[int, _Wire] = {}
        """What is known of an item that some event spoke of, by its place."""
        self._done: set[int] = set()
        """Places of the items that are written."""
        self._ids: dict[str, int] = {}
        """Places by id."""
        self._moved: dict[Any, int] = {}
        """Places of items whose output_index another item had before."""
        self._last = 0
        self._annotated: set[tuple[int, int, int]] = set()
        self._refused = False
        self._tools: dict[str, int] = {}

    # ------------------------------------------------------------ the seam
    def feed(self, event: str, data: bytes) -> None:
        """One event of a stream."""
        if data == b"[DONE]" or self._writer.done:
            return
        frame = json.decode(data)
        kind = frame.get("type")
        if "output_index" not in frame or self._moved:
            self._place(frame)
        if kind == "response.output_text.delta":
            key = ("text", frame["output_index"], frame.get("content_index", 0))
            if key not in self._items.get(key[1], ()):
                self._open(key)
            logprobs = frame.get("logprobs")
            self._writer.text(key, frame["delta"], logprobs=reading.logprobs(logprobs) if logprobs else ())
            return
        handle = _EVENTS.get(kind)
        if handle is not None:
            handle(self, frame)
        elif kind is None and not json.is_blank(frame.get("error")):
            raise _error(frame["error"], self._dialect)

    def _place(self, frame: _Wire) -> None:
        """Give an event of an item its place. llama.cpp leaves the output_index out: then ids tell items apart, and where ids change
        too, the order of events."""
        given = frame.get("output_index")
        if given is not None:
            frame["given_index"], frame["output_index"] = given, self._moved.get(given, given)
            return
        item = frame.get("item") or {}
        identity = frame.get("item_id") or item.get("id") or item.get("call_id")
        if not identity:
            return
        place = self._ids.get(identity)
        if place is None:
            begins = frame["type"] == "response.output_item.added" or self._last in self._done or not self._seen
            place = self._fresh() if begins else self._last
            self._ids[identity] = place
        self._last = frame["output_index"] = place

    def _fresh(self) -> int:
        """A place that no item has."""
        return max((*self._seen, *self._items), default=-1) + 1

    def _of_another(self, frame: _Wire) -> int:
        """A new place for an item whose output_index another item has: some servers number all items 0."""
        place = self._moved[frame.get("given_index", frame["output_index"])] = self._fresh()
        return place

    def close(self) -> None:
        """The end mark is an event of its own: a stream without it was cut."""

    def whole(self, response: _Wire) -> None:
        """A whole answer."""
        if "output" not in response and "status" not in response:
            if not json.is_blank(response.get("error")):
                raise _error(response["error"], self._dialect)
            raise errors.ResponseInvalid("The provider's answer has no output.")
        self._header(response)
        self._end(response)

    # ------------------------------------------------------------ the answer as a whole
    def _on_response(self, frame: _Wire) -> None:
        self._header(frame["response"])

    def _on_end(self, frame: _Wire) -> None:
        response = frame["response"]
        response["status"] = response.get("status") or frame["type"].removeprefix("response.")
        self._header(response)
        self._end(response)

    def _on_error(self, frame: _Wire) -> None:
        inner = frame.get("error")
        raise _error(inner if isinstance(inner, dict) else frame, self._dialect)

    def _header(self, response: _Wire) -> None:
        writer = self._writer
        writer.response_id = json.name(response.get("id")) or writer.response_id
        writer.response_model = json.name(response.get("model")) or writer.response_model
        if writer.create_time is None:
            writer.create_time = reading.moment(response.get("created_at"))
        tier = response.get("service_tier")
        if tier:
            writer.service_tier = SERVICE_TIERS.get(tier, _F.SERVICE_TIER_UNSPECIFIED)
            if not writer.service_tier:
                writer.metadata["service_tier"] = tier

    def _end(self, response: _Wire) -> None:
        """Read the end of the answer: items that no event told of, usage, and the finish reason."""
        writer = self._writer
        output: list[_Wire] = response.get("output") or []
        for place, item in zip(self._match(output), output, strict=True):
            self._item(self._fresh() if place is None else place, item)
        for place, item in list(self._seen.items()):
            if place not in self._done and _kind(item) == "call":
                self._item(place, item)  # without an end of its own, in an answer that does not repeat it
        self._usage(response.get("usage"))
        writer.metadata.update(
            (key, value) for key, value in response.items() if key not in _ECHO and value not in (None, "", [], {})
        )
        status = response.get("status") or "completed"
        if status in ("queued", "in_progress"):
            raise errors.ResponseInvalid("The provider goes on in the background; the answer is not whole.")
        if status == "failed" or not json.is_blank(response.get("error")):
            raise _error(response.get("error") or {}, self._dialect, usage=writer.usage)
        details = response.get("incomplete_details") or {}
        said = details.get("reason") or status
        if status == "incomplete":
            reason = INCOMPLETE.get(said, _F.FINISH_REASON_OTHER)
        elif status != "completed":
            reason = _F.FINISH_REASON_ERROR if status == "cancelled" else _F.FINISH_REASON_OTHER
        elif writer.saw_tool_call():
            reason = _F.FINISH_REASON_TOOL_CALLS
        elif self._refused:
            reason = _F.FINISH_REASON_REFUSAL
        else:
            reason = _F.FINISH_REASON_STOP
        writer.finish(reason, said)
        writer.end()

    def _match(self, output: list[_Wire]) -> list[int | None]:
        """The place at which each item of the whole answer was seen: by its id, else by its place there, else as the next of its kind."""
        found: list[int | None] = [None] * len(output)
        free = dict(self._seen)

        def by_id(number: int, item: _Wire) -> int | None:
            return self._ids.get(item.get("call_id") or item.get("id") or "")

        def by_place(number: int, item: _Wire) -> int | None:
            return number

        def by_order(number: int, item: _Wire) -> int | None:
            return next((place for place, known in free.items() if _same(known, item)), None)

        for how in (by_id, by_place, by_order):
            for number, item in enumerate(output) if free else ():
                if found[number] is None:
                    place = how(number, item)
                    if place is not None and place in free and _same(free[place], item):
                        found[number] = place
                        del free[place]
        return found

    def _usage(self, raw: _Wire | None) -> None:
        if not raw:
            return
        usage = read_usage(raw, "input", "output") or usage_pb2.Usage()
        for tool, uses in self._tools.items():
            usage.provider_tool_uses[tool] = uses
        self._writer.report_usage(usage)
        rest = {key: value for key, value in raw.items() if key not in _USAGE and value}
        if rest:
            self._writer.metadata["usage"] = rest

    # ------------------------------------------------------------ items
    def _item(self, index: int, item: _Wire) -> None:
        """Write what was not written yet of a finished item, and its end."""
        if index in self._done:
            return
        self._done.add(index)
        kind = item.get("type")
        identity = item.get("id") or ""
        self._know(index, item)
        self._keys.setdefault(index, (identity, item.get("phase") or ""))
        opened = self._items.setdefault(index, set())
        if kind == "message":
            self._message(index, item, opened)
        elif kind == "reasoning":
            self._reasoning(index, item, opened)
        elif kind in ("function_call", "custom_tool_call"):
            key = ("call", index, 0)
            if key not in opened and item.get("name"):
                self._call(index, item)
            if key in opened:
                if ("argued", index, 0) not in opened:
                    self._writer.arguments(key, self._arguments(item))
                self._writer.complete(key)
        elif kind == "image_generation_call" and item.get("result"):
            self._image(item)
        else:
            self._writer.opaque(kind or "", json.text(item), item_id=identity)
        if kind and kind.endswith("_call") and kind not in ("function_call", "custom_tool_call"):
            tool = kind.removesuffix("_call")
            self._tools[tool] = self._tools.get(tool, 0) + 1

    def _know(self, index: int, item: _Wire) -> None:
        """Note an item under its place and its ids."""
        known = self._seen.get(index)
        self._seen[index] = item if known is None else {**known, **item}
        for identity in (item.get("call_id"), item.get("id")):
            if identity:
                self._ids.setdefault(identity, index)

    def _open(self, key: _Key, part: content_pb2.Part | None = None) -> None:
        """Open the part of an item; text, refusal, summary or thought by the key's kind."""
        kind, index, _ = key
        if index not in self._seen:
            self._seen[index] = {"type": _HOLDERS[kind]}
        part = part or content_pb2.Part()
        if kind == "text":
            part.text.SetInParent()
        elif kind == "refusal":
            part.refusal.SetInParent()
            self._refused = True
        elif kind in ("summary", "thought"):
            part.reasoning.is_summary = kind == "summary"
        part.item_id, part.phase = self._keys.get(index, ("", ""))
        self._items.setdefault(index, set()).add(key)
        self._writer.start(key, part)

    def _message(self, index: int, item: _Wire, opened: set[_Key]) -> None:
        contents = item.get("content") or ()
        keys = [
            ({"output_text": "text", "refusal": "refusal"}.get(c.get("type"), ""), index, n)
            for n, c in enumerate(contents)
        ]
        for content, (key, told) in zip(contents, _opened(keys, opened), strict=True):
            kind = key[0]
            if not kind:
                self._writer.opaque(content.get("type") or "", json.text(content), item_id=item.get("id") or "")
                continue
            if not told:
                if not content.get(kind) and not content.get("annotations"):
                    continue  # nothing was said
                self._open(key)
                logprobs = reading.logprobs(content.get("logprobs"))
                self._writer.text(key, content.get(kind) or "", logprobs=logprobs)
            if self._writer.is_open(key) and kind == "text":
                for place, annotation in enumerate(content.get("annotations") or ()):
                    self._annotate(key, place, annotation)
            self._writer.complete(key)
        for key in opened:
            self._writer.complete(key)  # what the whole item does not repeat

    def _reasoning(self, index: int, item: _Wire, opened: set[_Key]) -> None:
        """Write a reasoning item. Its encrypted form goes with its last part. It is a part of its own where there is no text, and where the
        server adds fields of its own (`format`, `signature` of OpenRouter), which come too late for a part that was streamed."""
        summary, content = item.get("summary") or (), item.get("content") or ()
        keys = [("summary", index, n) for n in range(len(summary))] + [
            ("thought", index, n) for n in range(len(content))
        ]
        if not (summary and content):  # the field may have another name in the whole item than its deltas had
            names = {key[0] for key in opened}
            if len(names) == 1:
                keys = [(names.copy().pop(), index, n) for _, _, n in keys]
        for piece, (key, told) in zip((*summary, *content), _opened(keys, opened), strict=True):
            if not told and piece.get("text"):
                self._open(key)
                self._writer.text(key, piece["text"])
        encrypted = (item.get("encrypted_content") or "").encode()
        more = content_pb2.Part()
        self._keep(more, item, _REASONING)
        if not opened or more.provider_options_json:
            if not encrypted and not item.get("id") and not more.provider_options_json:
                return
            self._open(("summary" if not content else "thought", index, len(summary) + len(content)), more)
        *others, last = sorted(opened, key=lambda key: (key[0] == "thought", key[2]))
        for key in others:
            self._writer.complete(key)
        self._writer.complete(last, encrypted=encrypted)

    def _call(self, index: int, item: _Wire) -> None:
        """Begin a call that the caller answers. Fields that the contract does not have become options of the part."""
        call = content_pb2.ToolCall(id=item.get("call_id") or item.get("id") or "", name=item.get("name") or "")
        if item.get("type") == "custom_tool_call":
            call.provider_tool_type = CUSTOM
        part = content_pb2.Part(tool_call=call)
        self._keep(part, item, _CALL)
        self._keys.setdefault(index, (item.get("id") or "", ""))
        self._open(("call", index, 0), part)

    def _keep(self, part: content_pb2.Part, item: _Wire, known: frozenset[str]) -> None:
        rest = {key: value for key, value in item.items() if key not in known and not json.is_blank(value)}
        if rest:
            part.provider_options_json[self._writer.provider] = json.text(rest)

    def _arguments(self, item: _Wire) -> str:
        text = item.get("input") if item.get("type") == "custom_tool_call" else item.get("arguments")
        return text if isinstance(text, str) else json.text(text if text is not None else {})

    def _image(self, item: _Wire) -> None:
        kind = item.get("output_format") or "png"
        media = content_pb2.MediaPart(mime_type=f"image/{kind}", data=base64.b64decode(item["result"]))
        part = content_pb2.Part(media=media, item_id=item.get("id") or "")
        self._keep(part, item, _IMAGE)
        self._writer.whole(part)

    def _annotate(self, key: _Key, place: int, annotation: _Wire) -> None:
        mark = (key[1], key[2], place)
        if mark not in self._annotated:
            self._annotated.add(mark)
            self._writer.citation(key, _citation(annotation))

    # ------------------------------------------------------------ events
    def _on_item_added(self, frame: _Wire) -> None:
        item, index = frame["item"], frame["output_index"]
        if index in self._done or (index in self._seen and not _same(self._seen[index], item)):
            index = self._of_another(frame)
        self._know(index, item)
        self._keys[index] = (item.get("id") or "", item.get("phase") or "")
        opened = self._items.setdefault(index, set())
        if _kind(item) == "call" and item.get("name") and ("call", index, 0) not in opened:
            self._call(index, item)

    def _on_item_done(self, frame: _Wire) -> None:
        item, index = frame["item"], frame["output_index"]
        known = self._seen.get(index)
        if known is not None and (not _same(known, item) or (index in self._done and {**known, **item} != known)):
            index = self._of_another(frame)
        if item.get("phase"):
            self._keys[index] = (item.get("id") or "", item["phase"])
        self._item(index, item)

    def _on_refusal(self, frame: _Wire) -> None:
        self._grow(("refusal", frame["output_index"], frame.get("content_index", 0)), frame["delta"])

    def _on_summary(self, frame: _Wire) -> None:
        self._grow(("summary", frame["output_index"], frame.get("summary_index", 0)), frame["delta"])

    def _on_thought(self, frame: _Wire) -> None:
        self._grow(("thought", frame["output_index"], frame.get("content_index", 0)), frame["delta"])

    def _grow(self, key: _Key, text: str) -> None:
        if key not in self._items.get(key[1], ()):
            self._open(key)
        self._writer.text(key, text)

    def _on_arguments(self, frame: _Wire) -> None:
        key = ("call", frame["output_index"], 0)
        if key not in self._items.get(key[1], ()):
            if not frame.get("name"):
                return  # a call that nothing announced is told whole by the end of its item
            self._call(key[1], {"id": frame.get("item_id"), "call_id": frame.get("call_id"), "name": frame["name"]})
        self._writer.arguments(key, frame["delta"])
        self._items[key[1]].add(("argued", key[1], 0))

    def _on_arguments_done(self, frame: _Wire) -> None:
        """Servers that send no deltas send the arguments here."""
        index = frame["output_index"]
        argued = ("argued", index, 0)
        opened = self._items.setdefault(index, set())
        if ("call", index, 0) not in opened and frame.get("name"):
            self._call(index, {"id": frame.get("item_id"), "call_id": frame.get("call_id"), "name": frame["name"]})
        if argued not in opened and ("call", index, 0) in opened:
            text = frame.get("arguments", frame.get("input"))
            self._writer.arguments(("call", index, 0), text if isinstance(text, str) else json.text(text or {}))
            opened.add(argued)

    def _on_annotation(self, frame: _Wire) -> None:
        key = ("text", frame["output_index"], frame.get("content_index", 0))
        if self._writer.is_open(key):  # else the end of the item tells the text and its sources
            self._annotate(key, frame.get("annotation_index", len(self._annotated)), frame["annotation"])


_EVENTS: Mapping[Any, Callable[[Reader, _Wire], None]] = {
    "response.created": Reader._on_response,
    "response.queued": Reader._on_response,
    "response.in_progress": Reader._on_response,
    "response.output_item.added": Reader._on_item_added,
    "response.output_item.done": Reader._on_item_done,
    "response.output_text.annotation.added": Reader._on_annotation,
    "response.refusal.delta": Reader._on_refusal,
    "response.reasoning_summary_text.delta": Reader._on_summary,
    "response.reasoning_text.delta": Reader._on_thought,
    "response.function_call_arguments.delta": Reader._on_arguments,
    "response.function_call_arguments.done": Reader._on_arguments_done,
    "response.custom_tool_call_input.delta": Reader._on_arguments,
    "response.custom_tool_call_input.done": Reader._on_arguments_done,
    "response.completed": Reader._on_end,
    "response.incomplete": Reader._on_end,
    "response.failed": Reader._on_end,
    "response.cancelled": Reader._on_end,
    "error": Reader._on_error,
    "response.error": Reader._on_error,
}
"""Events that are not here (progress of the provider's own tools, ends of parts) say nothing that the ends of items do not say."""


_HOLDERS = {
    "text": "message", "refusal": "message", "summary": "reasoning", "thought": "reasoning", "call": "function_call",
}  # fmt: skip
"""Type of the item that a part belongs to."""


def _kind(item: _Wire) -> str:
    kind = item.get("type") or ""
    return "call" if kind in ("function_call", "custom_tool_call") else kind


def _same(known: _Wire, item: _Wire) -> bool:
    """Whether two events may speak of one item: it is of one kind, and a call has one id."""
    if _kind(known) != _kind(item):
        return False
    return not (known.get("call_id") and item.get("call_id")) or known["call_id"] == item["call_id"]


def _opened(keys: list[_Key], opened: set[_Key]) -> list[tuple[_Key, bool]]:
    """(key, whether it is open) of each piece of a whole item. A piece that was streamed under another number is taken for the next of its kind."""
    if not opened:
        return [(key, False) for key in keys]
    taken = opened.intersection(keys)
    rest = sorted(opened - taken)
    found = []
    for key in keys:
        if key not in taken:
            other = next((one for one in rest if one[0] == key[0]), None)
            if other is None:
                found.append((key, False))
                continue
            rest.remove(other)
            key = other
        found.append((key, True))
    return found


def _citation(annotation: _Wire) -> content_pb2.Citation:
    """url_citation, file_citation, container_file_citation and file_path."""
    place = annotation.get("index") or 0
    return content_pb2.Citation(
        start_index=annotation.get("start_index", place) or 0,
        end_index=annotation.get("end_index", place) or 0,
        uri=annotation.get("url") or "",
        title=annotation.get("title") or annotation.get("filename") or "",
        source_id=annotation.get("file_id") or "",
        provider_json=json.text(annotation),
    )


def _error(raw: Any, dialect: Dialect, usage: usage_pb2.Usage | None = None) -> errors.ProviderError:
    """The error inside an answer with HTTP status 200. Codes that blame the request stand for 400."""
    found = raw if isinstance(raw, dict) else {"message": raw}
    code = failures.word(found.get("code"))
    status = failures.named_status(code)
    if not status and code.startswith(("invalid", "image", "unsupported", "empty_image")):
        status = 400
    kind = failures.word(found.get("type"))
    error = failures.from_http(
        status,
        failures.NO_HEADERS,
        code=code,
        kind="" if kind in ("error", "response.failed") else kind,
        message=found.get("message"),
        codes={**CHAT_CODES, **ERROR_CODES, **dialect.chat.error_codes},
    )
    error.usage = usage
    return error


stream_parser = Reader


def parse_response(body: bytes, writer: EventWriter, dialect: Dialect, /) -> None:
    """A whole answer."""
    Reader(writer, dialect).whole(json.decode(body))
