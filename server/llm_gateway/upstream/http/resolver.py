"""DNS look-ups: one at a time for each name, cached for a while, in threads of their own.

getaddrinfo(3) blocks for as long as a name server is silent. In the event loop's small thread pool, the look-ups of one provider whose
name server hangs would hold up connecting to all others.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

TTL: Final = 30.0
"""Seconds for which addresses are cached. getaddrinfo does not report their time to live; 30 s is common for DNS that steers traffic."""
PATIENCE: Final = 1.0
"""Seconds to wait for a look-up when there are addresses of an earlier one."""
RETRY: Final = 5.0
"""Seconds for which earlier addresses are used again after a look-up that failed or took too long."""

Address = tuple[int, str]
"""Address family, and the address in digits."""


def literal(host: str) -> Address | None:
    """The address that a host is in digits; None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return int(family), host
    return None


def system(host: str) -> list[Address]:
    """The addresses of a name in the order in which the system wants them tried (RFC 6724). Blocks. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))


class Resolver:
    """Looks names up. Used from any event loop; a name has at most one thread."""

    def __init__(
        self,
        look_up: Callable[[str], list[Address]] = system,
        clock: Callable[[], float] = time.monotonic,
        ttl: float = TTL,
    ) -> None:
        """ttl: seconds for which addresses are cached."""
        self._look_up = look_up
        self._clock = clock
        self._ttl = ttl
        self._lock = threading.Lock()
        self._known: dict[str, tuple[list[Address], float]] = {}
        """What was found, and until when it is good."""
        self._asked: dict[str, Future[list[Address]]] = {}

    async def addresses(self, host: str) -> Sequence[Address]:
        """The addresses of a host, without repeats; the last known ones if it cannot be looked up now. Raises OSError, UnicodeError."""
        itself = literal(host)
        if itself is not None:
            return (itself,)
        known = self._known.get(host)
        if known is None:
            return await _result(self._ask(host))
        if self._clock() < known[1]:
            return known[0]
        try:
            async with asyncio.timeout(PATIENCE):
                return await _result(self._ask(host))
        except (OSError, UnicodeError):  # a TimeoutError is an OSError
            with self._lock:
                if self._known[host] is known:
                    self._known[host] = known[0], self._clock() + RETRY
            return known[0]

    def fresh_for(self, host: str) -> float:
        """Seconds until `addresses` looks the host up again."""
        known = self._known.get(host)
        return max(0.0, known[1] - self._clock()) if known is not None else 0.0

    def _ask(self, host: str) -> "Future[list[Address]]":
        with self._lock:
            asked = self._asked.get(host)
            if asked is not None:
                return asked
            asked = self._asked[host] = Future()
        try:
            # A daemon: the process ends without waiting for a name server.
            threading.Thread(target=self._answer, args=(host, asked), name="resolver", daemon=True).start()
        except RuntimeError:
            del self._asked[host]
            asked.set_exception(OSError("no thread to look up a name in"))
        return asked

    def _answer(self, host: str, asked: "Future[list[Address]]") -> None:
        try:
            found = self._look_up(host)
        except Exception as error:
            del self._asked[host]
            asked.set_exception(error)
        else:
            with self._lock:
                self._known[host] = found, self._clock() + self._ttl
                del self._asked[host]
            asked.set_result(found)


class Following:
    """The addresses of some names, looked up again and again beside whatever uses them. One family of addresses: that of the first the system would try,
    so that a machine with two is there once."""

    def __init__(self, resolver: Resolver, changed: Callable[[], None]) -> None:
        """changed: called when a name has other addresses than before; never for a look-up that failed, which leaves them. If it raises OSError or
        ValueError it is called again."""
        self._resolver = resolver
        self._changed = changed
        self._known: dict[str, tuple[Address, ...]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, asyncio.Event] = {}

    def addresses(self, host: str) -> tuple[Address, ...]:
        """Those that a name has, in their order; () until it was found."""
        return self._known.get(host, ())

    def follow(self, hosts: Collection[str]) -> None:
        """These names, and no others, on this event loop."""
        for host in self._tasks.keys() - set(hosts):
            self._tasks.pop(host).cancel()
            self._known.pop(host, None)
            self._asked.pop(host, None)
        for host in set(hosts) - self._tasks.keys():
            self._asked[host] = asyncio.Event()
            self._tasks[host] = asyncio.get_running_loop().create_task(self._follow(host, self._asked[host]))

    async def settled(self, seconds: float) -> None:
        """Wait until each name has been looked up once, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for host in self._tasks:
                    await self._asked[host].wait()

    async def aclose(self) -> None:
        tasks = list(self._tasks.values())
        self.follow(())
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, host: str, asked: asyncio.Event) -> None:
        while True:
            pause = RETRY
            with suppress(OSError, ValueError):
                found = one_family(await self._resolver.addresses(host))
                pause = self._resolver.fresh_for(host)
                before = self._known.get(host, ())
                if found != before:
                    self._known[host] = found
                    try:
                        self._changed()
                    except BaseException:
                        self._known[host] = before
                        raise
            asked.set()
            await asyncio.sleep(pause)


def one_family(addresses: Sequence[Address]) -> tuple[Address, ...]:
    """The addresses of the first one's family, in an order that stays the same."""
    family = addresses[0][0] if addresses else 0
    same = (address for address in addresses if address[0] == family)
    return tuple(sorted(same, key=lambda address: socket.inet_pton(family, address[1].partition("%")[0])))


async def _result(asked: "Future[list[Address]]") -> list[Address]:
    """Wait for a look-up that others may wait for as well; cancelling the wait does not cancel it."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def wake() -> None:
        if not done.done():
            done.set_result(None)

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(wake)

    asked.add_done_callback(tell)
    await done
    return asked.result()


SHARED: Final = Resolver()
"""Shared by all clients of the process: providers share hosts, and a new configuration those of the old one."""


def interleaved(addresses: Sequence[Address]) -> list[Address]:
    """Alternating address families, the first address's family first (RFC 8305, section 4)."""
    families = list(dict.fromkeys(family for family, _ in addresses))
    queues = [[address for address in addresses if address[0] == family] for family in families]
    longest = max(map(len, queues), default=0)
    return [queue[at] for at in range(longest) for queue in queues if at < len(queue)]
