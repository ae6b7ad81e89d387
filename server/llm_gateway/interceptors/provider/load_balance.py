"""load_balance: pick one endpoint of the group, skip the ejected ones, learn from the outcome."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from time import monotonic

from msgspec.structs import replace

from llm_gateway.balancing import LAST_RESORT, STRATEGIES, Candidate, Choice, by_affinity, in_slow_start
from llm_gateway.call import Call, Handler, Reply
from llm_gateway.errors import CircuitOpen, ProviderError, QuotaExhausted, RateLimited

MOST_TURNS = 10_000


class LoadBalance:
    """Chooses `call.target` and `call.endpoint`.

    What already failed this call, and endpoints without a free place, come last. Ejected ones are left out; a breaker lets a probe
    through now and then, so that even the only endpoint comes back. A rejected key, and a rate limit without a stated end, are tried
    where there is no other place and no fallback. Raises CircuitOpen or RateLimited, with the soonest time, when no endpoint takes calls now.
    """

    def __init__(self, *, rng: random.Random | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, protects nothing
        self._clock = clock
        self._turns: Counter[str] = Counter()

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        target, endpoint = self._pick(call)
        state = endpoint.state
        probes = state.begin(target.model)
        started = self._clock()
        try:
            reply = await proceed(replace(call, target=target, endpoint=endpoint))
        except BaseException as error:
            state.end()
            if isinstance(error, ProviderError):
                state.failed(target.model, error, probes)
                call.journal.tried.append((target, endpoint))
                call.journal.failures.append(error)
            raise
        state.succeeded(target.model, self._clock() - started, probes)
        reply.target, reply.endpoint = target, endpoint
        reply.on_close(_closed)
        return reply

    def _pick(self, call: Call) -> Candidate:
        candidates = call.group_candidates()
        if len(candidates) > 1 or candidates[0][1].state.unavailable(candidates[0][0].model):
            candidates = self._ordered(call, self._available(call, candidates))
        return candidates[0]

    def _available(self, call: Call, candidates: list[Candidate]) -> list[Candidate]:
        found: list[Candidate] = []
        resting: list[Candidate] = []
        for candidate in candidates:
            target, endpoint = candidate
            why = endpoint.state.unavailable(target.model)
            if not why:
                found.append(candidate)
                continue
            if why in LAST_RESORT:
                resting.append(candidate)
            call.journal.skip(target.provider.id, target.model, endpoint.deployment, why)
        if not found and (call.groups_left or not resting):
            raise _held_back(candidates)
        return found or resting

    def _ordered(self, call: Call, candidates: list[Candidate]) -> list[Candidate]:
        if len(candidates) == 1:
            return candidates
        live = [c for c in candidates if c[0].weight * c[1].weight > 0] or candidates
        ready, later = in_slow_start(live, self._rng)
        ordered = self._by_strategy(call, ready) + self._by_strategy(call, later)
        tried = call.journal.tried
        failed = [endpoint for _, endpoint in tried]
        return sorted(ordered, key=lambda c: (c in tried, c[1] in failed, not c[1].state.permits.free))

    def _by_strategy(self, call: Call, candidates: list[Candidate]) -> list[Candidate]:
        if len(candidates) < 2:
            return candidates
        route = call.route
        if route.affinity:
            return by_affinity(candidates, route.affinity)
        name = route.name or call.group[0].label
        if route.strategy == "round_robin":
            if len(self._turns) > MOST_TURNS:
                self._turns.clear()
            self._turns[name] += 1
        choice = Choice(rng=self._rng, needs=route.needs, turn=self._turns[name])
        return STRATEGIES[route.strategy](candidates, choice)


def _held_back(candidates: list[Candidate]) -> ProviderError:
    """The error when no endpoint takes calls now: a rate limit where that is all there is, else an open circuit; with what the
    provider last said."""
    soonest = max(0.001, min(endpoint.state.available_in(target.model) for target, endpoint in candidates))
    deployments = [endpoint.state.of(target.model) for target, endpoint in candidates]
    reasons = {deployment.limited.reason for deployment in deployments if deployment.limited.left()}
    held: type[ProviderError] = CircuitOpen
    if all(d.limited.left() for d in deployments) and reasons <= {RateLimited.reason, QuotaExhausted.reason}:
        held = RateLimited if RateLimited.reason in reasons else QuotaExhausted
    cause = next((deployment.last_error for deployment in deployments if deployment.last_error is not None), None)
    message = f"{held.__doc__} No call was made: too little time has passed since the last failure."
    if cause is None:
        return held(message, retry_after=soonest)
    return held(
        message,
        status=cause.status,
        provider_code=cause.provider_code,
        provider_message=cause.provider_message,
        provider_request_id=cause.provider_request_id,
        retry_after=soonest,
    )


def _closed(reply: Reply) -> None:
    assert reply.endpoint is not None and reply.target is not None  # noqa: S101, PT018 - set before the callback is registered
    state = reply.endpoint.state
    if isinstance(reply.error, ProviderError):
        state.failed(reply.target.model, reply.error)
    state.end()
