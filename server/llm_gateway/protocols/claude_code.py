"""Claude Code without a terminal: one process is one call, NDJSON on its standard output.

Sources: the CLI reference and "Run Claude Code programmatically" (https://code.claude.com/docs/en/cli-reference, .../headless), and
what release 2.1 of the CLI does against a scripted API. It is an agent, not a completion API: its tools are switched off, and a
conversation of several turns reaches it as the text of one.

The body of an `Outgoing` is no HTTP body but what starts the process: {"arguments", "environment", "system", "input"}, where `system`
is the system prompt and `input` the one line of its standard input. A GET asks for the version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2, usage_pb2

from llm_gateway import errors
from llm_gateway.protocols import effort, failures, json, settings
from llm_gateway.protocols.anthropic import Dialect
from llm_gateway.protocols.anthropic.request import NEUTRAL, Messages
from llm_gateway.protocols.anthropic.response import CODES, FINISH, MessageParser, usage_of
from llm_gateway.protocols.anthropic.rules import Rules
from llm_gateway.protocols.anthropic.turns import Block, Turn
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.framing import Ndjson
from llm_gateway.protocols.wire import OWNED, Headers, ModelPage, Outgoing, Rendering, refuse

framing: Literal["sse", "ndjson", "eventstream"] = "ndjson"

MODELS = ("haiku", "opus", "sonnet")
"""Aliases that stay valid; the CLI lists no models and takes any full name."""

# Prompts and answers only: no tools, no settings, no servers, nothing kept, nobody asked.
ARGUMENTS = (
    "--print",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--tools=",
    "--strict-mcp-config",
    "--setting-sources=",
    "--permission-mode=dontAsk",
    "--no-session-persistence",
    "--disable-slash-commands",
)
# What a caller may set by provider_options_json, and the flag. Anything else could give the process tools.
OPTIONS: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
    "max_budget_usd": ("--max-budget-usd", (int, float)),
}
EFFORTS = ("low", "medium", "high", "xhigh", "max")
LONGEST_ARGUMENT = 128 << 10
"""Bytes of one argument on Linux (MAX_ARG_STRLEN, execve(2)), its flag included."""

_SCHEMA_TOOL = "StructuredOutput"
_ONE_TURN = Rules(prefill=False, own_images=True)

# `error` of the messages that the CLI itself writes, and `api_error_type` of its result.
_CODES: dict[str, type[errors.ProviderError]] = {
    **CODES,
    "authentication_failed": errors.CredentialsRejected,
    "oauth_org_not_allowed": errors.CredentialsRejected,
    "rate_limit": errors.RateLimited,
    "rate_limit_error": errors.RateLimited,
    "overloaded": errors.ProviderOverloaded,
    "model_not_found": errors.ModelNotFound,
    "connection_failed": errors.ProviderUnreachable,
    "error_max_budget_usd": errors.QuotaExhausted,
    "error_max_structured_output_retries": errors.ResponseInvalid,
    "error_max_turns": errors.ResponseInvalid,
}


# ---------------------------------------------------------------- requests
def render_request(rendering: Rendering, /) -> Outgoing:
    """One process; see `WireFormat.render_request`."""
    request = rendering.request
    arguments = [*ARGUMENTS, f"--model={rendering.model}"]
    environment: dict[str, str] = {}
    if rendering.stream:
        arguments.append("--include-partial-messages")
    told: list[str] = []
    arguments += _reasoning(rendering)
    arguments += _output_format(rendering, told)
    arguments += _options(rendering)
    settings.note(rendering, LACKS, NEUTRAL)
    system, turns = _Messages(rendering, _ONE_TURN, {}).rendered()
    instructions: list[str] = []
    content: list[Block] = []
    for block in system:
        for piece in _pieces(rendering, block):
            if isinstance(piece, str):
                instructions.append(piece)
            else:
                content.append(piece)
    if content:
        rendering.notes.emulated(
            "messages", "media of instructions come with the first turn: the system prompt is text"
        )
    content += _content(rendering, turns)
    config = request.generation_config
    if config.HasField("max_output_tokens"):
        environment["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(config.max_output_tokens)
    for index, argument in enumerate(arguments):
        if "\0" in argument:
            field = "model" if index == len(ARGUMENTS) else "output_format"
            refuse(field, "Must hold no NUL character.")
    body = {
        "arguments": arguments,
        "environment": environment,
        "system": "\n\n".join(instructions + told),
        "input": {"type": "user", "message": {"role": "user", "content": content}},
    }
    return Outgoing(path="/", body=json.encode(body))


class _Messages(Messages):
    """The messages, whose parts become text: no part has an object that anything could hang on."""

    own_objects = False

    def breakpoint(self, part: content_pb2.Part, kind: str, wire: Block | None) -> bool:
        return False


def _content(rendering: Rendering, turns: list[Turn]) -> Iterator[Block]:
    """The one message that the process is given: the last turn, behind a transcript of those before it."""
    last = turns.pop() if turns[-1].role == "user" else None
    if turns:
        rendering.notes.emulated("messages", "earlier turns are sent as a transcript: Claude Code takes no history")
        yield from _merged(_transcript(rendering, turns))
    if last is not None:
        for block in last.content:
            yield from _merged(_pieces(rendering, block))


def _transcript(rendering: Rendering, turns: list[Turn]) -> Iterator[Block | str]:
    yield "The conversation so far:\n"
    for turn in turns:
        yield f"\n<{turn.role}>\n"
        for block in turn.content:
            for piece in _pieces(rendering, block):
                yield piece
                yield "\n"
        yield f"</{turn.role}>\n"


def _pieces(rendering: Rendering, block: Block) -> Iterator[Block | str]:
    """A block as text, but for media."""
    kind = block["type"]
    if kind == "text":
        if block.get("citations"):
            rendering.notes.dropped("messages", "there is no place for the sources of a text in a transcript")
        yield str(block["text"])
    elif kind == "tool_use":
        yield f"[called {block['name']} ({block['id']}) with {bytes(block['input']).decode()}]"
    elif kind == "tool_result":
        yield f"[{'error' if block.get('is_error') else 'result'} of {block['tool_use_id']}]"
        for inner in block.get("content") or ():
            yield from _pieces(rendering, inner)
    elif kind in ("image", "document"):
        yield {name: value for name, value in block.items() if name != "cache_control"}
    else:
        rendering.notes.dropped("messages", f"a {kind} block has no place in a transcript")


def _merged(pieces: Iterator[Block | str]) -> Iterator[Block]:
    """Neighbouring texts as one block."""
    text = ""
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
            continue
        if text:
            yield {"type": "text", "text": text}
            text = ""
        yield piece
    if text:
        yield {"type": "text", "text": text}


def _reasoning(rendering: Rendering) -> Iterator[str]:
    asked = rendering.request.reasoning
    word = effort.word(asked)
    if word == "none":
        yield "--thinking=disabled"
    elif word:
        yield f"--effort={effort.nearest(word, EFFORTS)}"
        if word not in EFFORTS:
            rendering.notes.adjusted("reasoning.effort", "sent as low, the least there is")
    if asked.HasField("budget_tokens"):
        yield f"--max-thinking-tokens={asked.budget_tokens}"
    if asked.include_reasoning:
        yield "--thinking-display=summarized"


def _output_format(rendering: Rendering, instructions: list[str]) -> Iterator[str]:
    wanted = rendering.request.output_format
    kind = wanted.WhichOneof("format")
    if kind == "json_object":
        rendering.notes.emulated("output_format.json_object", "asked for in the system prompt")
        instructions.append("Answer with one JSON object and nothing else.")
    elif kind == "json_schema":
        asked = wanted.json_schema
        for name in ("name", "description", "strict"):
            if getattr(asked, name):
                rendering.notes.dropped(f"output_format.json_schema.{name}", "Claude Code takes the schema alone")
        argument = f"--json-schema={asked.schema_json}"
        if len(argument.encode()) >= LONGEST_ARGUMENT:
            told = f"Claude Code takes schemas of less than {LONGEST_ARGUMENT >> 10} KiB."
            refuse("output_format.json_schema.schema_json", told)
        yield argument


def _options(rendering: Rendering) -> Iterator[str]:
    for name, value in rendering.options(rendering.request.provider_options_json).items():
        flag, kind = OPTIONS.get(name, ("", ()))
        if not flag or isinstance(value, bool) or not isinstance(value, kind):
            described = OWNED.get(name) or f"Claude Code takes the option {' and '.join(OPTIONS)}, a number."
            given = rendering.addressed(rendering.request.provider_options_json)
            field = next(f'provider_options_json["{key}"].{name}' for key, options in given if name in options)
            refuse(field, described, "NOT_ALLOWED")
        yield f"{flag}={value}"


_NO_SETTING = "Claude Code has no such setting"
LACKS = {
    **{
        f"generation_config.{field.name}": _NO_SETTING
        for field in gateway_pb2.GenerationConfig.DESCRIPTOR.fields
        if field.name != "max_output_tokens"
    },
    "tools": "the model is given no tools by Claude Code",
    "tool_config": "the model is given no tools by Claude Code",
    "cache_config": "Claude Code caches by its own rules",
    "safety_settings": "the model has no safety thresholds",
    "end_user_id": "Claude Code sends an id of its own",
    "labels": "Claude Code takes no labels",
}


# ---------------------------------------------------------------- answers
class _Line(msgspec.Struct):
    """A line of output: what is read of it. message, event, structured_output: JSON text as it came."""

    type: str = ""
    subtype: str | None = None
    parent_tool_use_id: str | None = None
    tools: Any = None
    event: msgspec.Raw = msgspec.Raw(b"")
    message: msgspec.Raw = msgspec.Raw(b"")
    error: Any = None
    is_error: bool | None = None
    result: str | None = None
    stop_reason: str | None = None
    structured_output: msgspec.Raw = msgspec.Raw(b"")
    usage: dict[str, Any] | None = None
    total_cost_usd: float | None = None
    modelUsage: dict[str, Any] | None = None  # noqa: N815 - the CLI's spelling
    api_error_status: int | None = None
    api_error_type: str | None = None
    api_error: str | None = None
    errors: Any = None


_decode = msgspec.json.Decoder(_Line).decode


def _line(data: bytes) -> _Line:
    """Raises MalformedJson for what is no JSON object, and MsgspecError for one of another shape."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        value = json.decode(data)
    if not isinstance(value, dict):
        raise json.MalformedJson("no object")
    return _decode(json.encode(value))


