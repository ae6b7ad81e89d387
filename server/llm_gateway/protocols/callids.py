"""Ids of tool calls: for providers that give none, and for those that do not take another's.

A made-up id is deterministic for its answer and unique in a conversation, because the salt differs from answer to answer; it holds
only what every provider takes in an id. It is recognised on its way back, so that no provider is sent an id that it never issued.
"""

from __future__ import annotations

import hashlib
import re

_PREFIX = "call_gw_"
_UNSAFE = re.compile(r"[^A-Za-z0-9]")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def make_up(salt: str, number: int) -> str:
    """Id of the call at place `number` (from 0) of an answer. salt: the answer's own id or time, "" when it has neither."""
    salt = _UNSAFE.sub("", salt)[-24:]
    return f"{_PREFIX}{salt}_{number}" if salt else f"{_PREFIX}{number}"


def is_made_up(call_id: str) -> bool:
    """Whether the id is the gateway's own."""
    return not call_id or call_id.startswith(_PREFIX)


class CallIds:
    """The ids of one conversation as a provider takes them: a call and its result have the same, two calls never have.

    pattern: regular expression that ids must match whole; "" takes all as they are. An id that is not valid, or that an earlier call
    has, becomes nine letters and digits, which suits everyone, and the same ones in every request, so that prompt caches hold.
    """

    __slots__ = ("_answered", "_pattern", "_sent", "_taken")

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._sent: dict[str, list[str]] = {}
        self._answered: dict[str, int] = {}
        self._taken: set[str] = set()

    def call(self, given: str) -> str:
        """Id of a call, in the order of the conversation."""
        if not self._pattern:
            return given
        calls = self._sent.setdefault(given, [])
        valid = given not in self._taken and re.fullmatch(self._pattern, given)
        sent = given if valid else self._made(given + "." * len(calls))
        calls.append(sent)
        self._taken.add(sent)
        return sent

    def result(self, given: str) -> str:
        """Id of the call that a result names: the first with that id that has no result yet."""
        if not self._pattern:
            return given
        calls = self._sent.get(given)
        if not calls:
            return self.call(given)
        answered = self._answered.get(given, 0)
        self._answered[given] = answered + 1
        return calls[min(answered, len(calls) - 1)]

    def _made(self, seed: str) -> str:
        while True:
            number = int.from_bytes(hashlib.sha256(seed.encode()).digest())
            made = ""
            while len(made) < 9:
                number, digit = divmod(number, 62)
                made += _DIGITS[digit]
            if made not in self._taken:
                return made
            seed += "."
