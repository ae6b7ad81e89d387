"""What clients saw, and a checker of it: numbered texts show what was lost, doubled, reordered or spliced."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from llmgateway import AsyncClient, GatewayError, make_request
from llmgateway.v1 import gateway_pb2


@dataclass(slots=True, kw_only=True)
class Outcome:
    """One call as its client saw it.

    code: OK, or the status. reason: ErrorInfo.reason. first: seconds to the first content. seconds: to the end. sequence: numbers of the
    events. ended: the terminal event came. started_at: time.monotonic().
    """

    started_at: float
    code: str = "OK"
    reason: str = ""
    text: str = ""
    first: float | None = None
    seconds: float = 0.0
    sequence: list[int] = field(default_factory=list)
    ended: bool = False
    retry_delay: float | None = None
    provider: str = ""
    attempts: list[gateway_pb2.Attempt] = field(default_factory=list)
    error: GatewayError | None = None

    @property
    def ok(self) -> bool:
        return self.code == "OK"

    @property
    def calls(self) -> int:
        """Provider calls that it took."""
        return sum(not attempt.skip_reason for attempt in self.attempts)


def numbers(count: int) -> str:
    """The text of `count` numbered chunks."""
    return "".join(f"{number} " for number in range(count))


def flaw(outcome: Outcome, count: int, *, stream: bool = True) -> str:
    """What is wrong with the history of one call whose provider has `count` numbered chunks to say; "" when nothing is.

    Whole and OK, or a true beginning and an error; nothing else.
    """
    whole = numbers(count)
    if not whole.startswith(outcome.text):
        return f"not what the provider said: {outcome.text[-60:]!r}"
    if outcome.ok and outcome.text != whole:
        return f"OK with {len(outcome.text)} of {len(whole)} characters"
    if stream:
        if outcome.sequence != list(range(len(outcome.sequence))):
            return "event numbers are not 0, 1, 2, …"
        if outcome.ended != outcome.ok:
            return "the terminal event and the status disagree"
    return ""


async def ask(
    client: AsyncClient,
    model: str,
    *,
    stream: bool = True,
    timeout: float = 120.0,
    metadata: Sequence[tuple[str, str]] = (),
    **wanted: Any,
) -> Outcome:
    """One call and its history. Never raises for a call that fails."""
    outcome = Outcome(started_at=time.monotonic())
    request = wanted.pop("request", None) or make_request("hi", model=model, **wanted)
    try:
        if stream:
            await _read(client, request, outcome, timeout, metadata)
        else:
            response = await client.send(request, timeout=timeout, metadata=metadata)
            parts = [part.text.text for candidate in response.candidates for part in candidate.message.parts]
            outcome.text = "".join(parts)
            outcome.provider = response.route.provider
            outcome.attempts = list(response.route.attempts)
            outcome.ended = True
    except GatewayError as error:
        outcome.code = error.code.name if isinstance(error.code, grpc.StatusCode) else str(error.code)
        outcome.reason = error.reason
        outcome.attempts = list(error.attempts)
        delay = error.retry_delay
        outcome.retry_delay = delay if delay is None or isinstance(delay, float) else delay.total_seconds()
        outcome.error = error
    outcome.seconds = time.monotonic() - outcome.started_at
    return outcome


async def _read(
    client: AsyncClient,
    request: gateway_pb2.SendRequest,
    outcome: Outcome,
    timeout: float,
    metadata: Sequence[tuple[str, str]],
) -> None:
    call = client.stream_send(gateway_pb2.StreamSendRequest(request=request), timeout=timeout, metadata=metadata)
    async for event in call.events():
        outcome.sequence.append(event.sequence)
        kind = event.WhichOneof("event")
        if kind == "part_delta":
            if outcome.first is None:
                outcome.first = time.monotonic() - outcome.started_at
            outcome.text += event.part_delta.text
        elif kind == "part_started":
            outcome.text += event.part_started.part.text.text
        elif kind == "completed":
            outcome.ended = True
            outcome.provider = event.completed.route.provider
            outcome.attempts = list(event.completed.route.attempts)
