"""When to come back: headers and sentences in which providers say so."""

from __future__ import annotations

import math

from llm_gateway import durations
from llm_gateway.protocols import failures
from llm_gateway.protocols.google import from_http

from tests.fuzz.engine import Target
from tests.fuzz.properties import check_told
from tests.golden.runner import LowerCase

NOW = 1_790_000_000.0


def check(data: bytes) -> None:
    """The first line is a message, the others are headers: a wait is a number of seconds that a Duration holds, or there is none."""
    message, *lines = data.decode("latin-1").split("\n")
    pairs = (line.partition(":") for line in lines)
    headers = LowerCase({name.strip().lower(): value.strip() for name, _, value in pairs})
    texts = (message, *headers.values())
    waits = [
        *(failures.duration(text) for text in texts),
        *(failures.instant(text, NOW) for text in texts),
        *(failures.reset(text, NOW) for text in texts),
        failures.asked_delay(headers, NOW),
        failures.retry_delay(headers, NOW),
        failures.said_delay(429, headers, message),
    ]
    for seconds in waits:
        if seconds is not None:
            assert math.isfinite(seconds), seconds
            assert 0 <= seconds <= failures.LONGEST_DELAY, seconds
            assert durations.to_proto(seconds).ToJsonString()
    check_told(failures.from_http(429, headers, message=message))
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": message}
    check_told(from_http(503, headers, {"status": "UNAVAILABLE", "details": [detail]}, message))


NAMES = (
    "retry-after",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    *failures._RESETS,
    *(name.replace("reset", "remaining") for name in failures._RESETS),
)
VALUES = (
    "2", "1.5", "7.66s", "6m0s", "1h2m3.5s", "120ms", "0", "-1", "inf", "nan", "1e3", "1_000", "Wed, 21 Oct 2026 07:28:00 GMT",
    "2026-05-04T20:01:02Z", "2026-05-04T20:01:02.123456789+02:00", "1790000060", "1790000060000", "999999999999999999999",
)  # fmt: skip
SAID = (
    "Please try again in 1m7.66s.",
    "Retry after 20 seconds",
    "try again in 5 min",
    "retry in 120 milliseconds",
    "Slow down",
)


def _seeds() -> list[bytes]:
    found = [f"{message}\n{name}: {value}" for message, name, value in zip(SAID * 4, NAMES, VALUES, strict=False)]
    found += [
        f"{value}\nretry-after: {value}\nx-ratelimit-reset: {value}\nx-ratelimit-remaining: 0" for value in VALUES
    ]
    return [text.encode("latin-1") for text in found]


TARGETS = (
    Target(
        name="retry-after",
        check=check,
        make_seeds=_seeds,
        tokens=tuple(
            text.encode("latin-1")
            for text in (
                *(f"\n{name}: " for name in NAMES),
                *VALUES,
                *SAID,
                *"0123456789.:-+TZ smhd",
                "ms",
                "9" * 400,
                "try again in ",
                " GMT",
                "Mon, ",
                "\xb2",
            )
        ),
    ),
)
