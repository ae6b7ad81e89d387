"""What is configured as a secret is in no text, whatever it looks like."""

from __future__ import annotations

import base64
import json
from collections import Counter
from urllib.parse import quote

import pytest
from llm_gateway import errors
from llm_gateway.telemetry import logs, redaction
from structlog import reset_defaults

SECRET = "correct horse/battery+staple \u00fc"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test makes known ends with it."""
    monkeypatch.setattr(redaction, "_held", Counter())
    monkeypatch.setattr(redaction, "_known", ())
    monkeypatch.setattr(redaction, "_beginnings", ())
    redaction.know(SECRET, "Token plainwords", "http://user:proxyword@proxy.test:3128/", "short")


FORMS = [
    SECRET,
    quote(SECRET, safe=""),
    "Token plainwords",
    "plainwords",
    "proxyword",
    base64.b64encode(b"user:proxyword").decode(),
    "http://user:proxyword@proxy.test:3128/",
]


@pytest.mark.parametrize("echo", [*FORMS, json.dumps(SECRET)[1:-1]])
def test_secret_is_taken_out_of_what_a_provider_says_in_each_form(echo: str) -> None:
    """As it is, as it is sent and as it is echoed: of words, codes and ids."""
    error = errors.RequestRefused(
        provider_message=f"the key '{echo}', is bad", provider_code=f"bad {echo}", provider_request_id=f"of {echo}"
    )
    assert error.provider_message == "the key '[redacted]', is bad"
    assert (error.provider_code, error.provider_request_id) == ("bad [redacted]", "of [redacted]")
    assert echo not in error.told


@pytest.mark.parametrize("echo", FORMS)
def test_secret_is_taken_out_of_log_lines_in_each_form(echo: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """However deep, and as often as it is there; what is left is a line."""
    logs.configure_logging("info")
    logs.log().info("canary", problem=f"said {echo}, twice {echo}", deep=[{"x": echo}])
    reset_defaults()
    assert logs.flush(30)
    line = json.loads(capfdbinary.readouterr().err)
    assert line["problem"] == "said [redacted], twice [redacted]"
    assert line["deep"] == [{"x": "[redacted]"}]


def test_secret_is_found_before_a_text_is_cut() -> None:
    """No half of it stays at the end of what is kept of a long text."""
    for before in range(4 * errors.MAX_PROVIDER_MESSAGE - 60, 4 * errors.MAX_PROVIDER_MESSAGE + 1):
        said = "Bearer abcdefgh " * (before // 16) + "x" * (before % 16) + SECRET
        assert "correct" not in errors.redact(said)


def test_words_are_left_alone() -> None:
    """Short secrets, and parts of secrets, are words of every text."""
    said = "a short proxy test, the user has a horse and a battery"
    assert errors.redact(said) == redaction.redact(said) == said


def test_secret_that_holds_another_is_taken_out_whole() -> None:
    """The longer first, in whatever order they became known."""
    redaction.know("abcdefgh")
    redaction.know("abcdefgh-and-more")
    assert redaction.redact("x abcdefgh-and-more y") == "x [redacted] y"


def test_secret_is_looked_for_until_nobody_holds_it() -> None:
    """Two configurations with one key: it is forgotten with the second, and the keys of others stay."""
    for _ in range(2):
        redaction.know("rotated-key", "rotated-key")
    redaction.forget("rotated-key", "rotated-key")
    assert redaction.redact("x rotated-key y") == "x [redacted] y"
    redaction.forget("rotated-key", "rotated-key")
    assert redaction.redact("x rotated-key plainwords y") == "x rotated-key [redacted] y"
    redaction.forget("never known")
    assert "rotated-key" not in redaction._held


@pytest.mark.parametrize("name", ["asia-northeast1-aiplatform.googleapis.com", "Asia-Southeast1-and-more-of-it"])
def test_names_of_places_are_no_keys(name: str) -> None:
    """AWS writes its key ids in capitals, Google its places not."""
    assert errors.redact(f"at {name}") == redaction.redact(f"at {name}") == f"at {name}"


@pytest.mark.parametrize(
    "key",
    ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "AIzaSyA" + "x1" * 16, "ya29.a0AfH6SMBx-1_x", "gsk_" + "a1" * 10],
)
def test_keys_of_vendors_are_known_by_their_looks(key: str) -> None:
    """In our words and in those of a provider, unconfigured."""
    assert (
        errors.redact(f"the key {key} is bad")
        == redaction.redact(f"the key {key} is bad")
        == "the key [redacted] is bad"
    )
