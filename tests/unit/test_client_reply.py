"""What a caller reads from an answer, whole or streamed."""

import pytest
from llmgateway import ChatReply, StreamTruncated
from llmgateway.reply import Transcript
from llmgateway.v1 import content_pb2, gateway_pb2

Event = gateway_pb2.StreamSendResponse


def reply(*parts: dict[str, object], **candidate: object) -> ChatReply:
    message = content_pb2.Message(role=content_pb2.ROLE_ASSISTANT, parts=parts)  # type: ignore[arg-type]
    return ChatReply(response=gateway_pb2.SendResponse(candidates=[{"message": message, **candidate}]))  # type: ignore[list-item]


def test_text_is_that_of_the_text_parts_alone() -> None:
    """Reasoning, refusals and unknown parts are not text."""
    whole = reply(
        {"reasoning": {"text": "hm"}}, {"text": {"text": "a"}}, {"refusal": {"text": "no"}}, {}, {"text": {"text": "b"}}
    )
    assert (whole.text, str(whole), whole.refusal) == ("ab", "ab", "no")


def test_tool_calls_are_those_that_the_caller_must_run() -> None:
    """A tool that the provider ran itself asks nothing of the caller."""
    calls = reply({"tool_call": {"id": "1"}}, {"tool_call": {"id": "2", "provider_executed": True}}).tool_calls
    assert [call.id for call in calls] == ["1"]


def test_an_answer_without_candidates_is_empty() -> None:
    """Nothing raises."""
    empty = ChatReply(response=gateway_pb2.SendResponse())
    assert (empty.text, empty.tool_calls, empty.finish_reason) == ("", (), gateway_pb2.FINISH_REASON_UNSPECIFIED)
    assert empty.message.role == content_pb2.ROLE_ASSISTANT


def test_an_unknown_finish_reason_is_passed_on() -> None:
    """Enums of proto3 are open: a newer gateway may have more values."""
    newer = gateway_pb2.SendResponse.FromString(bytes.fromhex("12021863"))  # candidates[0].finish_reason = 99
    assert ChatReply(response=newer).finish_reason == 99


def said(*events: dict[str, object]) -> tuple[Transcript, str]:
    transcript, text = Transcript(), ""
    for event in events:
        proto = Event(**event)  # type: ignore[arg-type]
        transcript.add(proto)
        text += transcript.text(proto)
    return transcript, text


def test_streamed_text_is_the_text_of_the_folded_answer() -> None:
    """Deltas of reasoning and of other candidates are left out; words that come with the start of a part are kept."""
    transcript, text = said(
        {"started": {}},
        {"part_started": {"part_index": 0, "part": {"reasoning": {}}}},
        {"part_started": {"part_index": 1, "part": {"text": {"text": "a"}}}},
        {"part_delta": {"part_index": 0, "text": "hm"}},
        {"part_delta": {"part_index": 1, "text": "b"}},
        {"part_started": {"candidate_index": 1, "part": {"text": {"text": "x"}}}},
        {"part_delta": {"candidate_index": 1, "text": "y"}},
        {"part_delta": {"part_index": 7, "text": "lost"}},
        {},
        {"heartbeat": {}},
        {"completed": {}},
    )
    assert text == "ab"
    assert ChatReply(response=transcript.response()).text == "ab"
    transcript.end()


def test_a_stream_without_its_end_has_no_response_but_a_partial_one() -> None:
    """Nobody takes half an answer for a whole one by accident."""
    transcript, _ = said({"part_started": {"part": {"text": {"text": "half"}}}})
    with pytest.raises(RuntimeError, match="partial"):
        transcript.response()
    with pytest.raises(StreamTruncated) as error:
        transcript.end()
    assert not error.value.retryable
    assert transcript.partial().candidates[0].message.parts[0].text.text == "half"
