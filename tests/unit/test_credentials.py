"""Credentials that end: when they are fetched, kept, renewed and given up."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from llm_gateway.errors import CredentialsRejected, ProviderUnavailable
from llm_gateway.protocols.wire import Outgoing
from llm_gateway.upstream import credentials
from llm_gateway.upstream.credentials import Lease, Renewed, RenewedHeaders


class Source:
    """Gives out the numbers from 1, with the lease that the test says; counts, and fails when told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.count = 0
        self.ends: float | None = None
        self.renew_at: float | None = None
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()

    def fetch(self) -> Lease[int]:
        self.asked.set()
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        self.count += 1
        return Lease(value=self.count, ends=self.ends, renew_at=self.renew_at)

    async def is_asked(self) -> None:
        """Returns when a fetch has begun since `asked` was cleared."""
        assert await asyncio.to_thread(self.asked.wait, 10), "nothing was fetched"

    def renewed(self) -> Renewed[int]:
        return Renewed("vertex", self.fetch, clock=lambda: self.now)


@pytest.fixture
def source() -> Iterator[Source]:
    made = Source()
    yield made
    made.gate.set()


async def test_many_calls_wait_for_one_fetch(source: Source) -> None:
    """Concurrent first calls share one fetch, and a caller that gives up does not end it for the others."""
    source.gate.clear()
    renewed = source.renewed()
    impatient, *patient = [asyncio.create_task(renewed.get()) for _ in range(5)]
    await source.is_asked()
    impatient.cancel()
    source.gate.set()
    assert await asyncio.gather(*patient) == [1, 1, 1, 1]
    assert source.count == 1


async def test_what_never_ends_is_fetched_once(source: Source) -> None:
    """Fixed keys stay, and a rejection does not bring others."""
    renewed = source.renewed()
    assert await renewed.get() == 1
    source.now += 1e9
    assert not renewed.drop()
    assert await renewed.get() == 1


async def test_a_token_is_renewed_ahead_of_its_end_without_a_call(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next token comes by a timer; meanwhile calls get the one that still holds."""
    monkeypatch.setattr(credentials, "TRY_AGAIN", 0.0)
    source.ends, source.renew_at = 2000.0, 1000.0
    renewed = source.renewed()
    assert await renewed.get() == 1
    source.gate.clear()
    source.asked.clear()
    await source.is_asked()
    assert await renewed.get() == 1
    renewed.close()
    source.gate.set()
    async with asyncio.timeout(10):
        while await renewed.get() != 2:
            await asyncio.sleep(0)


async def test_a_failed_renewal_leaves_the_token_until_its_end(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again, and calls go on; after its end they learn why there is none."""
    monkeypatch.setattr(credentials, "TRY_AGAIN", 0.0)
    source.ends, source.renew_at = 2000.0, 1000.0
    renewed = source.renewed()
    assert await renewed.get() == 1
    source.error = RuntimeError("secret-in-a-library's-words")
    for _ in range(2):
        source.asked.clear()
        await source.is_asked()
        assert await renewed.get() == 1
    renewed.close()
    source.now = 1999.0
    with pytest.raises(CredentialsRejected) as caught:
        await renewed.get()
    assert caught.value.message == "No credentials could be found: RuntimeError."


async def test_a_rejected_token_is_fetched_anew(source: Source) -> None:
    """A provider that answers 401 makes the next call fetch, once there is a token to give up."""
    source.ends = 2000.0
    renewed = source.renewed()
    assert not renewed.drop()
    assert await renewed.get() == 1
    assert renewed.drop()
    assert await renewed.get() == 2


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (ImportError("google.auth"), CredentialsRejected),
        (ProviderUnavailable("The token endpoint did not answer."), ProviderUnavailable),
    ],
)
async def test_failures_are_told_apart(source: Source, error: Exception, seen: type[Exception]) -> None:
    """A missing extra is named; an outage stays one, so that the call is tried elsewhere and the key does not cool down."""
    source.error = error
    with pytest.raises(seen) as caught:
        await source.renewed().get()
    if isinstance(error, ImportError):
        assert str(caught.value) == (
            "Without a key it needs the extra vertex: pip install ./clients/python '.[vertex]' in a working copy, "
            "or EXTRAS=vertex where the image is built."
        )
    source.error = None
    assert await source.renewed().get() == 1


async def test_secrets_are_not_in_a_repr() -> None:
    """What is logged of a credential is its kind."""
    source: Renewed[credentials.Fields] = Renewed("azure", lambda: Lease(value=credentials.bearer("hidden")))
    headers = RenewedHeaders(source)
    assert await headers.headers(Outgoing(path="/"), "host") == (("authorization", "Bearer hidden"),)
    assert "hidden" not in repr(headers)
