"""What calls return, without I/O: a whole answer, and the text of one that is still streaming."""

from __future__ import annotations

from dataclasses import dataclass

from llmgateway.accumulator import Accumulator
from llmgateway.errors import StreamTruncated
from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2, usage_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """One whole answer. `str(reply)` is its text.

    response: the gateway's response, with every candidate, part, warning and attempt.
    """

    response: gateway_pb2.SendResponse

    @property
    def message(self) -> content_pb2.Message:
        """The model's turn; put it into the next conversation as it is, signatures included."""
        if self.response.candidates:
            return self.response.candidates[0].message
        return content_pb2.Message(role=content_pb2.ROLE_ASSISTANT)

    @property
    def text(self) -> str:
        """The text of the first candidate; empty when it is a refusal or only calls tools."""
        return "".join(part.text.text for part in self.message.parts if part.HasField("text"))

    @property
    def refusal(self) -> str:
        """What the model said when it declined to answer; else empty."""
        return "".join(part.refusal.text for part in self.message.parts if part.HasField("refusal"))

    @property
    def tool_calls(self) -> tuple[content_pb2.ToolCall, ...]:
        """The tools that the model wants the caller to run."""
        calls = (part.tool_call for part in self.message.parts if part.HasField("tool_call"))
        return tuple(call for call in calls if not call.provider_executed)

    @property
    def finish_reason(self) -> gateway_pb2.FinishReason.ValueType:
        """Why the first candidate ended. A newer gateway may send a value that this client does not know."""
        if self.response.candidates:
            return self.response.candidates[0].finish_reason
        return gateway_pb2.FINISH_REASON_UNSPECIFIED

    @property
    def usage(self) -> usage_pb2.Usage:
        """Tokens, and cost where the price is known."""
        return self.response.usage

    @property
    def route(self) -> gateway_pb2.RouteInfo:
        """Who served, and what was tried before."""
        return self.response.route

    def __str__(self) -> str:
        return self.text


class ModelList(list[model_pb2.Model]):
    """Models of all pages.

    unreachable: ids of the providers that did not answer, whose models may be missing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unreachable: list[str] = []

    def add_page(self, page: model_pb2.ListModelsResponse) -> bool:
        """Take in the next page; returns whether another one follows."""
        self.extend(page.models)
        unreachable = [name.removeprefix("providers/") for name in page.unreachable]
        self.unreachable += [name for name in unreachable if name not in self.unreachable]
        return bool(page.next_page_token)


class Transcript:
    """What a stream has said so far."""

    def __init__(self) -> None:
        self._accumulator = Accumulator()
        self._text_parts: set[int] = set()

    def add(self, event: gateway_pb2.StreamSendResponse) -> None:
        """Fold the next event."""
        self._accumulator.add(event)
        if event.HasField("part_started"):
            started = event.part_started
            if started.candidate_index == 0 and started.part.HasField("text"):
                self._text_parts.add(started.part_index)

    def text(self, event: gateway_pb2.StreamSendResponse) -> str:
        """What an event that was folded adds to the text of the first candidate."""
        if event.HasField("part_delta"):
            delta = event.part_delta
            return delta.text if delta.candidate_index == 0 and delta.part_index in self._text_parts else ""
        started = event.part_started
        return started.part.text.text if started.candidate_index == 0 else ""

    @property
    def finished(self) -> bool:
        """Whether the answer is whole."""
        return self._accumulator.finished

    def partial(self) -> gateway_pb2.SendResponse:
        """The answer so far."""
        return self._accumulator.response()

    def response(self) -> gateway_pb2.SendResponse:
        """The whole answer. Raises RuntimeError before it is whole."""
        if not self.finished:
            raise RuntimeError(
                "the stream has not come to its end; read it first, or take what is there from `partial`"
            )
        return self._accumulator.response()

    def end(self) -> None:
        """Note that the stream ended with status OK. Raises StreamTruncated unless the answer is whole."""
        if not self.finished:
            raise StreamTruncated
