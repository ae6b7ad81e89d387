"""Accumulator: the fold of a stream's events into the SendResponse that Send would have returned.

The gateway itself answers Send by this fold, so both give the same response by construction.
"""

from __future__ import annotations

from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2


class Accumulator:
    """Folds StreamSendResponse events, in order, into one SendResponse.

    Events of unknown kind, and deltas for parts that never started, are ignored: a newer server may send more than this client knows.
    """

    __slots__ = ("_candidates", "_grown", "_response", "finished")

    def __init__(self) -> None:
        self._response = gateway_pb2.SendResponse()
        self._candidates: dict[int, gateway_pb2.Candidate] = {}
        # Fragments by (candidate, part, field), joined once: appending to a protobuf string copies all of it each time.
        self._grown: dict[tuple[int, int, str], list[Any]] = {}
        self.finished = False
        """Whether the `completed` event was seen. A stream that ends without it was cut."""

    def add(self, event: gateway_pb2.StreamSendResponse) -> None:
        """Fold one event."""
        kind = event.WhichOneof("event")
        if kind == "part_delta":
            self._delta(event.part_delta)
        elif kind == "part_started":
            started = event.part_started
            parts = self._candidate(started.candidate_index).message.parts
            if started.part_index == len(parts):
                parts.append(started.part)
        elif kind == "part_completed":
            self._part_completed(event.part_completed)
        elif kind == "candidate_completed":
            self._candidate_completed(event.candidate_completed)
        elif kind == "usage":
            self._response.usage.CopyFrom(event.usage)
        elif kind == "warning":
            self._response.warnings.append(event.warning)
        elif kind == "started":
            started_event = event.started
            self._response.response_id = started_event.response_id
            self._response.route.CopyFrom(started_event.route)
            if started_event.HasField("create_time"):
                self._response.create_time.CopyFrom(started_event.create_time)
        elif kind == "completed":
            self._completed(event.completed)

    def response(self) -> gateway_pb2.SendResponse:
        """The answer so far; whole when `finished`."""
        self._join()
        del self._response.candidates[:]
        self._response.candidates.extend(self._candidates[index] for index in sorted(self._candidates))
        return self._response

    def _candidate(self, index: int) -> gateway_pb2.Candidate:
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = gateway_pb2.Candidate(index=index)
            candidate.message.role = content_pb2.ROLE_ASSISTANT
        return candidate

    def _part(self, candidate_index: int, part_index: int) -> content_pb2.Part | None:
        parts = self._candidate(candidate_index).message.parts
        return parts[part_index] if part_index < len(parts) else None

    def _delta(self, delta: gateway_pb2.PartDelta) -> None:
        part = self._part(delta.candidate_index, delta.part_index)
        if part is None:
            return
        what = delta.WhichOneof("delta")
        kind = part.WhichOneof("kind")
        if what == "citation":
            part.text.citations.append(delta.citation)
        elif what is not None:
            self._grown.setdefault((delta.candidate_index, delta.part_index, what), []).append(getattr(delta, what))
        if delta.logprobs:
            candidate = self._candidate(delta.candidate_index)
            (candidate.refusal_logprobs if kind == "refusal" else candidate.logprobs).extend(delta.logprobs)

    def _join(self) -> None:
        for (candidate, index, what), fragments in self._grown.items():
            part = self._candidates[candidate].message.parts[index]
            if what == "text":
                kind = part.WhichOneof("kind")
                holder = getattr(part, kind) if kind in ("reasoning", "refusal") else part.text
            else:
                holder = part.tool_call if what == "arguments_json" else part.media
            setattr(holder, what, getattr(holder, what) + type(fragments[0])().join(fragments))
        self._grown.clear()

    def _part_completed(self, completed: gateway_pb2.PartCompleted) -> None:
        part = self._part(completed.candidate_index, completed.part_index)
        if part is None:
            return
        if completed.signature:
            part.signature = completed.signature
        if completed.signature_provider:
            part.signature_provider = completed.signature_provider
        if completed.encrypted:
            part.reasoning.encrypted = completed.encrypted

    def _candidate_completed(self, completed: gateway_pb2.CandidateCompleted) -> None:
        candidate = self._candidate(completed.candidate_index)
        candidate.finish_reason = completed.finish_reason
        candidate.provider_finish_reason = completed.provider_finish_reason
        candidate.finish_message = completed.finish_message
        candidate.stop_sequence = completed.stop_sequence
        candidate.safety_ratings.extend(completed.safety_ratings)
        candidate.logprobs.extend(completed.logprobs)
        candidate.provider_metadata_json = completed.provider_metadata_json

    def _completed(self, completed: gateway_pb2.StreamCompleted) -> None:
        self.finished = True
        if completed.HasField("usage"):
            self._response.usage.CopyFrom(completed.usage)
        if completed.HasField("route"):
            self._response.route.CopyFrom(completed.route)
        self._response.service_tier = completed.service_tier
        self._response.system_fingerprint = completed.system_fingerprint
        self._response.provider_metadata_json = completed.provider_metadata_json
