"""What holds everywhere: errors are the documented ones, can be told, and tell no secret; and where bytes are cut means nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from llm_gateway.errors import GatewayError, InternalError
from llm_gateway.rpc import errors as rpc_errors
from llm_gateway.telemetry import redaction

T = TypeVar("T")
KEY = "fuzz-key-4f8a91c27be0"
"""A configured secret, which a provider or a caller may echo."""
PROMPT = "quokkas-eat-leaves"
"""Words of a caller or a model: no log line has them."""


def check_told(error: GatewayError) -> None:
    """The error is a documented one, becomes a status, and shows no secret."""
    assert not isinstance(error, InternalError), error
    assert error.told.strip()
    assert error.retry_after is None or (math.isfinite(error.retry_after) and error.retry_after >= 0)
    redaction.know(KEY)
    status = rpc_errors.status_of(error, "request-1")
    raw = status.SerializeToString()
    assert len(raw) <= rpc_errors.MAX_DETAIL, f"{len(raw)} bytes of details"
    shown = f"{error.told} {error.message} {error.cause} {error} {error!r}"
    assert KEY not in shown, "the key is told"
    assert KEY.encode() not in raw, "the key is in the status"


def guarded(call: Callable[[], T]) -> T | None:
    """What the call gives; None where it ends with an error, which must be a documented one."""
    try:
        return call()
    except GatewayError as error:
        check_told(error)
        return None


def cut(data: bytes) -> list[list[bytes]]:
    """The same bytes whole, one by one, and in pieces of 7."""
    return [
        [data],
        [data[at : at + 1] for at in range(len(data))],
        [data[at : at + 7] for at in range(0, len(data), 7)],
    ]


def check_same(outcomes: list[Any]) -> None:
    """What was read does not depend on where the bytes were cut."""
    for other in outcomes[1:]:
        assert other == outcomes[0], f"whole {str(outcomes[0])[:200]}, cut {str(other)[:200]}"
