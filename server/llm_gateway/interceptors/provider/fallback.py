"""fallback: the next group of targets, once the one before has nothing left to try."""

from __future__ import annotations

from dataclasses import replace

from llm_gateway.call import Call, Handler, Reply
from llm_gateway.errors import AllRoutesFailed, Code, ProviderError


class Fallback:
    """Walks `call.route.groups` in order. Whether an error leads on is said by its class (`failover`), never by its text.

    With one group its error is raised as it is; after several, AllRoutesFailed sums up.
    """

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        groups = call.route.groups
        journal = call.journal
        failures: list[ProviderError] = []
        for group in groups:
            if failures and journal.calls >= call.route.max_attempts:
                for target in group:
                    journal.skip(target.provider.id, target.model, "", "MAX_ATTEMPTS_REACHED")
                continue
            try:
                return await proceed(replace(call, group=group))
            except ProviderError as error:
                failures.append(error)
                if not error.failover:
                    break
        if len(groups) == 1:
            raise failures[-1]
        if not failures[-1].failover:
            raise failures[-1]
        raise _summary(failures)


def _summary(failures: list[ProviderError]) -> AllRoutesFailed:
    codes = {failure.code for failure in failures}
    code = codes.pop() if codes in ({Code.INVALID_ARGUMENT}, {Code.RESOURCE_EXHAUSTED}) else Code.UNAVAILABLE
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    reasons = ", ".join(dict.fromkeys(failure.reason for failure in failures))
    return AllRoutesFailed(
        f"Every target of the route failed ({reasons}).",
        last=failures[-1],
        code=code,
        retry_after=min(waits) if waits else None,
    )
