"""Text → one value: durations, sizes, prices, URLs, and ``${VAR}``. A text that does not fit raises Unfit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from llm_gateway.config.secret import Secret


class Unfit(Exception):
    """A text that does not fit its key. wrong: follows the value in a sentence. right: what would fit, or empty."""

    def __init__(self, wrong: str, right: str = "") -> None:
        super().__init__(wrong)
        self.wrong, self.right = wrong, right


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean …?`` with the known name most like it, or nothing."""
    near = difflib.get_close_matches(name.lower().replace("-", "_"), list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


class Unset(Unfit):
    """A text that names a variable which is not set; ``wrong`` is a sentence of its own."""


_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


def interpolate(text: str, env: Mapping[str, str]) -> str:
    """``${VAR}``, and ``${VAR:-default}`` for a variable unset or empty; ``$${`` is a plain ``${``. Values are not expanded again."""

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        if match[0] == "$${":
            return "${"
        if name is None:
            raise Unfit("has a ${ that names no variable", "write ${NAME}, ${NAME:-default}, or $${ for a plain ${")
        if default is not None:
            return env.get(name) or str(default)
        if name not in env:
            raise Unset(f"environment variable {name} is not set", f"set it, or write ${{{name}:-default}}")
        return env[name]

    return _VARIABLE.sub(value, text)


def unicode(text: str) -> str:
    """The text, unless it came from bytes that are not UTF-8 (os.environ keeps those as lone surrogates)."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unfit("is not UTF-8 text") from None
    return text


_NUMBER = r"([0-9]{1,99}(?:\.[0-9]{1,9})?)"
_DURATION = re.compile(rf"0|(?=.)(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?")


def duration(text: str) -> float:
    """Seconds of ``500ms``, ``2s``, ``1m30s``, ``1h``; zero needs no unit."""
    if not (match := _DURATION.fullmatch(text)):
        raise Unfit("is not a duration", "write a number with its unit, such as 500ms, 2s or 1m30s")
    hours, minutes, seconds, milliseconds = (float(number or 0) for number in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def timeout(text: str) -> float:
    """A duration above zero."""
    if not (seconds := duration(text)):
        raise Unfit("must be longer than 0", "write a duration such as 2s")
    return seconds


MOST_HOURS: Final = 500
"""Of any duration; gRPC counts some of them in 32 bits of milliseconds."""


def _bounded(parse: Callable[[str], float]) -> Callable[[str], float]:
    def within(text: str) -> float:
        if (seconds := parse(text)) > MOST_HOURS * 3600:
            raise Unfit(f"is longer than {MOST_HOURS}h", "is its unit right? milliseconds are written 500ms")
        return seconds

    return within


_UNITS: Final = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size(text: str) -> int:
    """Bytes of ``65536``, ``64KiB``, ``32MiB``, ``1GiB``."""
    match = re.fullmatch(r"(\d{1,12}) ?(|KiB|MiB|GiB)", text, re.ASCII)
    if not match or not 0 < (number := int(match[1]) * _UNITS[match[2]]) < 1 << 31:
        raise Unfit("is not a size", "write bytes, or a number with KiB or MiB, such as 32MiB; less than 2 GiB")
    return number


MOST: Final = 999_999_999
"""Of what is counted; gRPC counts some of it in 31 bits."""


def count(text: str) -> int:
    """A whole number, zero allowed."""
    if not re.fullmatch(r"\d+", text, re.ASCII):
        raise Unfit("is not a whole number", "write digits only")
    if len(digits := text.lstrip("0")) > len(str(MOST)):
        raise Unfit("is too large", f"write {MOST} at most")
    return int(digits or "0")


def positive(text: str) -> int:
    """A whole number above zero."""
    if not (number := count(text)):
        raise Unfit("must be at least 1")
    return number


def _decimal(text: str, most: int | None = 10**9) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and number >= 0):
        raise Unfit("is not a number of 0 or more", "write a number such as 2 or 0.5")
    if most is not None and number > most:
        raise Unfit("is too large", f"write {most} at most")
    return number


def number(text: str) -> float:
    """A number, zero or more."""
    return float(_decimal(text))


def ratio(text: str) -> float:
    """A number from 0 to 1."""
    if (share := _decimal(text, None)) > 1:
        raise Unfit("is not between 0 and 1", "write a share such as 0.1")
    return float(share)


def price(text: str) -> int:
    """Nano-USD of USD."""
    return round(_decimal(text) * 10**9)


NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NAME_RULE: Final = "use letters, digits, '.', '_' and '-', starting with a letter or digit"


def name(text: str) -> str:
    """An id that needs no escaping anywhere."""
    if not NAME.fullmatch(text):
        raise Unfit("is not a name", NAME_RULE)
    return text


_PLACE = re.compile(r"(localhost|[\d.]{7,15}|\[[\da-fA-F:.]+\]|[\w-]+(?=:)|[\w-]+(\.[\w-]+)+)(:\d+)?(/\S*)?", re.ASCII)
"""host:port, host/path or a host that cannot be anything else, without its scheme."""


_HOST = re.compile(r"[\w.~!$&'()*+,;=%:-]+", re.ASCII)  # RFC 3986, section 3.2.2


def _split(text: str) -> SplitResult | None:
    """The parts of an http(s) URL of a host that can be looked up; None where it is none."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port  # raises where the port is none
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not text.isprintable() or " " in text:
        return None
    if not host.isascii():
        return parts if _is_url(f"http://{host}") else None
    return parts if _HOST.fullmatch(host) else None


def is_proxy(text: str) -> bool:
    """Whether it is the URL of a proxy, credentials allowed."""
    parts = _split(text)
    return parts is not None and parts.path in ("", "/") and not parts.query and not parts.fragment and _is_url(text)


def is_postgres(text: str) -> bool:
    """Whether it is the URL of a database of PostgreSQL, credentials allowed."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where it is none
    except ValueError:
        return False
    return parts.scheme in ("postgres", "postgresql") and len(parts.path) > 1 and text.isprintable() and " " not in text


def _is_url(text: str) -> bool:
    """For what connects by httpx, which is imported for it only."""
    import httpx

    try:
        return bool(httpx.URL(text).host)
    except httpx.InvalidURL:
        return False


def url(text: str) -> str:
    """An http(s) URL without credentials and trailing slash. A host without a scheme is http if its name has no dot or is an address, as
    on one's own machines, else https."""
    right = "write something like https://host:port/v1"
    if "://" not in text and (place := _PLACE.fullmatch(text)) and "@" not in text:
        text = f"{'https' if place[2] else 'http'}://{text}"
    parts = _split(text)
    if parts is None:
        raise Unfit("is not an http or https URL", right)
    if "@" in parts.netloc:
        raise Unfit("holds a user name or password", "leave them out of the URL and use api_key or headers")
    if parts.query or parts.fragment:
        raise Unfit("holds a query or fragment", "leave them out; a dated API version goes into api_version")
    return text.rstrip("/")


def boolean(text: str) -> bool:
    """``true`` or ``false``."""
    if text.lower() not in ("true", "false"):
        raise Unfit("is neither true nor false", "write true or false")
    return text.lower() == "true"


_UNEXPANDED = re.compile(
    r"\$\(?([A-Z_][A-Z0-9_]*|[a-z]+(?:_[a-z0-9]+)+)\)?|%([A-Za-z_][A-Za-z0-9_]*)%"
    r"|\$?(?:(?i:env|secrets?)[:.]|process\.env\.|os\.environ\W+)([A-Za-z_][A-Za-z0-9_]*)\W*|\$?\{\{\s*([\w.]*)\s*\}\}"
)
"""Variables in the notation of other programs: shells, Windows, PowerShell, templates, languages. None of them is expanded here."""


def _expanded(text: str) -> str:
    if match := _UNEXPANDED.fullmatch(text):
        name = next(filter(None, match.groups()), "NAME").rpartition(".")[2]
        raise Unfit(
            "names a variable in a way that is not read here, so the name would be the value", f"write ${{{name}}}"
        )
    return text


def string(text: str) -> str:
    """Any text that is not empty."""
    if not text:
        raise Unfit("is empty", "give a value or leave the key out")
    return _expanded(text)


def variables(text: str) -> list[str]:
    """The names of the variables that a text mentions."""
    return [match[1] for match in _VARIABLE.finditer(text) if match[1]]


def secret(text: str) -> Secret:
    """Any text that is not empty, hidden; surrounding space (a file's last line break) does not count."""
    if not text.strip():
        raise Unfit("is empty", "give the value or leave the key out")
    return Secret(_expanded(text.strip()))


_PLACEHOLDER = re.compile(
    r"(?i).*(?:\.\.\.|\u2026|\*{3}|x{5}).*|<.*>|\[.*\]|x{3,}|todo|placeholder|change[-_ ]?me|api[-_ ]?key"
    r"|(?:.*[-_ ])?(?:your|insert|replace|paste|put|fill)[-_ ].*|.*[-_ ]here"
)
"""Placeholders for keys in examples, and keys as dashboards show them. Words such as none, dummy or EMPTY are keys of local servers."""


def credential(text: str) -> Secret:
    """A key: a header's secret in one word that is no placeholder and contains no quotes."""
    if _PLACEHOLDER.fullmatch(text.strip()):
        raise Unfit("is a placeholder, not a key", "put the key itself there, or take the variable or the key out")
    value = header(text)
    word = text.strip()
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"`":
        raise Unfit("has quotes that are part of the value", "leave the quotes out: an --env-file keeps them, say")
    if word.lower().startswith("bearer "):
        raise Unfit("begins with Bearer, which is added to it", "give the key alone")
    if " " in word:
        raise Unfit("holds a space", "check how it was copied: a key is one word")
    return value


def header(text: str) -> Secret:
    """A secret that an HTTP header or gRPC metadata can carry."""
    value = secret(text)
    if not (text.strip().isascii() and text.strip().isprintable()):
        raise Unfit("holds a character that a header cannot carry", "check how it was copied: printable ASCII only")
    return value


def digest(text: str) -> Secret:
    """The SHA-256 of a key of the administration, as `llm-gateway admin-key new` writes it; hidden, so that no message shows a key in its place."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", text.strip()):
        raise Unfit("is no hash of a key", "make a key and its line with `llm-gateway admin-key new`")
    return Secret(text.strip())


PARSERS: Final[Mapping[Any, Callable[[str], Any]]] = {
    str: string,
    bool: boolean,
    Secret: secret,
    "count": count,
    "credential": credential,
    "digest": digest,
    "duration": _bounded(duration),
    "header": header,
    "name": name,
    "number": number,
    "positive": positive,
    "price": price,
    "ratio": ratio,
    "size": size,
    "timeout": _bounded(timeout),
    "url": url,
}
"""By type, or by the mark of an annotated type of ``models``."""
