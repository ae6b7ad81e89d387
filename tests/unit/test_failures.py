"""Retry hints in every shape that providers use, and error classes by status."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway import errors
from llm_gateway.protocols import anthropic, aws, failures, openai_responses

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
        (301, errors.NotSupported, False, True),
        (404, errors.ModelNotFound, False, True),
        (405, errors.NotSupported, False, True),
        (407, errors.CredentialsRejected, False, True),
        (410, errors.ModelNotFound, False, True),
        (415, errors.NotSupported, False, True),
        (418, errors.NotSupported, False, True),
        (421, errors.NotSupported, False, True),
        (426, errors.NotSupported, False, True),
        (451, errors.NotSupported, False, True),
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


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 7.66s.", 7.66),
        ("Please try again in 7m12.5s. Upgrade", 432.5),
        ("Please retry in 38.601658672s.", 38.601658672),
        ("Try again in 5 seconds.", 5.0),
        ("please retry after 2 minutes", 120.0),
        ("try again in 120ms", 0.12),
        ("retry after 250 milliseconds", 0.25),
        ("try again in 3", 3.0),
        ("try again later", None),
    ],
)
def test_a_delay_is_read_from_words(words: str, seconds: float | None) -> None:
    """Of a busy server that sends no header."""
    found = failures.said_delay(429, LowerCase({}), words)
    assert found == (None if seconds is None else pytest.approx(seconds))
    assert failures.said_delay(429, LowerCase({"retry-after": "1"}), words) == 1.0
    assert failures.said_delay(400, LowerCase({}), words) is None


REFUSED = errors.RequestRefused


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (
            "This model's maximum context length is 8192 tokens. However, you requested 9850.",
            errors.ContextWindowExceeded,
        ),
        ("`max_tokens` is too large: 8192. This model's maximum context length is 4096.", errors.ContextWindowExceeded),
        ("input length and `max_tokens` exceed context limit: 197202 + 21333 > 200000", errors.ContextWindowExceeded),
        ("The model returned the following errors: prompt is too long: 9 tokens > 8", errors.ContextWindowExceeded),
        ("litellm.BadRequestError: XException - Input is too long for requested model.", errors.ContextWindowExceeded),
        ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192.", errors.ContextWindowExceeded),
        ("prompt token count of 140000 exceeds the limit of 128000", errors.ContextWindowExceeded),
        ("Requested tokens (5000) exceed context window of 4096", errors.ContextWindowExceeded),
        ("You have reached your specified API usage limits. You will regain access soon.", errors.Billing),
        ("Insufficient Balance", errors.Billing),
        ("Content Exists Risk", errors.ContentBlocked),
        ("Your request was rejected as a result of our safety system.", errors.ContentBlocked),
        ("The model `x` does not exist or you do not have access to it.", errors.ModelNotFound),
        ("x/y is not a valid model ID", errors.ModelNotFound),
        ("Error while downloading https://example.com/a.png", errors.MediaUnreachable),
        ("API key expired. Please renew the API key.", errors.CredentialsRejected),
        ("Invalid value for metadata: your credit balance is too low", REFUSED),
        ("Invalid value: 'it isn't the API key. Your credit balance is too low.'", REFUSED),
        ('Invalid JSON: {"note": "incorrect api key provided", "a": "content policy', REFUSED),
        ('Got "he said "prompt is too long" twice"', REFUSED),
        ("[{'type': 'x', 'msg': 'bad', 'input': 'prompt is too long'}]", REFUSED),
        ("Unknown parameter: context_window", REFUSED),
        ("The value my credit balance is too low is not allowed", REFUSED),
        ("max_tokens is too large: 100000. This model supports at most 16384 completion tokens.", REFUSED),
    ],
)
def test_a_refusal_is_told_by_the_providers_own_sentence_and_by_nothing_it_quotes(
    message: str, found: type[errors.ProviderError]
) -> None:
    """Where there is no code: what begins a sentence counts; what is quoted, or named behind a colon, may be the caller's."""
    assert failures.classify(400, kind="invalid_request_error", message=message) is found
    assert failures.classify(400, code="unsupported_value", message=message) is REFUSED


