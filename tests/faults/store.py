"""Rows E9 to E11: what is set at run time, when its store fails, and when the gateway does."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from llm_gateway.config import Secret
from llm_gateway.config import Store as StoreSettings
from llm_gateway.store import master
from llm_gateway.store.store import Store
from llmgateway import GatewayError
from llmgateway.admin import AsyncAdminClient
from llmgateway.admin.v1.settings_pb2 import ProviderSettings, RouteSettings, TargetSettings

from tests.faults.history import Outcome, ask
from tests.faults.rig import Rig, Running, paced, row
from tests.support import postgres
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

OPERATOR = "a-key-of-the-administration"
ADMIN = {
    "listen": "127.0.0.1:0",
    "keys": [{"name": "ops", "role": "admin", "hash": f"sha256:{hashlib.sha256(OPERATOR.encode()).hexdigest()}"}],
}
PROVIDERS = {
    "one": {"kind": "echo", "models": ["echo"], "default_model": "echo"},
    "two": {"kind": "echo", "models": ["other"]},
}
ROUTE = RouteSettings(targets=[TargetSettings(provider="one", model="echo")])


def configured(store: Mapping[str, Any]) -> dict[str, Any]:
    return {"providers": PROVIDERS, "default_provider": "one", "admin": ADMIN, "store": store}


@asynccontextmanager
async def served() -> AsyncIterator[Postgres]:
    """A PostgreSQL of its own. Raises NoPostgres."""
    with postgres.running() as server:
        yield server


def shared(server: Postgres) -> dict[str, Any]:
    """A configuration with a store in a new database there, whose tables are made."""
    url = server.database()
    with closing(Store(StoreSettings(url=Secret(url)))) as store:
        store.upgrade()
    return configured({"url": url})


@asynccontextmanager
async def administered(running: Running) -> AsyncIterator[AsyncAdminClient]:
    """The administration of a gateway, without retries."""

    def port() -> int:
        lines = running.log.read_text().rpartition("\n")[0].splitlines()
        return next((one["port"] for one in map(json.loads, lines) if one["event"] == "administration"), 0)

    address = f"127.0.0.1:{await eventually(port, 'the administration listens')}"
    async with AsyncAdminClient(address, api_key=OPERATOR, timeout=60, options=[("grpc.enable_retries", 0)]) as admin:
        yield admin


# ---------------------------------------------------------------- E9
@row("E9", most=2.0, timed=True)
async def a_replica_serves_by_anothers_change(rig: Rig) -> float:
    """Two replicas on one PostgreSQL: seconds from a change's answer at one until the other serves by it, at most, of 50."""
    took: list[float] = []
    async with served() as server:
        config = await asyncio.to_thread(shared, server)
        async with rig.process(config) as first, rig.process(config) as second, administered(first) as admin:
            for number in range(50):
                await admin.create_route(f"r{number}", ROUTE)
                answered = time.monotonic()
                while not (await ask(second.client, f"r{number}", timeout=5)).ok:
                    await asyncio.sleep(0.005)
                took.append(time.monotonic() - answered)
    took.sort()
    rig.note(f"median {took[25] * 1000:.0f} ms, at most {took[-1] * 1000:.0f} ms")
    return took[-1]


# ---------------------------------------------------------------- E10
@row("E10", most=0)
async def a_store_that_stops_fails_no_call(rig: Rig) -> float:
    """PostgreSQL stopped and started under 50 calls/s at two replicas: calls that failed, changes that were not refused in time or not
    possible again by themselves."""
    rate, seconds, wrong = (20.0, 4.0, []) if rig.quick else (50.0, 30.0, [])
    async with served() as server:
        config = await asyncio.to_thread(shared, server)
        async with rig.process(config) as first, rig.process(config) as second, administered(first) as admin:
            await admin.create_route("before", ROUTE)
            for replica in (first, second):
                await eventually(lambda at=replica: _serves(at, "before"), "the route is served")  # type: ignore[misc]
            turns = _turns(first, second)

            async def call() -> Outcome:
                return await ask(next(turns).client, "before", timeout=30)

            load = asyncio.create_task(paced(rate, seconds, call))
            await asyncio.sleep(seconds / 4)
            await asyncio.to_thread(server.stop)
            refused = await _refusal(admin)
            wrong.append("" if refused == "STORE_UNAVAILABLE" else f"a change without its store: {refused or 'taken'}")
            await asyncio.sleep(seconds / 4)
            await asyncio.to_thread(server.start)
            back = time.monotonic()
            await eventually(lambda: _created(admin, "after"), "the administration is back by itself")
            back = time.monotonic() - back
            await eventually(lambda: _serves(second, "after"), "the other replica follows again")
            wrong += ["" if one.ok else f"{one.error}" for one in await load]
    rig.note(f"{len(wrong) - 1} calls; a change was possible {back * 1000:.0f} ms after PostgreSQL")
    return rig.flaws(wrong)