def is_last(line: bytes) -> bool:
    """Whether a line of output ends the answer. The process may live on for a while."""
    if b'"result"' not in line:
        return False
    try:
        return _line(line).type == "result"
    except (json.MalformedJson, msgspec.MsgspecError):
        return False


def parse_response(body: bytes, writer: EventWriter, dialect: Dialect, /) -> None:
    """All lines of a process; see `WireFormat.parse_response`."""
    parser = OutputParser(writer)
    frames = Ndjson()
    for _, data in [*frames.feed(body), *frames.close()]:
        try:
            parser.feed("", data)
        except json.MalformedJson:
            writer.malformed += 1
        if writer.done:
            return
    raise errors.StreamTruncated("Claude Code ended without a result.")


class OutputParser:
    """Reads the lines of one process. `is_error` of the result decides, whatever its `subtype` says.

    The CLI asks the model again when a stream breaks, and goes on from where that was; of an answer in two messages the caller would
    get one that the model never gave, so that is an error. With a schema it asks until the model has called the hidden tool that takes
    the answer: nothing is passed on before the result.
    """

    __slots__ = ("_content", "_failure", "_held", "_message", "_message_id", "_streamed", "_writer")

    def __init__(self, writer: EventWriter, dialect: object = None, /) -> None:
        self._writer = writer
        self._message = MessageParser(writer)
        self._message_id: str | None = None
        self._streamed = False
        self._content = False
        self._held = False
        self._failure = ""

    def feed(self, event: str, data: bytes) -> None:
        """One line. Raises MalformedJson for one that is no JSON object, which warnings of the runtime are."""
        line = _line(data)
        if line.parent_tool_use_id is not None:
            return
        if line.type == "stream_event":
            self._event(bytes(line.event))
        elif line.type == "assistant":
            self._assistant(line)
        elif line.type == "result":
            self._result(line)
        elif line.type == "system" and line.subtype == "init":
            self._held = isinstance(line.tools, list) and _SCHEMA_TOOL in line.tools

    def close(self) -> None:
        """The output ends by its result only."""

    def _event(self, data: bytes) -> None:
        """An event of the Messages API."""
        value = json.decode(data)
        kind = value["type"]
        if kind == "message_start":
            self._begin(json.name(value["message"].get("id")))
            self._streamed = True
        if kind in ("message_stop", "error") or (self._held and kind != "message_start"):
            return  # the result tells how it ends
        self._content = self._content or kind == "content_block_start"
        self._message.feed("", data)

    def _assistant(self, line: _Line) -> None:
        """A message, or one block of it. What was streamed comes here again."""
        raw = bytes(line.message)
        message = json.decode(raw)
        if line.error or message.get("model") == "<synthetic>":
            self._failure = failures.word(line.error)
            return
        if (message.get("id") or "") != self._message_id:
            self._begin(message.get("id") or "")
            self._streamed = False
            self._message.begin(message)
        if self._streamed or self._held:
            return
        for block, text in zip(message["content"], json.items(json.raw_at(raw, "content")), strict=True):
            self._content = True
            if block["type"] == "text":
                self._message.whole_text(block)
            else:
                self._message.whole(block, bytes(text))
        self._message.finish(message)

    def _begin(self, message_id: str) -> None:
        if self._message_id is not None:
            if self._content:
                raise errors.StreamTruncated("The model's stream broke, and Claude Code asked it again.")
            self._message = MessageParser(self._writer)
        self._message_id = message_id

    def _result(self, line: _Line) -> None:
        usage = usage_of(line.usage or {})
        if line.total_cost_usd is not None:
            usage.provider_cost_nano_usd = round(line.total_cost_usd * 1e9)
        if line.is_error or (line.subtype or "").startswith("error"):
            raise self._error(line, usage)
        writer = self._writer
        reason = line.stop_reason
        if self._held:
            # The answer by the schema, or what the model said where it would not follow it.
            writer.flow("text", bytes(line.structured_output).decode() or line.result or "")
            reason = "end_turn" if reason == "tool_use" else reason
        if reason and writer.finished() is None:
            writer.finish(FINISH.get(reason, gateway_pb2.FINISH_REASON_OTHER), reason)
        if line.modelUsage:
            writer.metadata["model_usage"] = line.modelUsage
        if line.usage is not None:
            writer.report_usage(usage)
        writer.end()

    def _error(self, line: _Line, usage: usage_pb2.Usage) -> errors.ProviderError:
        words = line.result or failures.word(line.errors)
        kind = line.api_error_type or self._failure
        code = line.api_error or ("" if line.subtype == "success" else line.subtype or "")
        status = failures.named_status(line.api_error_status) or failures.STATUS_OF_TYPE.get(kind, 0)
        found = failures.classify(status, code=code, kind=kind, message=words, codes=_CODES)
        return found(
            status=status,
            provider_code=kind or code,
            provider_message=words,
            usage=usage if usage.total_tokens or usage.output_tokens or usage.input_tokens else None,
        )


