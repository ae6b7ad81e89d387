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


class Calls:
    """The calls of one conversation, by their place among all calls, and which of them results have answered."""

    __slots__ = ("_answered", "_places", "names")

    def __init__(self) -> None:
        self.names: list[str] = []
        self._places: dict[str, list[int]] = {}
        self._answered: set[int] = set()

    def call(self, given: str, name: str) -> int:
        """Place of a call, in the order of the conversation."""
        place = len(self.names)
        self.names.append(name)
        self._places.setdefault(given, []).append(place)
        return place

    def result(self, given: str, name: str) -> int | None:
        """Place of the call that a result answers: of those with its id, which may be empty, that have no result yet, the first of its
        name, else the first; None when no call has the id."""
        places = self._places.get(given)
        if not places:
            return None
        waiting = [place for place in places if place not in self._answered] or places[-1:]
        place = next((place for place in waiting if self.names[place] == name), waiting[0])
        self._answered.add(place)
        return place

    def having(self, given: str) -> int:
        """How many calls have this id."""
        return len(self._places.get(given, ()))


class CallIds:
    """The ids of one conversation as a provider takes them: a call and its result have the same, two calls never have.

    pattern: regular expression that ids must match whole; "" takes all as they are. An id that is not valid, or that an earlier call
    has, becomes nine letters and digits, which suits everyone, and the same ones in every request, so that prompt caches hold.
    """

    __slots__ = ("_calls", "_pattern", "_sent", "_taken")

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._calls = Calls()
        self._sent: list[str] = []
        self._taken: set[str] = set()

    def call(self, given: str, name: str = "") -> str:
        """Id of a call, in the order of the conversation."""
        if not self._pattern:
            return given
        valid = given not in self._taken and re.fullmatch(self._pattern, given)
        sent = given if valid else self._made(given + "." * self._calls.having(given))
        self._calls.call(given, name)
        self._sent.append(sent)
        self._taken.add(sent)
        return sent

    def result(self, given: str, name: str = "") -> str:
        """Id of the call that a result names by its id, and perhaps by its name."""
        if not self._pattern:
            return given
        place = self._calls.result(given, name)
        return self.call(given, name) if place is None else self._sent[place]

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
