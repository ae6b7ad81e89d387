"""Redaction of logs and errors: the configured secrets themselves, and whatever looks like one."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

REDACTED = "[redacted]"
LEAST = 8
"""Characters that a secret must have to be looked for; shorter ones occur in innocent words."""

_held: Counter[str] = Counter()
"""Known secrets, and how many configurations hold each: an old configuration is in use until its last call ends."""
_known: tuple[str, ...] = ()
_beginnings: tuple[str, ...] = ()
"""Their distinct beginnings: keys of one vendor begin alike, so looking for the beginning first saves looking for each."""


def know(*secrets: str) -> None:
    """From now on redact these in every text, until `forget` has been called as often as `know`. Each is also redacted in the forms in which it
    is sent and echoed: without its scheme ("Bearer …"), percent-encoded, inside JSON, in base64; of a URL, the user and the password."""
    _held.update(secrets)
    _look_for(_held)


def forget(*secrets: str) -> None:
    """Undo one call of `know` for these."""
    _held.subtract(secrets)
    for secret in {secret for secret in secrets if _held[secret] <= 0}:
        del _held[secret]
    _look_for(_held)


def _look_for(secrets: Iterable[str]) -> None:
    global _known, _beginnings  # noqa: PLW0603 - one list for the process, as there is one log
    forms: set[str] = set()
    for secret in secrets:
        texts = {secret, secret.rpartition(" ")[2]}
        if "://" in secret:
            url = urlsplit(secret)
            pair = f"{url.username}:{url.password}" if url.password else ""
            texts |= {url.password or "", pair, base64.b64encode(pair.encode()).decode()}
        for text in texts:
            encoded = base64.b64encode(text.encode()).decode()
            forms |= {
                text,
                quote(text, safe=""),
                json.dumps(text)[1:-1],
                json.dumps(text, ensure_ascii=False)[1:-1],
                encoded,
            }
    _known = tuple(sorted((form for form in forms if len(form) >= LEAST), key=len, reverse=True))
    _beginnings = tuple({form[:4] for form in _known})


def without_known(text: str) -> str:
    """The text without the known secrets. For a log line it costs a tenth of a microsecond for each beginning."""
    for beginning in _beginnings:
        if beginning in text:
            break
    else:
        return text
    for secret in _known:
        if secret in text:
            text = text.replace(secret, REDACTED)
    return text


_KEYS = ("sk-", "xai-", "gsk_", "ya29.")
"""How vendors' keys begin: those of OpenAI, Anthropic and many others, of xAI, of Groq, and Google's access tokens."""
_EXACT = r"(?-i:AIza[\w*-]{12,}|A[KS]IA[A-Z0-9*]{12,})"
"""Keys of Google and AWS, matched by case, since asia-northeast1 is a region."""
_LOOKS = re.compile(
    r"(?i)\b(?:bearer|basic) +[\w.+/=~:-]{6,}"
    rf"|\b(?:{'|'.join(map(re.escape, _KEYS))})[\w-]{{12,}}|\b{_EXACT}"
    r"|(?<=[?&]key=)[^&\s\"]+"
)
"""What is a credential for certain: HTTP authorization, vendors' keys, a key in a query."""
_SIGNS = ("bearer ", "basic ", *_KEYS, "aiza", "akia", "asia", "key=")
"""Every text that the pattern matches contains one of these; looking for them first costs a tenth of the pattern."""


def redact(text: str) -> str:
    """Our own text without secrets, and without what looks like one for certain."""
    text = without_known(text)
    lowered = text.lower()
    for sign in _SIGNS:
        if sign in lowered:
            return _LOOKS.sub(REDACTED, text)
    return text


_WORDS = "|".join((*(key[:-1] for key in _KEYS), "pk", "rk", "key", "ghp", "hf"))
_SECRET = re.compile(
    r"(?i)\b(?:bearer|basic)\s+[\w.+/=~-]{8,}"
    rf"|\b(?:{_WORDS})[-_.][A-Za-z0-9_*.-]{{12,}}"
    rf"|\b(?:{_WORDS})(?=[A-Za-z_*.-]*[\d*])[A-Za-z0-9_*.-]{{12,}}|\b{_EXACT}"
    r"|(?<=key=)[^&\s\"']+|(?<=token=)[^&\s\"']+|(?<=://)[^/@\s]++(?=@)"
    r"|(?<![A-Za-z0-9_+/-])(?<!sha256:)(?<!sha512:)(?=[A-Za-z_+/-]*+\d)(?=[0-9_+/-]*+[A-Za-z])"
    r"(?P<long>[A-Za-z0-9_+/-]{40,}|[A-Za-z0-9]{32,}(?![A-Za-z0-9_+/-]))={0,2}"
)
"""What may be a key: for what stands before it, or because it is long and has both letters and digits."""
_PUBLIC = re.compile(
    r"(?:rs|msg|resp|fco?|ctco?|call|ws|fs|ig|mcp[lr]?|ci|cu|cmp|lsh|run|thread|step|asst|vs|file|batch|req|modr|ftjob|toolu|srvtoolu"
    r"|mcptoolu|tooluse|container|msgbatch)_[A-Za-z0-9_-]+"
    r"|(?:chatcmpl|cmpl|gen|file|req)-[A-Za-z0-9_-]+"
    r"|(?:[A-Z]?[a-z]+|[A-Z]+)?\d{0,12}[A-Za-z]{0,2}\d{0,4}"
)
"""A piece between slashes that is no secret: an id that a provider gives an item, a call, an answer or a request, or (after a split
at hyphens) a word of a model's name, a date or a number."""


def _hidden(found: re.Match[str]) -> str:
    """[redacted], except for ids and names that the caller needs, which are as long as keys."""
    text = found["long"]
    if text is not None and "=" not in found[0]:
        pieces = text.split("/")
        if all(_PUBLIC.fullmatch(piece) or all(map(_PUBLIC.fullmatch, re.split("[-_]", piece))) for piece in pieces):
            return text
    return REDACTED


def redact_foreign(text: str) -> str:
    """Somebody else's text without secrets, and without anything that may be one: foreign keys have any shape."""
    return _SECRET.sub(_hidden, without_known(text))
