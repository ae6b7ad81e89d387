"""A provider that is bumpy: which attempt of which call fails, and how, is a function of both and a seed, the same for everybody who calls."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

USUAL_BACKOFF = 0.25
RETRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bumps:
    """limited: share of attempts that get 429, with `retry-after: hint`. down: share that get 503."""

    limited: float = 0.0
    hint: float = 1.0
    down: float = 0.0

    def status(self, seed: int, call: int, attempt: int) -> int:
        """What attempt number `attempt`, from 0, of a call is answered with."""
        drawn = random.Random(f"{seed}/{call}/{attempt}").random()
        if drawn < self.limited:
            return 429
        return 503 if drawn < self.limited + self.down else 200

    def straight(self, seed: int, calls: int) -> tuple[int, int]:
        """What a client gets that calls the provider itself and retries twice: calls served, and attempts. No clock decides that."""
        served = attempts = 0
        for call in range(calls):
            for attempt in range(RETRIES + 1):
                attempts += 1
                if self.status(seed, call, attempt) == 200:
                    served += 1
                    break
        return served, attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """calls: how many. rate: begun so many a second; 0: as fast as `at_once` callers get answers."""

    calls: int
    rate: float = 0.0
    at_once: int = 0

    async def run(self, call: Callable[[int], Awaitable[bool]]) -> list[bool]:
        """Whether each call was served."""
        loop = asyncio.get_running_loop()
        if self.rate:
            start, tasks = loop.time(), []
            for number in range(self.calls):
                await asyncio.sleep(max(0.0, start + number / self.rate - loop.time()))
                tasks.append(asyncio.ensure_future(call(number)))
            return list(await asyncio.gather(*tasks))
        numbers, found = iter(range(self.calls)), [False] * self.calls

        async def caller() -> None:
            for number in numbers:
                found[number] = await call(number)

        await asyncio.gather(*(caller() for _ in range(self.at_once)))
        return found


PACED = Load(calls=150, rate=10)
CROWD = Load(calls=200, at_once=20)
TABLE: tuple[tuple[str, Load, Bumps], ...] = (
    ("10/s, 5 % 429 for 1 s", PACED, Bumps(limited=0.05, hint=1)),
    ("10/s, 5 % 429 for 5 s", PACED, Bumps(limited=0.05, hint=5)),
    ("10/s, 20 % 429 for 1 s", PACED, Bumps(limited=0.2, hint=1)),
    ("10/s, 10 % 503", PACED, Bumps(down=0.1)),
    ("10/s, 30 % 503", PACED, Bumps(down=0.3)),
    ("20 at once, 5 % 429 for 5 s", CROWD, Bumps(limited=0.05, hint=5)),
    ("20 at once, 20 % 429 for 1 s", CROWD, Bumps(limited=0.2, hint=1)),
    ("20 at once, 10 % 503", CROWD, Bumps(down=0.1)),
    ("20 at once, 30 % 503", CROWD, Bumps(down=0.3)),
)
"""What is promised of one target without a fallback: as many calls served as without a gateway, by as many provider calls."""


@dataclass(slots=True)
class Straight:
    """A client that calls the provider itself: two retries, after the provider's hint or a backoff with full jitter.

    send: makes one attempt of a call; its answer is a status and a hint.
    """

    send: Callable[[int], Awaitable[tuple[int, float | None]]]
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    async def call(self, number: int) -> bool:
        for attempt in range(RETRIES + 1):
            status, hint = await self.send(number)
            if status == 200:
                return True
            if attempt < RETRIES:
                await asyncio.sleep(self.rng.uniform(0, USUAL_BACKOFF * 2**attempt) if hint is None else hint)
        return False


class Attempts:
    """Counts the attempts of each call."""

    def __init__(self) -> None:
        self._seen: Counter[int] = Counter()

    def next(self, call: int) -> int:
        """The number of this attempt, from 0."""
        self._seen[call] += 1
        return self._seen[call] - 1

    @property
    def total(self) -> int:
        return self._seen.total()
