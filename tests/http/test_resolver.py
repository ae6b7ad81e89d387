"""Names to addresses: one look-up at a time, kept, and earlier addresses where there are none now."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from llm_gateway.upstream.http import resolver
from llm_gateway.upstream.http.resolver import RETRY, TTL, Following, Resolver, interleaved, one_family

from tests.support.waiting import eventually

FIRST = [(int(socket.AF_INET), "192.0.2.1")]
SECOND = [(int(socket.AF_INET), "192.0.2.2")]
LONG = 120.0


class NameServer:
    """Look-ups that answer when they may, with what they should; the clock is ours."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self.answer: list[tuple[int, str]] | Exception = FIRST
        self.may = threading.Event()
        self.may.set()
        self.resolver = Resolver(self.look_up, lambda: self.now)

    def look_up(self, host: str) -> list[tuple[int, str]]:
        self.asked.append(host)
        assert self.may.wait(LONG)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that answers is in time, on any machine."""
    monkeypatch.setattr(resolver, "PATIENCE", LONG)


async def test_callers_of_one_name_share_a_look_up() -> None:
    """However many there are, and whoever of them goes away; another name has a look-up of its own."""
    server = NameServer()
    server.may.clear()
    callers = [asyncio.create_task(server.resolver.addresses("a.test")) for _ in range(50)]
    other = asyncio.create_task(server.resolver.addresses("b.test"))
    await eventually(lambda: len(server.asked) == 2, "both names are looked up")
    callers[0].cancel()
    server.may.set()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [FIRST] * 49
    assert await other == FIRST
    assert sorted(server.asked) == ["a.test", "b.test"]


async def test_addresses_are_kept_for_their_time() -> None:
    """Within it nobody is asked; after it the new ones are found."""
    server = NameServer()
    for server.now in (0.0, TTL - 1):
        assert await server.resolver.addresses("a.test") == FIRST
    assert server.asked == ["a.test"]
    server.answer, server.now = SECOND, TTL + 1
    assert await server.resolver.addresses("a.test") == SECOND
    assert server.asked == ["a.test"] * 2


async def test_earlier_addresses_serve_while_a_look_up_fails() -> None:
    """And it is tried again after a while, not for each call."""
    server = NameServer()
    await server.resolver.addresses("a.test")
    server.answer, server.now = socket.gaierror(socket.EAI_AGAIN, "x"), TTL + 1
    assert await server.resolver.addresses("a.test") == FIRST
    assert await server.resolver.addresses("a.test") == FIRST
    assert len(server.asked) == 2
    server.answer, server.now = SECOND, server.now + RETRY
    assert await server.resolver.addresses("a.test") == SECOND


async def test_earlier_addresses_serve_while_a_look_up_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for once, and what it finds in the end is taken."""
    monkeypatch.setattr(resolver, "PATIENCE", 0.01)
    server = NameServer()
    await server.resolver.addresses("a.test")
    server.may.clear()
    server.answer, server.now = SECOND, TTL + 1
    assert await server.resolver.addresses("a.test") == FIRST
    server.now += RETRY
    assert await server.resolver.addresses("a.test") == FIRST
    assert len(server.asked) == 2
    server.may.set()

    async def taken() -> bool:
        return await server.resolver.addresses("a.test") == SECOND

    await eventually(taken, "what the look-up found is taken")


async def test_name_that_was_never_found_is_an_error_for_all_who_wait() -> None:
    """And is looked up anew by the next."""
    server = NameServer()
    server.answer = socket.gaierror(socket.EAI_NONAME, "x")
    found = await asyncio.gather(*(server.resolver.addresses("a.test") for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in found] == [socket.gaierror] * 3
    server.answer = FIRST
    assert await server.resolver.addresses("a.test") == FIRST


def test_look_up_that_ends_after_its_loop_disturbs_nobody() -> None:
    """Its thread outlives the loop; the next loop has what it found."""
    server = NameServer()
    server.may.clear()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await server.resolver.addresses("a.test")

    asyncio.run(give_up())
    server.may.set()
    assert asyncio.run(server.resolver.addresses("a.test")) == FIRST
    assert server.asked == ["a.test"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "2001:db8::5"])
async def test_address_in_digits_is_not_looked_up(host: str) -> None:
    """It is what it is."""
    server = NameServer()
    assert [address for _, address in await server.resolver.addresses(host)] == [host]
    assert server.asked == []


async def test_system_finds_the_names_of_this_machine() -> None:
    """Each address once."""
    found = await Resolver().addresses("localhost")
    assert {"127.0.0.1", "::1"} & {address for _, address in found}
    assert len(set(found)) == len(found)


def test_families_take_turns() -> None:
    """A family without a route costs one attempt, not all of its addresses (RFC 8305, section 4)."""
    six, four = int(socket.AF_INET6), int(socket.AF_INET)
    given = [(six, "a"), (six, "b"), (six, "c"), (four, "d")]
    assert interleaved(given) == [(six, "a"), (four, "d"), (six, "b"), (six, "c")]


def test_of_two_families_the_first_is_taken_in_an_order_that_stays() -> None:
    """A machine with an address of each is one; name servers turn the order."""
    six, four = int(socket.AF_INET6), int(socket.AF_INET)
    given = [(four, "10.0.0.12"), (six, "fd00::2"), (four, "10.0.0.2"), (six, "fd00::1")]
    assert one_family(given) == ((four, "10.0.0.2"), (four, "10.0.0.12"))
    assert one_family(given[1:]) == ((six, "fd00::1"), (six, "fd00::2"))
    assert one_family(()) == ()


async def test_names_that_are_followed_tell_of_every_change_and_of_nothing_else() -> None:
    """Nobody is told of the same addresses, nor of a look-up that fails; what could not be taken is told again; a name that is left is forgotten."""
    server, told = NameServer(), 0
    server.resolver = Resolver(server.look_up, ttl=0.01)
    refused = True

    def changed() -> None:
        nonlocal told, refused
        told += 1
        if refused:
            refused = False
            raise OSError("cannot be taken")

    async def looked_up() -> None:
        before = len(server.asked)
        await eventually(lambda: len(server.asked) > before + 2, "the name is looked up")

    following = Following(server.resolver, changed)
    assert following.addresses("a.test") == ()
    following.follow(["a.test"])
    await eventually(lambda: told == 2, "the change is told until it is taken")
    await looked_up()
    assert (told, following.addresses("a.test")) == (2, tuple(FIRST))
    server.answer = SECOND
    await eventually(lambda: told == 3, "the next change is told")
    assert following.addresses("a.test") == tuple(SECOND)
    server.answer = socket.gaierror(socket.EAI_AGAIN, "x")
    before = len(server.asked)
    await eventually(lambda: len(server.asked) > before, "a look-up has failed")
    assert (told, following.addresses("a.test")) == (3, tuple(SECOND))
    following.follow([])
    assert following.addresses("a.test") == ()
    await following.aclose()
