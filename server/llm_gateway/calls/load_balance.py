"""load_balance: pick one endpoint of the group, skip the ejected ones, learn from the outcome."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any

from llm_gateway.calls.call import Attempt, GroupCall, Handler, Reply
from llm_gateway.errors import CircuitOpen, GatewayError, ProviderError, QuotaExhausted, RateLimited
from llm_gateway.routing.strategies import STRATEGIES, Choice, by_affinity, in_slow_start
from llm_gateway.routing.targets import Candidate

MOST_TURNS = 10_000
_LIMITS = {RateLimited.reason, QuotaExhausted.reason}
_SAID = ("status", "provider_code", "provider_message", "provider_request_id")
LEAST_WAIT = 0.001
"""Seconds after which a caller that was held back is told to retry, at least."""


class LoadBalance:
    """Makes attempts: chooses the target and the endpoint.

    What already failed this call, and endpoints without a free permit, come last. Endpoints that are ejected, cooling down, full or
    rejected the key are left out while there is an alternative. A call without one (no other endpoint of the group, no fallback)
    goes there all the same, as it would without a gateway; only an outage refuses it, except for occasional probes. `limit` decides
    whether it must wait. Raises CircuitOpen or RateLimited, with the soonest time to retry, when nothing here takes the call now.
    """

    def __init__(self, *, rng: random.Random | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, protects nothing
        self._clock = clock
        self._turns: Counter[str] = Counter()

    async def __call__(self, grouped: GroupCall, proceed: Handler[Attempt]) -> Reply:
        call = grouped.call
        target, endpoint = call.journal.last = self._pick(grouped)
        state = endpoint.state
        probes = state.begin(target.model)
        started = self._clock()
        try:
            reply = await proceed(Attempt(call, grouped.group, target, endpoint))
        except BaseException as error:
            state.end()
            if isinstance(error, GatewayError):
                error.about = target.label
            if isinstance(error, ProviderError):
                state.failed(target.model, error, probes)
                call.journal.tried.append((target, endpoint))
                call.journal.failures.append(error)
            raise
        state.succeeded(target.model, self._clock() - started, probes)
        reply.on_close(_closed)
        return reply

    def _pick(self, grouped: GroupCall) -> Candidate:
        candidates = grouped.candidates()
        if len(candidates) > 1 or candidates[0][1].state.unavailable(candidates[0][0].model):
            candidates = self._open(grouped, candidates)
        return candidates[0]

    def _open(self, grouped: GroupCall, candidates: list[Candidate]) -> list[Candidate]:
        """The candidates that may be called, best first."""
        reasons = [endpoint.state.unavailable(target.model) for target, endpoint in candidates]
        if not any(reasons):
            return self._ordered(grouped, candidates)
        found = [candidate for candidate, why in zip(candidates, reasons, strict=True) if not why]
        alone = not found and not grouped.groups_left
        if alone:
            found = [candidate for candidate in candidates if not candidate[1].state.refuses(candidate[0].model)]
        for (target, endpoint), why in zip(candidates, reasons, strict=True):
            if why and (target, endpoint) not in found:
                grouped.call.journal.skip(target.provider.id, target.model, endpoint.deployment, why)
        if not found:
            raise held_back(candidates)
        ordered = self._ordered(grouped, found)
        return sorted(ordered, key=_hardship) if alone else ordered

    def _ordered(self, grouped: GroupCall, candidates: list[Candidate]) -> list[Candidate]:
        if len(candidates) == 1:
            return candidates
        live = [c for c in candidates if c[0].weight * c[1].weight > 0] or candidates
        ready, later = in_slow_start(live, self._rng)
        ordered = self._by_strategy(grouped, ready) + self._by_strategy(grouped, later)
        tried = grouped.call.journal.tried
        failed = [endpoint for _, endpoint in tried]
        return sorted(ordered, key=lambda c: (c in tried, c[1] in failed, not c[1].state.permits.free))

    def _by_strategy(self, grouped: GroupCall, candidates: list[Candidate]) -> list[Candidate]:
        if len(candidates) < 2:
            return candidates
        call, route = grouped.call, grouped.call.route
        if route.affinity:
            return by_affinity(candidates, route.affinity)
        name = route.name or grouped.group[0].label
        if route.strategy == "round_robin":
            if len(self._turns) > MOST_TURNS:
                self._turns.clear()
            self._turns[name] += 1
        choice = Choice(self._rng, call.request, call.stream, self._turns[name])
        return STRATEGIES[route.strategy](candidates, choice)


def _hardship(candidate: Candidate) -> tuple[bool, float]:
    """Sorts endpoints that should get no call: those most likely to take one anyway come first."""
    target, endpoint = candidate
    return bool(endpoint.state.key.left()), endpoint.state.of(target.model).flow.paused_for()


def held_back(candidates: list[Candidate]) -> ProviderError:
    """The error when no endpoint takes a call now: a rate limit if that is the only reason, else an open circuit; with what the
    provider last said."""
    soonest = max(LEAST_WAIT, min(endpoint.state.available_in(target.model) for target, endpoint in candidates))
    held_at = [(target, endpoint.state) for target, endpoint in candidates]
    deployments = [state.of(target.model) for target, state in held_at]
    reasons = {deployment.limited.reason for deployment in deployments if deployment.limited.left()}
    held: type[ProviderError] = CircuitOpen
    limited = all(d.limited.left() or d.flow.full for d in deployments)
    if limited and reasons <= _LIMITS and not any(state.refuses(target.model) for target, state in held_at):
        held = QuotaExhausted if reasons == {QuotaExhausted.reason} else RateLimited
    last = max((s.last_failure for _, s in held_at if s.last_failure is not None), key=lambda f: f.at, default=None)
    count = max(state.failures(target.model) for target, state in held_at)
    message = f"Calls are held back for {soonest:.2g} s after {f'{count} failures' if count > 1 else 'a failure'}"
    said: dict[str, Any] = {}
    if last is not None:
        message += f"; the last one: {last.cause}"
        said = {name: getattr(last, name) for name in _SAID}
    error = held(f"{message}.", retry_after=soonest, **said)
    error.about = ", ".join(dict.fromkeys(target.label for target, _ in held_at))
    error.called = False
    return error


def _closed(reply: Reply) -> None:
    state = reply.endpoint.state
    if isinstance(reply.error, ProviderError):
        state.failed(reply.target.model, reply.error)
    state.end()
