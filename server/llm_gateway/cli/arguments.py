"""What several commands' arguments have in common. Nothing heavy is imported here: ``--help`` must come at once."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


_BEGUN = re.compile(
    r"(?<![\w.-])(?:sk[-_]|gsk_|ya29\.|AIza|ABSK|(?:hf_|fw_|tgp_|csk-|pplx-|xai-)(?=[\w-]*\d)|A[KS]IA(?=[A-Z]*\d))[\w.*+/=-]*"
)
"""What begins as vendors' keys do, however short: a piece of one is not shown either."""


def without_keys(text: str) -> str:
    """Arguments without what may be a key."""
    from llm_gateway.telemetry.redaction import REDACTED, redact_foreign

    return _BEGUN.sub(REDACTED, redact_foreign(text))


class Parser(argparse.ArgumentParser):
    """One whose errors repeat no key."""

    def error(self, message: str) -> NoReturn:
        shown = without_keys(message)
        how = (
            "; a key is never an argument here: it is asked for, or read from standard input"
            if shown != message
            else ""
        )
        super().error(shown + how)


def add_way(parser: argparse.ArgumentParser, what: str, *, timeout: float) -> argparse._ArgumentGroup:
    """The arguments that say where to call. timeout: the usual one, in seconds."""
    group = parser.add_argument_group("connection")
    group.add_argument("--address", metavar="ADDR", help=what)
    group.add_argument("--tls", action="store_true", help="use TLS with the default authorities")
    group.add_argument("--ca-file", metavar="PEM", help="use TLS and trust these authorities")
    group.add_argument("--cert-file", metavar="PEM", help="client certificate (mTLS)")
    group.add_argument("--key-file", metavar="PEM", help="its private key")
    group.add_argument("--insecure", action="store_true", help="send the API key in plaintext to another machine")
    group.add_argument("--timeout", type=seconds, default=timeout, metavar="S", help=f"seconds to wait ({timeout:g})")
    return group


def name(text: str) -> str:
    """Of a key, a provider or a route."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise argparse.ArgumentTypeError("must be letters, digits, '.', '_' and '-', starting with a letter or digit")
    return text


def seconds(text: str) -> float:
    """A time to wait."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 86_400:
        raise argparse.ArgumentTypeError("must be a number of seconds above 0, 86400 (a day) at most")
    return found


def count(text: str) -> int:
    """How many."""
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 31):
        raise argparse.ArgumentTypeError("must be a whole number, 0 or more")
    return int(text)
