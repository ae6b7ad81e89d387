"""load_balance: pick one endpoint of the group, skip the ejected ones, learn from the outcome."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from llm_gateway.balancing import STRATEGIES, Candidate
from llm_gateway.call import Call, Handler, Reply
from llm_gateway.errors import CircuitOpen, ProviderError


class LoadBalance:
    """Chooses `call.target` and `call.endpoint`. Endpoints that already failed this call come last; a single endpoint is skipped too
    while its breaker is open. Raises CircuitOpen, with the soonest time, when no endpoint takes calls now."""

    def __init__(self, *, rng: random.Random | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, protects nothing
        self._clock = clock

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        target, endpoint = self._pick(call)
        state = endpoint.state
        state.begin()
        started = self._clock()
        try:
            reply = await proceed(replace(call, target=target, endpoint=endpoint))
        except ProviderError as error:
            state.failed(error)
            call.journal.tried.append(endpoint)
            call.journal.failures.append(error)
            state.end()
            raise
        except BaseException:
            state.end()
            raise
        state.succeeded(self._clock() - started)
        reply.target, reply.endpoint = target, endpoint
        reply.on_close(_closed)
        return reply

    def _pick(self, call: Call) -> Candidate:
        candidates: list[Candidate] = []
        soonest = float("inf")
        for target in call.group:
            for endpoint in target.provider.endpoints:
                why = endpoint.state.unavailable()
                if not why:
                    candidates.append((target, endpoint))
                    continue
                soonest = min(soonest, endpoint.state.available_in())
                call.journal.skip(target.provider.id, target.model, endpoint.deployment, why)
        if not candidates:
            raise CircuitOpen("Calls to the provider are held back after failures.", retry_after=max(soonest, 0.001))
        tried = call.journal.tried
        if tried and len(candidates) > 1:
            candidates = [c for c in candidates if c[1] not in tried] or candidates
        live = [c for c in candidates if c[0].weight > 0] or candidates
        return STRATEGIES.get(call.route.strategy, STRATEGIES["weighted"])(live, self._rng)


def _closed(reply: Reply) -> None:
    assert reply.endpoint is not None  # noqa: S101 - set before the callback is registered
    state = reply.endpoint.state
    if isinstance(reply.error, ProviderError):
        state.failed(reply.error)
    state.end()
