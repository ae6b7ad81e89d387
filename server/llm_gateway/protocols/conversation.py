"""The one walk over a conversation: messages, their parts, and the parts of tool results.

A wire format subclasses `Conversation`. It has a leaf, a method named like the kind, for each kind of part that it carries, and puts
what the leaves return where its provider wants it: roles, order and merging are the format's. What is the same everywhere is done here:
what belongs to another provider is left out, media are read once, options are merged last, and whatever the format does not take is
named in a warning, be it a kind of part without a leaf, or a field that no leaf and no hook handles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final, NoReturn

from llmgateway.v1 import content_pb2

from llm_gateway.protocols import json
from llm_gateway.protocols.media import Medium
from llm_gateway.protocols.wire import CUSTOM, Rendering, refuse

Wire = dict[str, Any]
Leaf = Callable[[Any, content_pb2.Part, Any], Wire | None]

KINDS = tuple(field.name for field in content_pb2.Part.DESCRIPTOR.oneofs_by_name["kind"].fields)
LOOSE: Final[Wire] = {}
"""Returned by a leaf that sent its part, but not as an object of its own, such as a text that joins a string."""

_ASSISTANT = content_pb2.ROLE_ASSISTANT


def plain(parts: Sequence[content_pb2.Part]) -> str | None:
    """The text, if these parts are a single text and nothing else."""
    if len(parts) != 1:
        return None
    part = parts[0]
    if not part.HasField("text") or part.HasField("cache_control") or part.signature or part.provider_options_json:
        return None
    text = part.text
    return None if text.citations else text.text


class Conversation:
    """One walk in progress. A leaf gets the part and what its kind holds (`TextPart`, `Medium`, `ToolCall`, ...), and returns the part's
    object on the wire; LOOSE if it has none; None if nothing is sent, for which the leaf has then given the warning itself, unless a
    text was blank."""

    leaves: ClassVar[Mapping[str, Leaf]] = {}
    """By kind of part: the methods of these names."""
    lacks: ClassVar[Mapping[str, str]] = {}
    """Why there is no leaf, by kind of part."""
    in_results: ClassVar[frozenset[str]] = frozenset(KINDS) - {"tool_call", "tool_result"}
    """Kinds that results of tools may hold."""
    names_kind: ClassVar[frozenset[str]] = frozenset({"tool_call"})
    """Kinds that a warning names below the part that was left out."""
    cites: ClassVar[bool] = False
    """The leaf of texts deals with their sources itself."""
    own_objects: ClassVar[bool] = True
    """Options can be merged into what leaves return."""

    def __init_subclass__(cls) -> None:
        cls.leaves = {kind: getattr(cls, kind) for kind in KINDS if hasattr(cls, kind)}

    def __init__(self, rendering: Rendering) -> None:
        self.rendering = rendering
        self.notes = rendering.notes
        self.index = 0
        """Of the message."""
        self.role: int = content_pb2.ROLE_UNSPECIFIED
        """Its role."""
        self.place = 0
        """Of the part in it."""
        self.inner = -1
        """Of the part in a tool's result; -1 outside."""
        self.placed = False
        """Whether the options of the message were merged into something."""

    # ------------------------------------------------------------ what a format has
    def message(self, message: content_pb2.Message) -> None:
        """Render one message, by `each` and `render`."""
        raise NotImplementedError

    def names(self, message: content_pb2.Message) -> bool:
        """Whether the format has a field for the name of a message."""
        return False

    def breakpoint(self, part: content_pb2.Part, kind: str, wire: Wire | None) -> bool:
        """Put the cache breakpoint of a part into its object, which is None where nothing of it is sent; returns whether that was
        possible."""
        return False

    def sign(self, part: content_pb2.Part, kind: str, wire: Wire | None) -> bool:
        """Put the signature of a part into its object; returns whether that was possible."""
        return False

    def foreign(self, kind: str) -> None:
        """A part of another provider is left out."""

    # ------------------------------------------------------------ the walk
    def walk(self) -> None:
        """Render every message, in order."""
        for index, message in enumerate(self.rendering.request.messages):
            self.index = index
            self.role = message.role
            if message.name and not self.names(message):
                self.notes.dropped(f"messages[{self.index}].name", "There are no names of participants here.")
            if not message.provider_options_json:
                self.message(message)
                continue
            self.placed = False
            self.message(message)
            if not self.placed and self.rendering.options(message.provider_options_json):
                told = "Such a message has no object of its own here."
                self.notes.dropped(f"messages[{index}].provider_options_json", told)

    def each(self, parts: Iterable[content_pb2.Part]) -> Iterator[content_pb2.Part]:
        """The parts of the message, one after the other at its place."""
        for place, part in enumerate(parts):
            self.place = place
            yield part

    def within(self, result: content_pb2.ToolResult) -> Iterator[content_pb2.Part]:
        """The same for the parts of a tool's result."""
        for place, part in enumerate(result.parts):
            self.inner = place
            yield part
        self.inner = -1

    def render(self, part: content_pb2.Part) -> Wire | None:
        """The object of the part at this index; LOOSE where it has none, None where nothing of it is sent."""
        kind: str | None = part.WhichOneof("kind")
        leaf = self.leaves.get(kind)  # type: ignore[arg-type]
        if kind is None or leaf is None:
            self._leafless(kind)
            return None
        what = getattr(part, kind)
        if kind == "media":
            what = Medium(what)
        if self.inner >= 0 and kind not in self.in_results:
            self.refuse("", f"A tool's result cannot hold a {kind} here.")
        wire = None if kind != "text" and self._foreign(part, kind, what) else leaf(self, part, what)
        if wire is None and kind != "text":
            if part.HasField("cache_control"):
                self.breakpoint(part, kind, None)
            return None
        if part.HasField("cache_control") and not self.breakpoint(part, kind, wire):
            self.dropped(".cache_control", "There is no place for a cache breakpoint of the caller's here.")
        if part.signature and not self.sign(part, kind, wire):
            self.dropped(".signature", "There is no place for the signature of such a part.")
        if kind == "text":
            if not self.cites and what.citations:
                self.dropped(".text.citations", "There is no place for the sources of a text.")
        elif kind == "media":
            for name in what.left():
                self.dropped(f".media.{name}", "There is no such setting of a medium of this kind.")
        elif kind == "refusal" and what.category:
            self.dropped(".refusal.category", "There is no place for the category of a refusal.")
        if part.provider_options_json:
            if wire and self.own_objects:
                return self.rendering.merged(wire, part.provider_options_json)
            if self.rendering.options(part.provider_options_json):
                self.dropped(".provider_options_json", "Such a part has no object of its own here.")
        return wire

    def _leafless(self, kind: str | None) -> None:
        if kind is None:
            refuse(self.at, "holds nothing", "REQUIRED")
        self.dropped("", self.lacks.get(kind) or f"The provider has no such kind of part ({kind}).")

    def _foreign(self, part: content_pb2.Part, kind: str, what: Any) -> bool:
        """Whether the part belongs to another provider and is left out."""
        if kind == "tool_call":
            if not what.provider_executed:
                return False
            why = "The call was run by another provider."
        elif kind == "opaque" and not self.rendering.owns(what.provider):
            why = "A block of another provider."
        elif kind == "reasoning" and part.signature_provider and not self.rendering.owns(part.signature_provider):
            why = "Reasoning of another provider."
        else:
            return False
        self.foreign(kind)
        self.left_out(kind, why)
        return True

    # ------------------------------------------------------------ for the format
    def whole(self, wire: Wire, message: content_pb2.Message) -> Wire:
        """The object of a message, or one of several, with its options merged last."""
        self.placed = True
        return self.rendering.merged(wire, message.provider_options_json)

    @property
    def at(self) -> str:
        """The path of the part at this place."""
        at = f"messages[{self.index}].parts[{self.place}]"
        return at if self.inner < 0 else f"{at}.tool_result.parts[{self.inner}]"

    @property
    def assistant(self) -> bool:
        """Whether the message is the model's."""
        return self.role == _ASSISTANT

    def dropped(self, below: str, why: str) -> None:
        """Warn that a field of the part was left out. below: its path in the part, with its dot; "" for the part itself."""
        self.notes.dropped(self.at + below, why)

    def left_out(self, kind: str, why: str) -> None:
        """Note that the part was left out."""
        self.dropped(f".{kind}" if kind in self.names_kind else "", why)

    def refuse(self, below: str, description: str, reason: str = "INVALID_VALUE") -> NoReturn:
        """Raise InvalidRequest for a field of the part."""
        refuse(self.at + below, description, reason)

    def sources(self, text: content_pb2.TextPart, is_own: Callable[[Wire], bool]) -> list[Wire]:
        """The citations that this provider gave, as it gave them; warns of the others."""
        found = []
        for citation in text.citations:
            with suppress(json.MalformedJson):
                wire = json.decode(citation.provider_json or "null")
                if isinstance(wire, dict) and is_own(wire):
                    found.append(wire)
        if len(found) < len(text.citations):
            self.dropped(".text.citations", "Only sources that this provider gave for a text of its model go back.")
        return found

    def object(self, text: str, below: str) -> json.Raw:
        """JSON text of an object, to be sent as it is. Raises InvalidRequest for anything else."""
        try:
            return json.raw_object(text)
        except json.MalformedJson:
            refuse(self.at + below, "Must be the text of a JSON object.")

    def arguments(self, call: content_pb2.ToolCall) -> str:
        """JSON text of a call's arguments, for a provider without custom tools: their free text becomes the argument `input`."""
        if call.provider_tool_type != CUSTOM:
            return call.arguments_json or "{}"
        told = "A call with free text, sent as a function with one argument."
        self.notes.emulated(f"{self.at}.tool_call.provider_tool_type", told)
        return json.text({"input": call.arguments_json})