def _turns(*replicas: Running) -> Iterator[Running]:
    while True:
        yield from replicas


async def _serves(replica: Running, name: str) -> bool:
    return (await ask(replica.client, name, timeout=30)).ok


async def _refusal(admin: AsyncAdminClient) -> str:
    try:
        await admin.create_route("meanwhile", ROUTE)
    except GatewayError as error:
        return error.reason
    return ""


async def _created(admin: AsyncAdminClient, name: str) -> bool:
    try:
        await admin.create_route(name, ROUTE)
    except GatewayError as error:
        if error.reason != "STORE_UNAVAILABLE":
            raise
        return False
    return True


# ---------------------------------------------------------------- E11
@row("E11", star=True, most=0)
async def a_gateway_killed_amid_changes_has_each_whole(rig: Rig) -> float:
    """SIGKILL at 50 random moments of a stream of changes, on SQLite: changes that were acknowledged and are gone, or are half there."""
    rounds, kept, wrong = 3 if rig.quick else 50, 8, []
    draw = random.Random(11)
    folder = rig.folder / "kept"
    folder.mkdir()
    master.write(str(folder / "master"), master.new())
    settings = StoreSettings(directory=str(folder / "data"))
    config = configured({"directory": settings.directory, "master_key": {"file": str(folder / "master")}})
    made = acknowledged = unanswered = 0
    for _ in range(rounds):
        async with rig.process(config) as running, administered(running) as admin:
            found = {one.name.partition("/")[2] for one in await admin.list_providers()} - PROVIDERS.keys()
            wrong += _differences(settings, found, acknowledged)
            killed = False
            try:
                while True:
                    made += 1
                    await admin.create_provider(f"p{made}", _provider(made), keys={"main": f"key-{made}-0123456789"})
                    acknowledged += 1
                    if not killed:
                        asyncio.get_running_loop().call_later(draw.uniform(0, 1), running.process.kill)
                        killed = True
                    if len(found) + 1 > kept:
                        await admin.delete_provider(oldest := min(found, key=lambda name: int(name[1:])))
                        acknowledged += 1
                        found.remove(oldest)
                    found.add(f"p{made}")
            except GatewayError as error:
                if error.reason:
                    raise
            await asyncio.to_thread(running.process.wait, 60)
        with closing(Store.open(settings)) as store:
            revision = store.state().revision
        unanswered += revision - acknowledged
        if not acknowledged <= revision <= acknowledged + 1:
            wrong.append(f"{acknowledged} changes were acknowledged, and {revision} are kept")
        acknowledged = revision
    async with rig.process(config) as running, administered(running) as admin:
        found = {one.name.partition("/")[2] for one in await admin.list_providers()} - PROVIDERS.keys()
        wrong += _differences(settings, found, acknowledged)
    rig.note(f"{acknowledged} changes, of which {unanswered} were kept when the gateway was killed before it answered")
    return rig.flaws(wrong)


def _provider(number: int) -> ProviderSettings:
    return ProviderSettings(
        kind="openai_compatible", endpoint=f"http://127.0.0.1:{1000 + number}/v1", models=[f"m{number}"]
    )


def _differences(settings: StoreSettings, served: set[str], revision: int) -> list[str]:
    """Where the audit, the entries, the keys and what is served tell of different providers."""
    if not Path(settings.directory or "", "llm-gateway.db").exists():
        return []
    with closing(Store.open(settings)) as store:
        state, revisions = store.state(), store.revisions(limit=10**6)
    told: set[str] = set()
    for one in reversed(revisions):
        name = one.change.resource.partition("/")[2]
        (told.add if one.change.method == "CreateProvider" else told.discard)(name)
    seen = {
        "the audit": told,
        "entries": {*state.entries.providers},
        "keys": {key.provider for key in state.keys},
        "served": served,
    }
    wrong = [
        f"{place} have {sorted(names ^ served)} other than served" for place, names in seen.items() if names != served
    ]
    if [one.number for one in revisions] != list(range(revision, 0, -1)):
        wrong.append(f"{len(revisions)} revisions are kept, and {revision} were made")
    return wrong