stream_parser = OutputParser


def parse_error(status: int, headers: Headers, body: bytes, dialect: Dialect, /) -> errors.ProviderError:
    """The error of a process that ended without output; `body` is the end of its standard error, which goes nowhere."""
    if b"unknown option" in body:
        return errors.NotSupported(
            "This release of Claude Code lacks an option that the gateway uses; install a newer one."
        )
    return errors.ProviderUnavailable("Claude Code ended without output.")


# ---------------------------------------------------------------- models
def render_list_models(token: str, dialect: Dialect, /) -> Outgoing:
    """The question for the version, which shows that the command is there."""
    return Outgoing(path="/", method="GET")


def parse_models(body: bytes, dialect: Dialect, /) -> ModelPage:
    """The aliases of the models. Raises ResponseInvalid when the version is not Claude Code's."""
    if b"Claude Code" not in body:
        raise errors.ResponseInvalid("The command is not Claude Code.")
    return ModelPage(
        models=[
            model_pb2.Model(
                model_id=name,
                display_name=name.capitalize(),
                input_modalities=[content_pb2.MODALITY_TEXT, content_pb2.MODALITY_IMAGE, content_pb2.MODALITY_DOCUMENT],
                output_modalities=[content_pb2.MODALITY_TEXT],
                capabilities=[
                    model_pb2.MODEL_CAPABILITY_STREAMING,
                    model_pb2.MODEL_CAPABILITY_JSON_SCHEMA,
                    model_pb2.MODEL_CAPABILITY_REASONING,
                    model_pb2.MODEL_CAPABILITY_PROMPT_CACHING,
                ],
            )
            for name in MODELS
        ]
    )
