"""fallback: the next group of targets, once the previous one has nothing left to try."""

from __future__ import annotations

from llm_gateway.calls.call import Call, GroupCall, Handler, Reply
from llm_gateway.errors import (
    AllRoutesFailed,
    Code,
    ContentBlocked,
    ContextWindowExceeded,
    ProviderError,
    forget_frames,
)
from llm_gateway.routing.targets import Group


class Fallback:
    """Walks `call.route.groups` in order. An error's class, never its text, says whether to go on.

    A context overflow leads to the route's context groups, or else to later targets with a larger window; a content-policy refusal leads
    to the content groups only. If only one group was tried its error is raised as it is; after several, AllRoutesFailed sums them up.
    """

    async def __call__(self, call: Call, proceed: Handler[GroupCall]) -> Reply:
        route, journal = call.route, call.journal
        for exclusion in route.excluded:
            target = exclusion.target
            journal.skip(target.provider.id, target.model, "", "+".join(exclusion.reasons))
        waiting = list(route.groups)
        failures: list[ProviderError] = []
        while waiting:
            group = waiting.pop(0)
            if failures and journal.calls >= route.max_attempts:
                for target in group:
                    journal.skip(target.provider.id, target.model, "", "MAX_ATTEMPTS_REACHED")
                continue
            try:
                return await proceed(GroupCall(call, group, len(waiting)))
            except ProviderError as error:
                forget_frames(error)
                failures.append(error)
                waiting = _next(call, group, waiting, error)
        if len(failures) == 1 or not failures[-1].failover:
            raise failures[-1]
        raise _summary(failures, [*journal.failures, *failures])


def _next(call: Call, group: Group, waiting: list[Group], error: ProviderError) -> list[Group]:
    """The groups that may still be tried after this error."""
    if isinstance(error, ContextWindowExceeded):
        if call.route.context_groups and group in call.route.groups:
            return list(call.route.context_groups)
        limit = min((t.facts.input_limit for t in group if t.facts.input_limit is not None), default=None)
        larger = [tuple(t for t in g if limit is not None and (t.facts.input_limit or 0) > limit) for g in waiting]
        return [g for g in larger if g]
    if isinstance(error, ContentBlocked):
        return list(call.route.content_groups) if group in call.route.groups else []
    return waiting if error.failover else []


def _summary(failures: list[ProviderError], seen: list[ProviderError]) -> AllRoutesFailed:
    """failures: the last of each group. seen: those of every call; the message has the last one of each target."""
    codes = {failure.code for failure in failures}
    code = codes.pop() if codes in ({Code.INVALID_ARGUMENT}, {Code.RESOURCE_EXHAUSTED}) else Code.UNAVAILABLE
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    causes = {failure.about: failure.cause for failure in seen}
    return AllRoutesFailed(
        f"Every target of the route failed: {'; '.join(f'{about}: {cause}' for about, cause in causes.items())}.",
        last=failures[-1],
        code=code,
        retry_after=min(waits) if waits else None,
    )
