"""A provider's key: from a prompt or standard input, never from the arguments."""

from __future__ import annotations

import getpass
import sys

from llm_gateway.cli import UsageError

_MOST = 64 << 10


def read(owner: str) -> str:
    """The key, asked for on a terminal. owner: whose it is, for the prompt. Raises UsageError."""
    asked = f"API key for {owner} (not shown): "
    text = getpass.getpass(asked) if sys.stdin.isatty() else sys.stdin.read(_MOST)
    if not text.strip():
        right = "type it at the prompt, or give a file: < FILE"
        raise UsageError(f"no key was given; {right}")
    return text.strip()
