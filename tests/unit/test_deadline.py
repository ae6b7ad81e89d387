"""One budget over all attempts, and whose it was when it is used up."""

from __future__ import annotations

import pytest
from llm_gateway.calls.call import Call, Reply
from llm_gateway.calls.chain import Chain
from llm_gateway.calls.deadline import Deadline
from llm_gateway.errors import AttemptTimeout, CallerDeadline, StreamInterrupted
from llm_gateway.protocols.events import Event, EventWriter

from tests.support import chain as kit
from tests.support import virtual


async def late(call: Call) -> Reply:
    """An upstream that finds no time left."""
    raise CallerDeadline()


@pytest.mark.parametrize(
    ("deadline", "total", "expected"),
    [(1.0, 600.0, CallerDeadline), (1.0, 5.0, CallerDeadline), (5.0, 1.0, AttemptTimeout), (None, 1.0, AttemptTimeout)],
)
def test_the_limit_that_ends_first_says_whose_it_was(
    deadline: float | None, total: float, expected: type[Exception]
) -> None:
    """The caller's deadline is DEADLINE_EXCEEDED, the route's limit the provider's lateness."""

    async def main() -> None:
        with pytest.raises(expected):
            await Chain(Deadline()).to(late)(kit.call(kit.target(kit.endpoint()), deadline=deadline, total=total))

    virtual.run(main())


@pytest.mark.parametrize(("deadline", "total", "seconds"), [(3.0, 9.0, 3.0), (9.0, 3.0, 3.0), (None, 4.0, 4.0)])
def test_the_links_behind_see_the_sooner_limit(deadline: float | None, total: float, seconds: float) -> None:
    """In loop time."""

    async def main() -> float:
        seen: list[Call] = []

        async def note(call: Call) -> Reply:
            seen.append(call)
            return kit.reply_to(kit.attempt(one))

        one = kit.target(kit.endpoint())
        await Chain(Deadline()).to(note)(kit.call(one, deadline=deadline, total=total))
        assert seen[0].deadline is not None
        return seen[0].deadline - virtual.now()

    assert virtual.run(main()) == pytest.approx(seconds)


@pytest.mark.parametrize(("total", "expected"), [(1.0, StreamInterrupted), (600.0, CallerDeadline)])
def test_after_the_commit_the_routes_limit_interrupts_the_stream(total: float, expected: type[Exception]) -> None:
    """And the caller's deadline stays the caller's."""

    async def main() -> None:
        writer = EventWriter("p")
        writer.flow("text", "a")

        async def pull() -> list[Event]:
            raise CallerDeadline()

        async def committed(call: Call) -> Reply:
            return Reply(writer, one, one.provider.endpoints[0], pull=pull)

        one = kit.target(kit.endpoint())
        reply = await Chain(Deadline()).to(committed)(kit.call(one, deadline=9.0, total=total))
        async with reply:
            await anext(reply)
            await anext(reply)
            with pytest.raises(expected):
                await anext(reply)

    virtual.run(main())
