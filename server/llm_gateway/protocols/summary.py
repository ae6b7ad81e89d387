"""The content of a conversation, read once before any target is known: validation and routing read this instead of the parts."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.protocols.media import Medium


class Summary(msgspec.Struct, kw_only=True):
    """Of all messages, their parts, and the parts of tools' results."""

    parts: int = 0
    characters: int = 0
    """Of texts, reasoning, and arguments of calls."""
    media: int = 0
    modalities: set[int] = msgspec.field(default_factory=set)
    """What the media are; of those of which nothing tells it is UNSPECIFIED."""
    in_messages: set[int] = msgspec.field(default_factory=set)
    """The same of the media of messages alone, without those of tools' results."""
    odd: list[tuple[int, int]] = msgspec.field(default_factory=list)
    """What is more than a text, in order: index of the message and of the part; -1 for a message that is more than a known role and
    parts."""


_ROLES = frozenset(content_pb2.Role.values()) - {content_pb2.ROLE_UNSPECIFIED}


def summary_of(request: gateway_pb2.SendRequest, *, most_parts: int | None = None) -> Summary:
    """The summary of a request. most_parts: where to stop reading; `parts` is then larger."""
    found = Summary()
    parts = characters = 0
    odd = found.odd
    for index, message in enumerate(request.messages):
        if message.role not in _ROLES or message.prefix or message.provider_options_json:
            odd.append((index, -1))
        held = message.parts
        count = len(held)
        parts += count
        if most_parts is not None and parts > most_parts:
            break
        for place in range(count):  # an iterator of protobuf's costs three times as much as its items do
            part = held[place]
            if part.HasField("text"):
                text = part.text
                characters += len(text.text)
                if part.HasField("cache_control") or part.provider_options_json or text.citations:
                    odd.append((index, place))
                continue
            odd.append((index, place))
            if part.HasField("tool_result"):
                inner = part.tool_result.parts
                parts += len(inner)
                characters += _characters(inner, found, found.modalities)
            else:
                characters += _characters((part,), found, found.in_messages)
    found.modalities |= found.in_messages
    found.parts, found.characters = parts, characters
    return found


def _characters(parts: Iterable[content_pb2.Part], found: Summary, modalities: set[int]) -> int:
    """Characters of some parts, whose media are noted."""
    characters = 0
    for part in parts:
        kind = part.WhichOneof("kind")
        if kind == "text":
            characters += len(part.text.text)
        elif kind == "media":
            found.media += 1
            modalities.add(Medium(part.media).modality)
        elif kind == "reasoning":
            characters += len(part.reasoning.text)
        elif kind == "tool_call":
            characters += len(part.tool_call.arguments_json)
    return characters
