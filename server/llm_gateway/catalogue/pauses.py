"""How long a provider is not asked for its models after it was asked. Pure: the randomness is injected."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

FRESH = 300.0
"""Seconds that a list is used where nothing is asked in the background."""
FRESH_FAILURE = 5.0
"""Seconds before a provider that did not answer is asked again; twice as many each further time, until they are as many as for one that did."""
JITTER = 0.25
"""Share of a pause that chance may take from it, so that gateways and providers do not ask in step."""
SOON = 3.0
"""Seconds within which the first lists are asked for."""


class Pauses:
    """Counts the failures of each provider. refreshed: those that are asked in the background, and every how many seconds."""

    def __init__(self, refreshed: Mapping[str, float], rng: random.Random) -> None:
        self._refreshed = refreshed
        self._rng = rng
        self._failures: Counter[str] = Counter()

    def first(self) -> float:
        """Seconds to wait for a provider that was never asked."""
        return SOON * self._rng.random()

    def after(self, name: str, reached: bool) -> float:
        """Seconds to wait for a provider that was asked now."""
        seconds = self._refreshed.get(name) or FRESH
        if reached:
            self._failures.pop(name, None)
        else:
            doubled = FRESH_FAILURE * 2.0 ** min(self._failures[name], 16)
            seconds = min(seconds, doubled)
            self._failures[name] += 1
        return seconds * (1.0 - JITTER * self._rng.random())