@pytest.mark.parametrize(
    ("seconds", "found"), [(20.0, errors.RateLimited), (None, errors.QuotaExhausted), (9e4, errors.QuotaExhausted)]
)
def test_a_delay_that_can_be_waited_for_is_a_limit_of_the_rate(
    seconds: float | None, found: type[errors.ProviderError]
) -> None:
    """Whatever the words say of quotas; a code that says so is another matter."""
    words = "You exceeded your current quota, please check your plan and billing details."
    assert failures.classify(429, message=words, retry_after=seconds) is found
    codes = {"insufficient_quota": errors.QuotaExhausted}
    coded = failures.classify(429, code="insufficient_quota", message=words, retry_after=seconds, codes=codes)
    assert coded is errors.QuotaExhausted


@pytest.mark.parametrize("table", [anthropic.response.CODES, openai_responses.response.ERROR_CODES, aws.CODES])
def test_a_429_is_a_rate_limit_whatever_general_name_it_bears(table: dict[str, type[errors.ProviderError]]) -> None:
    """A name that says only that something failed does not outweigh the status; one that says more does."""
    for name, named in table.items():
        general = named is errors.ProviderUnavailable
        found = failures.classify(429, kind=name, codes=table)
        assert found is (errors.RateLimited if general else named), name
        if general:
            assert failures.classify(500, kind=name, codes=table) is errors.ProviderUnavailable


@pytest.mark.parametrize(
    "word",
    [
        "`",
        "'",
        "x: ",
        "error: ",
        '"',
        "{",
        "input ",
        "access",
        "tokens exceed ",
        "model ",
        "context",
        "download",
        "fetch url",
        "a-",
    ],
)
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


@pytest.mark.parametrize(
    "name",
    [
        "rs_68a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607",
        "msg_68a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607",
        "resp_68a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607",
        "call_8d3f2c1a4b5e6f708192a3b4c5d6e7f8091a2b3c",
        "call_8d3f2c1a-4b5e-6f70-8192-a3b4c5d6e7f8",
        "toolu_01A09q90qw90lq917835lq9LongerThanFortyCharacters",
        "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q_kZJMlvQmRJ6eAyJE",
        "req_011CVzRApSTq9LqxMcT8uSxd0123456789abcdef0123",
        "chatcmpl-8d3f2c1a4b5e6f708192a3b4c5d6e7f8091a",
        "gen-1756000000-AbCdEfGhIjKlMnOpQrStUvWxYz012345",
        "8d3f2c1a-4b5e-6f70-8192-a3b4c5d6e7f8",
        "accounts/fireworks/models/llama-v3p1-405b-instruct",
        "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
        "projects/my-project-1/locations/us-central1/publishers/google/models/gemini-2",
        "/v1/responses/resp_68a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "skip_special_tokens_and_more",
        "keyword_arguments_unknown",
    ],
)
def test_ids_and_names_that_the_caller_needs_stay_in_a_providers_words(name: str) -> None:
    """Of items, calls, answers and requests, of models and their paths, of parameters: long as keys, and no secrets."""
    assert errors.redact(f"no {name} here") == f"no {name} here"


@pytest.mark.parametrize(
    "key",
    [
        "0123456789abcdef0123456789abcdef01234567",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "aB3-dE5_fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9",
        "nvapi-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3Ab4Cd5Ef6",
        "models/AbCdEfGh0123456789AbCdEfGh0123456789AbCd",
        "QmFzZTY0VGV4dFRoYXRJc0FLZXkxMjM0NTY3ODkwQUJDREVG==",
        "sk-proj-abcdefghijklmnop",
        "sk_live_abcdefghijklmnop",
        "hf_abcdefGHIJKLmnop",
        "skABCDEF0123456789",
        "sk-****************abcd",
    ],
)
def test_keys_do_not_hide_among_ids_and_names(key: str) -> None:
    """Neither in words between hyphens and slashes, nor behind a prefix."""
    assert errors.redact(f"refused {key} sorry") == "refused [redacted] sorry"


@pytest.mark.parametrize(
    ("value", "status"),
    [("429", 429), (429, 429), ("\u00b2", 0), ("9" * 5000, 0), ("200", 0), (True, 0), (None, 0), ({}, 0), (4e2, 0)],
)
def test_a_status_that_a_body_names_is_one_of_http(value: object, status: int) -> None:
    """Digits that are none to `int`, and more than it reads, leave the error what it is otherwise."""
    assert failures.named_status(value) == status
