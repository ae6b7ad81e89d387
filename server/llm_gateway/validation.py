"""Validation of requests: all violations at once, with proto paths."""

from __future__ import annotations

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.errors import InvalidRequest, Violation


def validate(request: gateway_pb2.SendRequest, prefix: str = "") -> None:
    """Raise InvalidRequest naming every field that is wrong; `prefix` goes before their paths."""
    violations: list[Violation] = []
    if not request.messages:
        violations.append(
            Violation(field=f"{prefix}messages", description="Send at least one message.", reason="REQUIRED")
        )
    for index, message in enumerate(request.messages):
        if message.role == content_pb2.ROLE_UNSPECIFIED:
            violations.append(
                Violation(field=f"{prefix}messages[{index}].role", description="Set the role.", reason="REQUIRED")
            )
    if violations:
        raise InvalidRequest("The request is not valid; see field_violations.", violations=violations)
