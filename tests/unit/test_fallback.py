"""Fallback: which group comes next, by the class of the error, and what is told in the end."""

from __future__ import annotations

import pytest
from llm_gateway.calls.blocked import Blocked
from llm_gateway.calls.chain import Chain
from llm_gateway.catalogue.facts import ModelFacts
from llm_gateway.errors import (
    AllRoutesFailed,
    AttemptTimeout,
    Billing,
    Code,
    ContentBlocked,
    ContextWindowExceeded,
    ModelNotFound,
    NotSupported,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    RequestRefused,
    ResponseInvalid,
)
from llm_gateway.routing.targets import Exclusion, Target
from llmgateway.v1 import gateway_pb2

from tests.support import chain as kit
from tests.support import virtual


def named(name: str, *steps: kit.Step, limit: int | None = None) -> Target:
    return kit.target(kit.endpoint(*steps, provider=name), facts=ModelFacts(input_limit=limit))


@pytest.mark.parametrize(
    "error",
    [ProviderUnavailable(status=503), AttemptTimeout(), ModelNotFound(status=404), Billing(status=402), NotSupported(),
     QuotaExhausted(status=429), ResponseInvalid(), RateLimited(status=429, retry_after=99.0)],
)  # fmt: skip
def test_a_providers_fault_leads_to_the_next_target(error: ProviderError) -> None:
    """The answer says who served; the failure stays in the journal."""

    async def main() -> None:
        given = kit.call(named("a", error), named("b"))
        assert await kit.outcome(kit.whole_chain(), given) == "b"
        assert given.journal.attempts[0].reason == error.reason

    virtual.run(main())


@pytest.mark.parametrize(
    "error", [RequestRefused(status=400), ContentBlocked(status=400), ContextWindowExceeded(status=400)]
)
def test_a_request_at_fault_leads_nowhere(error: ProviderError) -> None:
    """The error is the caller's, and the other target is not called."""

    async def main() -> None:
        other = named("b")
        assert await kit.outcome(kit.whole_chain(), kit.call(named("a", error), other)) == error.reason
        assert not kit.upstream(other).begun

    virtual.run(main())


def test_a_context_overflow_leads_to_a_larger_window_only() -> None:
    """By the route's own list, or by what is known of the targets."""

    async def main() -> None:
        small, same, large = named("a", ContextWindowExceeded(), limit=8), named("b", limit=8), named("c", limit=99)
        assert await kit.outcome(kit.whole_chain(), kit.call(small, same, large)) == "c"
        listed = kit.call(small, named("x"), context_groups=((named("y"),),))
        assert await kit.outcome(kit.whole_chain(), listed) == "y"

    virtual.run(main())


def test_a_content_refusal_leads_to_the_routes_content_targets() -> None:
    """And nowhere else."""

    async def main() -> None:
        given = kit.call(named("a", ContentBlocked()), named("b"), content_groups=((named("c"),),))
        assert await kit.outcome(kit.whole_chain(), given) == "c"

    virtual.run(main())


def test_a_blocked_prompt_is_an_answer_in_the_end() -> None:
    """One empty candidate that a filter ended; usage and route as ever."""

    async def main() -> None:
        blocked = ContentBlocked(status=400, provider_code="content_filter", provider_message="flagged")
        given = kit.call(named("a", blocked))
        async with await Chain(Blocked()).to(kit.whole_chain())(given) as reply:
            events = [event async for event in reply]
        ended = events[-1].candidate_completed
        assert (ended.finish_reason, ended.provider_finish_reason) == (
            gateway_pb2.FINISH_REASON_CONTENT_FILTER,
            "content_filter",
        )
        assert (reply.target.provider.id, reply.error) == ("a", None)

    virtual.run(main())


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (RateLimited(status=429, retry_after=20.0), RateLimited(status=429, retry_after=30.0), Code.RESOURCE_EXHAUSTED),
        (RateLimited(status=429, retry_after=20.0), ProviderUnavailable(status=503), Code.UNAVAILABLE),
        (ModelNotFound(status=404), AttemptTimeout(), Code.UNAVAILABLE),
    ],
)
def test_when_all_fail_the_sum_is_told_with_the_soonest_time(
    first: ProviderError, second: ProviderError, code: Code
) -> None:
    """The attempts are all in the journal."""

    async def main() -> None:
        given = kit.call(named("a", first), named("b", second))
        with pytest.raises(AllRoutesFailed) as caught:
            await kit.whole_chain()(given)
        assert caught.value.code == code
        hints = [error.retry_after for error in (first, second) if error.retry_after]
        assert caught.value.retry_after == (min(hints) if hints else None)
        assert {attempt.provider for attempt in given.journal.attempts} == {"a", "b"}

    virtual.run(main())


def test_one_target_keeps_its_own_error() -> None:
    """No sum of one."""

    async def main() -> None:
        with pytest.raises(AttemptTimeout):
            await kit.whole_chain()(kit.call(named("a", AttemptTimeout())))

    virtual.run(main())


def test_excluded_and_skipped_targets_are_noted_with_their_reasons() -> None:
    """Before dispatch by needs; at dispatch by an open circuit; at the end by the number of attempts."""

    async def main() -> None:
        dead = named("a", ProviderUnavailable(status=503))
        handler = kit.whole_chain()
        for _ in range(6):
            await kit.outcome(handler, kit.call(dead))
        excluded = (Exclusion(target=named("x"), reasons=("LACKS_TOOLS", "NOT_LOCAL")),)
        given = kit.call(dead, named("b", AttemptTimeout()), named("c"), excluded=excluded, max_attempts=1)
        await kit.outcome(handler, given)
        reasons = {a.provider: a.skip_reason for a in given.journal.attempts if a.skip_reason}
        assert reasons == {"x": "LACKS_TOOLS+NOT_LOCAL", "a": "CIRCUIT_OPEN", "c": "MAX_ATTEMPTS_REACHED"}

    virtual.run(main())
