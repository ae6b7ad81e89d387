"""What a plugin may import: docs/plugins.md is the guide.

Rows: `Row`, `Spoken`, `Usual`. A dialect of Chat Completions: `ChatDialect`, `ModelRule`, `SAMPLING`, of Responses: `ResponsesDialect`, and what
suits a server of which nothing is known, `openai_dialects.GENERIC`.
A wire format: what is given to it and what it returns (`Rendering`, `Outgoing`, `EventWriter`, `ModelPage`, …), the walk over a
conversation (`Conversation`, `LOOSE`, `Medium`, `plain`), `refuse`, `json`, `failures`, which turns statuses and codes into errors, and
the `errors` themselves.
"""

from llm_gateway import errors
from llm_gateway.protocols import failures, json, openai_dialects
from llm_gateway.protocols.conversation import LOOSE, Conversation, plain
from llm_gateway.protocols.events import Event, EventWriter
from llm_gateway.protocols.json import MalformedJson
from llm_gateway.protocols.media import Medium
from llm_gateway.protocols.openai_dialects import SAMPLING, ChatDialect, ModelRule, ResponsesDialect
from llm_gateway.protocols.wire import Headers, ModelPage, Outgoing, Rendering, StreamParser, WireFormat, refuse
from llm_gateway.providers.rows import Row, Spoken, Usual

__all__ = [
    "LOOSE",
    "SAMPLING",
    "ChatDialect",
    "Conversation",
    "Event",
    "EventWriter",
    "Headers",
    "MalformedJson",
    "Medium",
    "ModelPage",
    "ModelRule",
    "Outgoing",
    "Rendering",
    "ResponsesDialect",
    "Row",
    "Spoken",
    "StreamParser",
    "Usual",
    "WireFormat",
    "errors",
    "failures",
    "json",
    "openai_dialects",
    "plain",
    "refuse",
]
