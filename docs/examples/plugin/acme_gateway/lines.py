"""The wire format of Acme's second server: a list of turns goes out, lines of JSON come back.

    POST /complete  {"model": "m", "turns": [["user", "Hi"]], "stream": true}

    {"say": "Hel"}
    {"say": "lo"}
    {"end": "done", "read": 1, "wrote": 2}

A whole answer is the same in one object: {"say": "Hello", "end": "done", ...}. Errors are {"problem": "..."}.
"""

from dataclasses import dataclass
from typing import Literal

from llm_gateway.plugin import EventWriter, Headers, ModelPage, Outgoing, Rendering, errors, failures, json
from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2, usage_pb2

framing: Literal["sse", "ndjson", "eventstream"] = "ndjson"

ROLES = {content_pb2.ROLE_USER: "user", content_pb2.ROLE_ASSISTANT: "model"}
ENDS = {"done": gateway_pb2.FINISH_REASON_STOP, "full": gateway_pb2.FINISH_REASON_MAX_TOKENS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What differs between Acme's servers: their paths."""

    path: str = "/complete"
    models_path: str = "/models"


LINES = Dialect()


def render_request(rendering: Rendering, /) -> Outgoing:
    request = rendering.request
    turns = []
    for index, message in enumerate(request.messages):
        for place, part in enumerate(message.parts):
            if part.WhichOneof("kind") != "text":
                field = f"messages[{index}].parts[{place}]"
                raise errors.InvalidRequest(
                    violations=[errors.Violation(field=field, description="Acme reads text only.")]
                )
        turns.append([ROLES.get(message.role, "system"), "".join(part.text.text for part in message.parts)])
    body = {"model": rendering.model, "turns": turns, "stream": rendering.stream}
    for setting, _ in request.generation_config.ListFields():
        if setting.name == "max_output_tokens":
            body["most"] = request.generation_config.max_output_tokens
        else:
            rendering.notes.dropped(f"generation_config.{setting.name}", "Acme has no such setting")
    if request.tools:
        rendering.notes.dropped("tools", "Acme calls no tools")
    return Outgoing(path=rendering.dialect.path, body=json.encode(rendering.body(body)))


class Parser:
    """Reads the lines of one answer."""

    def __init__(self, writer: EventWriter) -> None:
        self._writer = writer

    def feed(self, event: str, data: bytes) -> None:
        line = json.decode(data)
        if "problem" in line:
            raise failures.classify(0, message=line["problem"])(provider_message=line["problem"])
        self._writer.flow("text", line.get("say", ""))
        if "end" in line:
            self._writer.finish(ENDS.get(line["end"], gateway_pb2.FINISH_REASON_OTHER), line["end"])
            self._writer.report_usage(usage_pb2.Usage(input_tokens=line["read"], output_tokens=line["wrote"]))
            self._writer.end()

    def close(self) -> None:
        """A stream without `end` is cut: nothing to do."""


def stream_parser(writer: EventWriter, dialect: Dialect, /) -> Parser:
    return Parser(writer)


def parse_response(body: bytes, writer: EventWriter, dialect: Dialect, /) -> None:
    Parser(writer).feed("", body)
    if not writer.done:
        raise errors.StreamTruncated("The answer has no end.")


def parse_error(status: int, headers: Headers, body: bytes, dialect: Dialect, /) -> errors.ProviderError:
    error, message = failures.body_words(body)
    return failures.from_http(status, headers, message=error.get("problem") or message)


def render_list_models(token: str, dialect: Dialect, /) -> Outgoing:
    return Outgoing(path=dialect.models_path, method="GET")


def parse_models(body: bytes, dialect: Dialect, /) -> ModelPage:
    return ModelPage(models=[model_pb2.Model(model_id=name) for name in json.decode(body)])
