"""Seconds to google.protobuf.Duration and back."""

from __future__ import annotations

from google.protobuf import duration_pb2


def to_proto(seconds: float) -> duration_pb2.Duration:
    """A Duration of `seconds`, cut to whole nanoseconds."""
    whole = int(seconds)
    return duration_pb2.Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))


def to_seconds(duration: duration_pb2.Duration) -> float:
    """A Duration in seconds."""
    return duration.seconds + duration.nanos / 1e9
