"""EventWriter: the one place where parsed answers become the contract's stream events.

It keeps the contract's promises, whatever a provider sends: a part starts before it grows, its index follows its predecessor's,
every part is completed once and every candidate once, and fragments that arrive together leave together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress

from google.protobuf import timestamp_pb2
from llmgateway.v1 import content_pb2, gateway_pb2, usage_pb2

from llm_gateway.errors import ResponseInvalid, StreamTruncated
from llm_gateway.protocols import json

MOST_PARTS = 2048
"""Parts of one candidate. No model writes so many; a provider that sends more would hold up every other call."""
MOST_COUNTED = 1 << 53
"""Tokens, or billionths of a USD, of one answer: JSON counts no further exactly, and sums of them fit an int64."""
Event = gateway_pb2.StreamSendResponse
FinishReason = gateway_pb2.FinishReason


class EventWriter:
    """Collects the events of one answer. Parsers write, the caller drains.

    A part is addressed by its candidate and by a `key` of the parser's choice (a block index, say). Text without block
    boundaries goes through `flow`, which opens and completes parts as the kind changes.

    provider: id put beside signatures. price: called with every Usage before it is written, and with this writer, to add the cost.

    After a drain: `committed` tells whether content, or the end, was ever written (the commit rule); `done` whether the provider's
    end mark was seen; `usage` is the last usage reported; `characters` counts what the model wrote, `counted` what of it the usage covers.
    `wanted`: candidates that the provider was asked for; `streamed`: it answers by a stream, which may be cut. The other attributes describe the response; parsers set them.
    """

    __slots__ = (
        "_events", "_finishes", "_flow", "_held", "_merge", "_open", "_parts", "_pieces", "_price", "_tool_calls", "_whole", "characters", "committed", "counted", "create_time", "done",
        "malformed", "metadata", "provider", "response_id", "response_model", "service_tier", "streamed", "system_fingerprint", "usage", "wanted",
    )  # fmt: skip

    def __init__(
        self,
        provider: str,
        price: Callable[[usage_pb2.Usage, EventWriter], None] | None = None,
        *,
        whole: bool = False,
    ) -> None:
        """whole: the answer is read at once, to be folded; then a part and its text are one event, and its end needs none."""
        self.provider = provider
        self.response_id = ""
        self.response_model = ""
        self.service_tier: gateway_pb2.ServiceTier.ValueType = gateway_pb2.SERVICE_TIER_UNSPECIFIED
        self.system_fingerprint = ""
        self.create_time: timestamp_pb2.Timestamp | None = None
        self.metadata: dict[str, object] = {}
        self.usage: usage_pb2.Usage | None = None
        self.streamed = False
        self.wanted = 1
        self.characters = self.counted = 0
        self.committed = False
        self.done = False
        self.malformed = 0
        self._held: tuple[Callable[[], usage_pb2.Usage], int] | None = None
        self._price = price
        self._whole = whole
        self._events: list[Event] = []
        self._parts: dict[int, int] = {}
        self._open: dict[tuple[int, Hashable], int] = {}
        self._flow: dict[int, str] = {}
        self._tool_calls: set[int] = set()
        self._finishes: dict[int, gateway_pb2.CandidateCompleted] = {}
        self._merge: tuple[int, int, str] | None = None
        self._pieces: list[str] = []

    # ------------------------------------------------------------ parts
    def start(self, key: Hashable, part: content_pb2.Part, *, candidate: int = 0) -> None:
        """Open a part with what is known of it. A tool call commits the answer."""
        self.end_flow(candidate)
        self._start(candidate, key, part)

    def _start(self, candidate: int, key: Hashable, part: content_pb2.Part) -> None:
        index = self._parts.get(candidate, 0)
        if index == MOST_PARTS:
            raise ResponseInvalid(f"The provider's answer has more than {MOST_PARTS} parts.")
        self._parts[candidate] = index + 1
        self._open[candidate, key] = index
        event = Event()
        started = event.part_started
        started.candidate_index = candidate
        started.part_index = index
        started.part.CopyFrom(part)
        self._put(event)
        if self._whole:
            self._merge = (candidate, index, "started")
        kind = part.WhichOneof("kind")
        if kind == "tool_call":
            if not part.tool_call.provider_executed:
                self._tool_calls.add(candidate)
            self.committed = True

    def is_open(self, key: Hashable, *, candidate: int = 0) -> bool:
        """Whether a part with this key is open."""
        return (candidate, key) in self._open

    def ensure(self, key: Hashable, kind: str) -> None:
        """Open an empty part of text, or of reasoning that the provider signs, unless one with this key is open."""
        if not self.is_open(key):
            part = content_pb2.Part(signature_provider=self.provider if kind == "reasoning" else "")
            getattr(part, kind).SetInParent()
            self.start(key, part)

    def text(
        self,
        key: Hashable,
        text: str,
        *,
        candidate: int = 0,
        logprobs: Sequence[gateway_pb2.TokenLogprob] = (),
    ) -> None:
        """Append to the text of an open text, reasoning or refusal part. An empty text without log probabilities does nothing."""
        if not text and not logprobs:
            return
        index = self._open[candidate, key]
        if self._merge == (candidate, index, "started"):
            part = self._events[-1].part_started.part
            grown = getattr(part, part.WhichOneof("kind") or "text")
            grown.text += text
            if logprobs:
                self._delta(candidate, index, "text").logprobs.extend(logprobs)
            self.characters += len(text)
            self.committed = True
            return
        if self._merge == (candidate, index, "text"):
            if type(text) is not str:  # here, not when all are joined: the parser's guard is around this call
                raise TypeError("text")
            delta = self._events[-1].part_delta
            self._pieces.append(text)
        else:
            delta = self._delta(candidate, index, "text")
            delta.text = text
        if logprobs:
            delta.logprobs.extend(logprobs)
        self.characters += len(text)
        self.committed = True

    def arguments(self, key: Hashable, fragment: str, *, candidate: int = 0) -> None:
        """Append to the arguments of an open tool call."""
        if not fragment:
            return
        index = self._open[candidate, key]
        self.characters += len(fragment)
        if self._merge == (candidate, index, "arguments"):
            if type(fragment) is not str:
                raise TypeError("arguments")
            self._pieces.append(fragment)
        else:
            self._delta(candidate, index, "arguments").arguments_json = fragment

    def data(self, key: Hashable, data: bytes, *, candidate: int = 0) -> None:
        """Append bytes to an open media part."""
        if data:
            self._delta(candidate, self._open[candidate, key], "").data = data
            self.committed = True

    def transcript(self, key: Hashable, text: str, *, candidate: int = 0) -> None:
        """Append to the transcript of an open media part."""
        if text:
            self._delta(candidate, self._open[candidate, key], "").transcript = text
            self.committed = True

    def citation(self, key: Hashable, citation: content_pb2.Citation, *, candidate: int = 0) -> None:
        """Add a citation to an open text part."""
        self._delta(candidate, self._open[candidate, key], "").citation.CopyFrom(citation)

    def complete(self, key: Hashable, *, candidate: int = 0, signature: bytes = b"", encrypted: bytes = b"") -> None:
        """Complete an open part; a key that is not open is ignored."""
        index = self._open.pop((candidate, key), None)
        if index is None or (self._whole and not signature and not encrypted):
            return
        event = Event()
        completed = event.part_completed
        completed.candidate_index = candidate
        completed.part_index = index
        if signature:
            completed.signature = signature
            completed.signature_provider = self.provider
        if encrypted:
            completed.encrypted = encrypted
            completed.signature_provider = self.provider
        self._put(event)
        if signature or encrypted:
            self.committed = True

    def flow(
        self,
        kind: str,
        text: str,
        *,
        candidate: int = 0,
        logprobs: Sequence[gateway_pb2.TokenLogprob] = (),
    ) -> None:
        """Append text of a kind ("text", "reasoning" or "refusal") that has no block boundaries, in a part of its own."""
        if not text and not logprobs:
            return
        if self._flow.get(candidate) != kind:
            self.end_flow(candidate)
            self._flow[candidate] = kind
            part = content_pb2.Part()
            getattr(part, kind).SetInParent()
            self._start(candidate, ("flow", kind), part)
        self.text(("flow", kind), text, candidate=candidate, logprobs=logprobs)

    def end_flow(self, candidate: int = 0, signature: bytes = b"") -> None:
        """Complete the part that `flow` has open, if any."""
        kind = self._flow.pop(candidate, None)
        if kind is not None:
            self.complete(("flow", kind), candidate=candidate, signature=signature)

    def flow_key(self, *, candidate: int = 0) -> Hashable | None:
        """Key of the part that `flow` has open, for citations and the like; None when none is."""
        kind = self._flow.get(candidate)
        return ("flow", kind) if kind else None

    def whole(self, part: content_pb2.Part, *, candidate: int = 0) -> None:
        """A part that is known whole."""
        self.end_flow(candidate)
        self._start(candidate, ("whole",), part)
        self.complete(("whole",), candidate=candidate)
        self.committed = True

    def opaque(self, kind: str, text: str, *, candidate: int = 0, item_id: str = "") -> None:
        """A block of the provider's own that the contract has no part for, as JSON text; it goes back to this provider as it came."""
        block = content_pb2.OpaquePart(provider=self.provider, type=kind, json=text)
        self.whole(content_pb2.Part(opaque=block, item_id=item_id), candidate=candidate)

    @property
    def empty(self) -> bool:
        """Whether no candidate was ever spoken of."""
        return not self._parts and not self._finishes

    def saw_tool_call(self, candidate: int = 0) -> bool:
        """Whether the candidate asked for a tool that the caller must run."""
        return candidate in self._tool_calls

    # ------------------------------------------------------------ the rest of an answer
    def report_usage(self, usage: usage_pb2.Usage) -> None:
        """Usage so far. Totals must be inclusive; total_tokens is filled in when 0. Raises ValueError for counts above MOST_COUNTED."""
        if not usage.total_tokens:
            usage.total_tokens = usage.input_tokens + usage.output_tokens
        if self._price is not None:
            self._price(usage, self)
        if (
            max(usage.total_tokens, usage.input_tokens, usage.output_tokens, usage.provider_cost_nano_usd)
            > MOST_COUNTED
        ):
            raise ValueError("usage")
        if usage.output_tokens:
            self.counted = self.characters
        if usage == self.usage:
            return
        self.usage = usage
        event = Event()
        event.usage.CopyFrom(usage)
        self._put(event)

    def hold_usage(self, usage: Callable[[], usage_pb2.Usage]) -> None:
        """Note the usage so far, which is not worth an event; `report_held` reports it for an answer that ends early."""
        self._held = usage, self.characters

    def report_held(self) -> None:
        """Report the usage that `hold_usage` noted last, unless its counts cannot be read."""
        if self._held is None:
            return
        read, characters = self._held
        with suppress(TypeError, ValueError, AttributeError, OverflowError):
            usage = read()
            self.report_usage(usage)
            self.counted = characters

    def warn(self, reason: str, field: str, message: str) -> None:
        """A notice for the caller."""
        event = Event()
        event.warning.reason, event.warning.field, event.warning.message = reason, field, message
        self._put(event)

    def finish(
        self,
        reason: FinishReason.ValueType,
        provider_reason: str = "",
        *,
        candidate: int = 0,
        message: str = "",
        stop_sequence: str = "",
        metadata: str = "",
    ) -> gateway_pb2.CandidateCompleted:
        """Note why a candidate ended; written by `end`. Returns the event's body for what else belongs to it."""
        completed = self._finishes.setdefault(candidate, gateway_pb2.CandidateCompleted(candidate_index=candidate))
        completed.finish_reason = reason
        completed.provider_finish_reason = provider_reason
        if message:
            completed.finish_message = message
        if stop_sequence:
            completed.stop_sequence = stop_sequence
        if metadata:
            completed.provider_metadata_json = metadata
        return completed

    def finished(self, candidate: int = 0) -> gateway_pb2.CandidateCompleted | None:
        """What `finish` noted."""
        return self._finishes.get(candidate)

    def finishes(self) -> list[gateway_pb2.CandidateCompleted]:
        """What `finish` noted of all candidates, in their order."""
        return [self._finishes[candidate] for candidate in sorted(self._finishes)]

    def end(self) -> None:
        """The provider's end mark has come: complete what is open, parts first, then candidates in order. Later calls do nothing.

        A stream in which not every wanted candidate has ended was cut, whatever mark it bears: raises StreamTruncated. A body that is
        whole, with fewer answers than were asked for, is an answer with a warning; so is one without usage.
        """
        if self.done:
            return
        if self.wanted > 1:
            self._check_candidates()
        if self.usage is None and self._parts:
            self.warn(
                "USAGE_MISSING", "", "The provider did not say what the answer used: neither tokens nor cost are known."
            )
        self.done = self.committed = True
        self._flow.clear()
        for candidate, key in sorted(self._open, key=lambda opened: (opened[0], self._open[opened])):
            self.complete(key, candidate=candidate)
        for candidate in sorted(self._parts.keys() | self._finishes.keys()):
            event = Event()
            event.candidate_completed.candidate_index = candidate
            if candidate in self._finishes:
                event.candidate_completed.CopyFrom(self._finishes[candidate])
            self._put(event)

    def metadata_json(self) -> str:
        """`metadata` as JSON text."""
        return json.text(self.metadata)

    def drain(self) -> list[Event]:
        """The events written since the last drain."""
        if self._pieces:
            self._join()
        events, self._events = self._events, []
        self._merge = None
        return events

    # ------------------------------------------------------------ inside
    def _check_candidates(self) -> None:
        ended = sum(bool(finish.provider_finish_reason) for finish in self._finishes.values())
        if ended >= self.wanted:
            return
        if self.streamed:
            raise StreamTruncated(f"The stream ended when {ended} of {self.wanted} candidates had ended.")
        self.warn(
            "CANDIDATES_MISSING",
            "generation_config.candidate_count",
            f"{self.wanted} candidates were asked for, the provider gave {ended}.",
        )

    def _delta(self, candidate: int, index: int, merge: str) -> gateway_pb2.PartDelta:
        if self._pieces:
            self._join()
        event = Event()
        delta = event.part_delta
        delta.part_index = index
        if candidate:
            delta.candidate_index = candidate
        self._events.append(event)
        self._merge = (candidate, index, merge) if merge else None
        return delta

    def _join(self) -> None:
        """Add the merged fragments to their event. All at once: protobuf keeps every value that a field has had until the message goes."""
        delta = self._events[-1].part_delta
        added = "".join(self._pieces)
        self._pieces.clear()
        if delta.HasField("arguments_json"):
            delta.arguments_json += added
        else:
            delta.text += added

    def _put(self, event: Event) -> None:
        if self._pieces:
            self._join()
        self._events.append(event)
        self._merge = None
