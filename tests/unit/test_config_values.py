"""Single values of the configuration."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway.config import values
from llm_gateway.config.values import Unfit, Unset
from llm_gateway.upstream.http import HttpClient


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("2s", 2), ("1m30s", 90), ("1h", 3600), ("1.5h", 5400), ("1h2m3s4ms", 3723.004), ("0", 0), ("0s", 0)],
)  # fmt: skip
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """Units from ms to h, largest first."""
    assert values.duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-1s", "1s1m", "1e3s", "5S", "٣s", "1s ", "9" * 400 + "s", "inf", "none"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit is ambiguous, an endless one is no duration."""
    with pytest.raises(Unfit):
        values.duration(text)


@given(st.integers(0, 10**9 - 1), st.sampled_from(["ms", "s", "m", "h"]))
def test_a_duration_keeps_its_number(number: int, unit: str) -> None:
    """The value is the number times its unit."""
    assert values.duration(f"{number}{unit}") == pytest.approx(number * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit])


def test_a_timeout_is_above_zero() -> None:
    """A limit of nothing would fail every call."""
    assert values.timeout("1ms") == 0.001
    with pytest.raises(Unfit):
        values.timeout("0s")


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("64KiB", 65536), ("32 MiB", 32 << 20), ("1GiB", 1 << 30)])
def test_a_size_is_bytes(text: str, size: int) -> None:
    """Binary units only: MB would be ambiguous."""
    assert values.size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5MiB", "1MB", "2GiB", "1kib", "9" * 30])
def test_what_is_no_size_is_refused(text: str) -> None:
    """gRPC's own limit, 2 GiB, is the bound."""
    with pytest.raises(Unfit):
        values.size(text)


@pytest.mark.parametrize(
    ("text", "nano"), [("3", 3 * 10**9), ("0.075", 75_000_000), ("1e-3", 1_000_000), ("0", 0), ("0.1", 100_000_000)]
)
def test_a_price_is_exact(text: str, nano: int) -> None:
    """No binary fraction on the way from USD to nano-USD."""
    assert values.price(text) == nano


@pytest.mark.parametrize("text", ["", "-1", "NaN", "Infinity", "1e99", "1,5", "$3"])
def test_what_is_no_price_is_refused(text: str) -> None:
    """A price is a plain number, never below nothing."""
    with pytest.raises(Unfit):
        values.price(text)


def test_variables_are_interpolated() -> None:
    """Set, unset, empty, defaulted and escaped ones."""
    env = {"A": "1", "EMPTY": ""}
    assert values.interpolate("${A}-${EMPTY}-${B:-b}-${EMPTY:-e}-${C:-}-$${A}-$A", env) == "1--b-e--${A}-$A"
    with pytest.raises(Unset, match="B is not set"):
        values.interpolate("${B}", env)
    with pytest.raises(Unfit, match="names no variable"):
        values.interpolate("${B", env)


@pytest.mark.parametrize(
    ("text", "url"),
    [("https://host/v1/", "https://host/v1"), ("http://[::1]:80", "http://[::1]:80"), ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1")],
)  # fmt: skip
def test_a_url_loses_its_trailing_slash(text: str, url: str) -> None:
    """Paths are appended to it."""
    assert values.url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "ftp://h",
        "http://",
        "http://a b",
        "http://h:x",
        "http://u@h",
        "http://h?a",
        "http://h#a",
        "http://h\u0000",
    ],
)
def test_what_is_no_base_url_is_refused(text: str) -> None:
    """Nothing that hides credentials or that paths cannot be appended to."""
    with pytest.raises(Unfit):
        values.url(text)


HOSTS = (
    *("h", "A.TEST", "a_b", "a..b", "127.0.0.1", "[::1]", "[fe80::1%25eth0]", "münchen.de", "a\u00adb", "\u2024", "ä" * 70, "a%41", "!$&'()*+,;=~"),
    *("", "[::1", "::1]", "::1", "a b", "a\tb", "a\u0000b", "h@x", "h\\x", "h#x", "h?x", '"h"', "<h>", "h^x", "h|x", "{h}", "`h"),
)  # fmt: skip


@given(
    st.sampled_from(["http", "https", "HTTP", "ftp", ""]),
    st.sampled_from(HOSTS) | st.text(max_size=6),
    st.sampled_from(["", ":", ":0", ":443", ":65536", ":-1", ":x", ":８０"]),
    st.sampled_from(["", "/", "//v1/", "/ä", "/%zz", "/a\nb", "/a?b", "/a#b", "/a\u200bb"]),
)
def test_the_configuration_takes_the_urls_that_the_http_client_takes(
    scheme: str, host: str, port: str, path: str
) -> None:
    """Each has its own reading of what a host may look like, since the HTTP package stands alone. A space is the one difference: the
    client escapes it in a path."""
    text = f"{scheme}://{host}{port}{path}".replace(" ", "")
    with suppress(Unfit):
        HttpClient(values.url(text))
        return
    with pytest.raises(ValueError, match="base_url"):
        HttpClient(text)


def test_a_key_loses_the_space_around_it() -> None:
    """A key read from a file often ends in a line break."""
    assert values.header(" key\n").reveal() == "key"
    for text in ("", " ", "a\nb", "ключ"):
        with pytest.raises(Unfit):
            values.header(text)
    assert values.secret("-----BEGIN\nKEY-----").reveal() == "-----BEGIN\nKEY-----"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost:11434", "http://localhost:11434"),
        ("127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("box:8000/v1", "http://box:8000/v1"),
        ("api.vendor.com/v1", "https://api.vendor.com/v1"),
    ],
)
def test_a_missing_scheme_is_added(text: str, url: str) -> None:
    """Plaintext on one's own machines, TLS to a host with a domain."""
    assert values.url(text) == url


@pytest.mark.parametrize("mark", ["duration", "timeout"])
def test_a_duration_beyond_reason_is_refused(mark: str) -> None:
    """Milliseconds taken for seconds or hours show so."""
    assert values.PARSERS[mark]("500h") == 500 * 3600
    with pytest.raises(Unfit, match="longer than 500h"):
        values.PARSERS[mark]("60000m")
