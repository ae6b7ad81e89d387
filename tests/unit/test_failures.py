"""Retry hints in every shape that providers use, and error classes by status."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway import errors
from llm_gateway.protocols import failures

from tests.golden.runner import LowerCase

NOW = 1_700_000_000.0


def date(seconds: float) -> str:
    return email.utils.formatdate(NOW + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": " 3 "}, 3.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "7.66s"}, 7.66),
        ({"retry-after": date(30)}, 30.0),
        ({"retry-after": date(-30)}, 0.0),
        ({"retry-after": date(30).replace(" GMT", "")}, 30.0),
        ({"retry-after": "2023-11-14T22:13:50Z"}, 30.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"x-ms-retry-after-ms": "1300"}, 1.3),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset": "120ms"}, 0.12),
        ({"x-ratelimit-reset": str(int(NOW) + 60)}, 60.0),
        ({"x-ratelimit-reset": str((int(NOW) + 60) * 1000)}, 60.0),
        ({"anthropic-ratelimit-tokens-reset": "2023-11-14T22:14:20+00:00"}, 60.0),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "9s"}, 1.0),
        (
            {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "9s", "x-ratelimit-remaining-tokens": "0"},
            9.0,
        ),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e309"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "2s later"}, None),
        ({"x-ratelimit-reset": "99999999999999999999"}, None),
        ({}, None),
    ],
)
def test_a_retry_hint_is_read_in_every_shape(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, fractions, dates, durations, epochs; what makes no sense is no hint."""
    found = failures.retry_delay(LowerCase(headers), NOW)
    assert found == (None if seconds is None else pytest.approx(seconds, abs=0.01))


@given(
    st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ms-retry-after-ms"]), st.text(max_size=40)
)
def test_no_header_breaks_the_reading(name: str, value: str) -> None:
    """A finite time that is not negative, or none."""
    found = failures.retry_delay(LowerCase({name: value}), NOW)
    assert found is None or 0 <= found <= failures.LONGEST_DELAY


@pytest.mark.parametrize(
    ("status", "found", "again", "elsewhere"),
    [
        (400, errors.RequestRefused, False, False),
        (401, errors.CredentialsRejected, False, True),
        (402, errors.Billing, False, True),
        (403, errors.CredentialsRejected, False, True),
        (404, errors.ModelNotFound, False, True),
        (408, errors.ProviderTimeout, True, True),
        (409, errors.ProviderUnavailable, True, True),
        (413, errors.RequestTooLarge, False, False),
        (422, errors.RequestRefused, False, False),
        (429, errors.RateLimited, True, True),
        (500, errors.ProviderUnavailable, True, True),
        (502, errors.ProviderUnavailable, True, True),
        (503, errors.ProviderOverloaded, True, True),
        (504, errors.ProviderTimeout, True, True),
        (529, errors.ProviderOverloaded, True, True),
        (599, errors.ProviderUnavailable, True, True),
    ],
)
def test_a_status_has_a_class_that_says_what_is_done(
    status: int, found: type[errors.ProviderError], again: bool, elsewhere: bool
) -> None:
    """Whether the same target is asked again, and whether another one is."""
    error = failures.from_http(status, LowerCase({}))
    assert type(error) is found
    assert (error.retry_same, error.failover) == (again, elsewhere)


@pytest.mark.parametrize("word", ["access", "tokens exceed ", "model ", "context", "download", "fetch url", "a-"])
def test_a_hostile_body_is_classified_in_time_linear_in_its_length(word: str) -> None:
    """64 KiB that a pattern begins to match at every word: backtracking over all of it took minutes."""
    text = (word * 65536)[:65536]
    assert issubclass(failures.classify(400, message=text), errors.ProviderError)
    assert len(errors.redact(text)) <= errors.MAX_PROVIDER_MESSAGE


@pytest.mark.parametrize(
    "key",
    [
        "0123456789abcdef0123456789abcdef",  # Azure
        "AbCdEfGh0123456789AbCdEfGh012345",  # Mistral
        "sk-ant-api03-abcdefghijklmnop",
        "AIza" + "SyA-1234567890abcdefghijklmnopqrstuv",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1",
        "Bearer abcdef.ghijkl",
    ],
)
def test_keys_are_taken_out_of_a_providers_words_and_models_names_are_not(key: str) -> None:
    """By their looks: prefixes, or length with letters and digits."""
    said = f"model claude-sonnet-4-5-20250929 refused {key}, sorry"
    assert errors.redact(said) == "model claude-sonnet-4-5-20250929 refused [redacted], sorry"
