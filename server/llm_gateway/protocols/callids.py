"""Ids of tool calls, for providers that issue none, and for those that do not accept another's.

A made-up id is deterministic for its answer and unique in a conversation, because the salt differs from answer to answer; it uses only
characters that every provider accepts. It is recognised when it comes back, so that no provider is sent an id that it never issued.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque

_PREFIX = "call_gw_"
_UNSAFE = re.compile(r"[^A-Za-z0-9]")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def make_up(salt: str, number: int) -> str:
    """Id of call `number` (from 0) of an answer. salt: the answer's own id or time, "" when it has neither."""
    salt = _UNSAFE.sub("", salt)[-24:]
    return f"{_PREFIX}{salt}_{number}" if salt else f"{_PREFIX}{number}"


def is_made_up(call_id: str) -> bool:
    """Whether the id is the gateway's own."""
    return not call_id or call_id.startswith(_PREFIX)


class Calls:
    """The calls of one conversation, by their index among all calls, and which of them have results."""

    __slots__ = ("_answered", "_waiting", "names")

    def __init__(self) -> None:
        self.names: list[str] = []
        self._waiting: dict[tuple[str, str | None], deque[int]] = {}
        """Indexes by id and name, and by id alone (None), in order; those answered under the other key are skipped."""
        self._answered: set[int] = set()

    def call(self, given: str, name: str) -> int:
        """Index of a call in the conversation."""
        index = len(self.names)
        self.names.append(name)
        for key in ((given, name), (given, None)):
            self._waiting.setdefault(key, deque()).append(index)
        return index

    def result(self, given: str, name: str) -> int | None:
        """Index of the call that a result answers: of the calls with its id, which may be empty, and without a result so far, the first
        of its name, else the first; the last if all have results; None when no call has the id."""
        for key in ((given, name), (given, None)):
            waiting = self._waiting.get(key) or deque()
            while waiting:
                index = waiting[0]
                if index not in self._answered:
                    self._answered.add(index)
                    return index
                if key[1] is None and len(waiting) == 1:
                    return index
                waiting.popleft()
        return None


class CallIds:
    """The ids of one conversation as a provider accepts them: a call and its result have the same, two calls never do.

    pattern: regular expression that ids must match entirely; "" accepts all as they are. An id that is not valid, or that an earlier
    call has, becomes nine letters and digits, which every provider accepts, and the same ones in every request, so that prompt caches
    hold.
    """

    __slots__ = ("_calls", "_made_of", "_pattern", "_sent", "_taken")

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._calls = Calls()
        self._sent: list[str] = []
        self._taken: set[str] = set()
        self._made_of: dict[str, int] = {}
        """How many ids each one stands for beyond the first."""

    def call(self, given: str, name: str = "") -> str:
        """Id of a call, in the order of the conversation."""
        if not self._pattern:
            return given
        valid = given not in self._taken and re.fullmatch(self._pattern, given)
        sent = given if valid else self._made(given)
        self._made_of.setdefault(given, 0)
        self._calls.call(given, name)
        self._sent.append(sent)
        self._taken.add(sent)
        return sent

    def result(self, given: str, name: str = "") -> str:
        """Id of the call that a result names by its id, and perhaps by its name."""
        if not self._pattern:
            return given
        index = self._calls.result(given, name)
        return self.call(given, name) if index is None else self._sent[index]

    def _made(self, given: str) -> str:
        while True:
            count = self._made_of[given] = self._made_of.get(given, -1) + 1
            seed = f"{given}.{count}" if count > 1 else given + "." * count
            number = int.from_bytes(hashlib.sha256(seed.encode()).digest())
            made = ""
            while len(made) < 9:
                number, digit = divmod(number, 62)
                made += _DIGITS[digit]
            if made not in self._taken:
                return made
