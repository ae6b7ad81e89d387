"""PriceList: the rows that `export` wrote, and the choice of a model's rates by name, time and circumstances."""

from __future__ import annotations

import datetime
import math
import re
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from llm_gateway.catalogue.pricing.rates import Rates

DAY = 86400
Steps = tuple[tuple[int, int], ...]
"""(above, rate) in order: the rate of requests with more than `above` input tokens, the first being -1; nano-USD for a million."""
_COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


class Price(Struct, frozen=True, kw_only=True):
    """Rates by usage key, and when they hold.

    rates: usage key → steps. since: first day, ISO 8601, UTC.
    daily: seconds of the day in UTC from and until which they hold. when: of a variant: what the call must have been.
    """

    rates: Mapping[str, Steps]
    since: str = ""
    daily: tuple[int, int] | None = None
    when: Mapping[str, str] = {}

    def active(self, now: float) -> bool:
        """Whether they hold at this Unix time."""
        if self.since:
            return now >= _midnight(self.since)
        if self.daily is None:
            return True
        start, end = self.daily
        second = now % DAY
        return start <= second < end if start <= end else second >= start or second < end

    def next_change(self, now: float) -> float:
        """The Unix time at which `active` may next give another answer."""
        if self.since:
            begin = _midnight(self.since)
            return begin if begin > now else math.inf
        if self.daily is None:
            return math.inf
        today = now - now % DAY
        return min(today + second + (0 if today + second > now else DAY) for second in self.daily)


class Row(Struct, frozen=True, kw_only=True):
    """A model: the later of its active prices holds, the first where none is; variants replace single rates of it.

    match: a test of the model's name, such as ["or", ["equals", "gpt-5"], ["starts_with", "gpt-5-2025"]]. context: its window in tokens.
    """

    id: str
    match: list[Any]
    prices: tuple[Price, ...]
    variants: tuple[Price, ...] = ()
    context: int | None = None


class Rows(Struct, frozen=True, kw_only=True):
    """A provider's list. fallback: lists to search when a model is not in this one; their variants do not apply then."""

    rows: tuple[Row, ...]
    fallback: tuple[str, ...] = ()


class PriceList(Struct, frozen=True, kw_only=True):
    """The lists of all providers that were requested. source: name and version of the data."""

    source: str
    lists: Mapping[str, Rows]

    @classmethod
    def decode(cls, data: bytes) -> PriceList:
        """Raises ValueError when it is not what `export` writes."""
        return msgspec.json.decode(data, type=cls)

    def find(self, provider: str, model: str) -> tuple[str, Row] | None:
        """The row of a model, and the list that it is in; None when there is none."""
        own = self.lists.get(provider)
        if own is None:
            return None
        name = model.lower()
        for spelling in dict.fromkeys((name, _COMPACT_DATE.sub(r"-\1-\2-\3", name))):
            for listed in (provider, *own.fallback):
                rows = self.lists[listed].rows if listed in self.lists else ()
                row = next((row for row in rows if matches(row.match, spelling)), None)
                if row is not None:
                    return listed, row
        return None

    def price(
        self, provider: str, model: str, circumstances: Mapping[str, str], now: float
    ) -> tuple[str, Mapping[str, Steps], float] | None:
        """Name of the price in force for a model, its rates, and the Unix time until which it is; None when the model is not listed.

        circumstances: what prices depend on besides tokens: service_tier, speed.
        """
        found = self.find(provider, model)
        if found is None:
            return None
        listed, row = found
        price = next((price for price in reversed(row.prices) if price.active(now)), row.prices[0])
        named = [f"since-{price.since}"] if price.since else []
        named += [_clock(price.daily)] if price.daily is not None else []
        rates = dict(price.rates)
        if listed == provider:
            varied: set[str] = set()
            for variant in row.variants:
                if variant.when.items() <= circumstances.items() and variant.active(now):
                    new = variant.rates.keys() - varied
                    varied |= new
                    rates.update((key, variant.rates[key]) for key in new)
                    named += [f"{key}-{value}" for key, value in variant.when.items() if new]
        until = min((one.next_change(now) for one in (*row.prices, *row.variants)), default=math.inf)
        return ":".join((self.source, listed, row.id, *named)), rates, until


def tiers(price: str, rates: Mapping[str, Steps]) -> tuple[Rates, ...]:
    """The rates of a price, one for each tier of input, in order."""
    return tuple(
        Rates.of(
            f"{price}:over-{above}" if above >= 0 else price,
            above,
            {key: steps[bisect_right(steps, above, key=lambda step: step[0]) - 1][1] for key, steps in rates.items()},
        )
        for above in sorted({above for steps in rates.values() for above, _ in steps} | {-1})
    )


def matches(test: list[Any], name: str) -> bool:
    """Whether a row's test holds for a name in lower case."""
    kind, *rest = test
    if kind == "or":
        return any(matches(inner, name) for inner in rest)
    if kind == "and":
        return all(matches(inner, name) for inner in rest)
    (text,) = rest
    if kind == "regex":
        return re.search(text, name) is not None
    text = text.lower()
    match kind:
        case "equals":
            return bool(name == text)
        case "starts_with":
            return name.startswith(text)
        case "ends_with":
            return name.endswith(text)
        case "contains":
            return text in name
    return False


def _midnight(day: str) -> float:
    return datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC).timestamp()


def _clock(daily: tuple[int, int]) -> str:
    return "-".join(f"{second // 3600:02}{second % 3600 // 60:02}" for second in daily)
