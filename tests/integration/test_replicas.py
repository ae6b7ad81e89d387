"""Gateways on one real PostgreSQL: what one is told the other serves, and one that starts without its store serves what it knows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from llm_gateway.config import Secret
from llm_gateway.config import Store as StoreSettings
from llm_gateway.store import master
from llm_gateway.store.store import Store
from llmgateway import AsyncClient, Client, NotFound, Unavailable
from llmgateway.admin.v1.settings_pb2 import ProviderSettings

from tests.integration.test_administration import CONFIG, SECRETS, Running, started
from tests.integration.test_administration_changes import provider_of, refused, targets
from tests.support import upstream as scripted
from tests.support.postgres import Postgres
from tests.support.upstream import Upstream
from tests.support.waiting import eventually_blocking


def serves(running: Running, model: str) -> bool:
    """Whether it serves a call of this model."""
    try:
        return bool(provider_of(running, model))
    except (NotFound, Unavailable):
        return False


@pytest.fixture
def config(postgres: Postgres, tmp_path: Path) -> dict[str, Any]:
    """Of a gateway with a store there, whose tables are made, and a master key."""
    url = postgres.database()
    with closing(Store(StoreSettings(url=Secret(url)))) as store:
        store.upgrade()
    master.write(str(tmp_path / "master"), master.new())
    return {**CONFIG, "store": {"url": url, "master_key": {"file": str(tmp_path / "master")}}}


def test_replicas_serve_by_each_others_changes(config: dict[str, Any], tmp_path: Path) -> None:
    """Routes, providers and keys go from one to the other, both ways; who was not there reads them at its start."""
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    with started(folders[0], config) as first, started(folders[1], config) as second:
        with first.admin("admin") as one, second.admin("admin") as two:
            one.create_route("here", targets("echo/echo"))
            eventually_blocking(lambda: serves(second, "here"), "the second serves the first's route")
            two.create_provider("mine", ProviderSettings(kind="anthropic"), keys={"main": "key-0123456789abcdef"})
            eventually_blocking(lambda: "mine" in {_id(p.name) for p in one.list_providers()}, "the first knows it too")
            assert [key.fingerprint for key in one.list_provider_keys("mine")] == [
                key.fingerprint for key in two.list_provider_keys("mine")
            ]
            two.delete_route("here")
            eventually_blocking(lambda: not serves(first, "here"), "the first has forgotten the route")
        with started(folders[2], config) as third, third.admin("admin") as three:
            assert "mine" in {_id(p.name) for p in three.list_providers()}
            assert [revision.number for revision in three.list_revisions()] == [3, 2, 1]


def _id(name: str) -> str:
    return name.partition("/")[2]


def test_a_gateway_that_starts_without_its_store_serves_the_file(
    config: dict[str, Any], tmp_path: Path, postgres: Postgres
) -> None:
    """Names that only the store may know are refused with UNAVAILABLE, not as unknown; Health says why; when the store is back, they are served."""
    with started(tmp_path, config) as running, running.admin("admin") as admin:
        admin.create_route("kept", targets("echo/echo"))
    postgres.stop()
    try:
        with started(tmp_path, config) as running, running.admin("admin") as admin:
            assert provider_of(running, "plain") == "echo"
            with Client(running.serving, api_key=SECRETS["caller"], options=[("grpc.enable_retries", 0)]) as client:
                for call in (
                    lambda: client.chat("hello", model="kept"),
                    lambda: list(client.stream("hello", model="kept")),
                    lambda: client.chat("hello", model="echo", provider="mine"),
                    lambda: client.list_models(provider="mine"),
                    lambda: client.get_status(provider="mine"),
                ):
                    with pytest.raises(Unavailable) as caught:
                        call()
                    assert caught.value.reason == "STORE_UNAVAILABLE"
                    assert "the store cannot be reached: the connection was refused" in str(caught.value)
                assert "the store cannot be reached" in client.get_status().config_refusal
            with refused("STORE_UNAVAILABLE", said="the connection was refused"):
                admin.create_route("other", targets("echo/echo"))
            postgres.start()
            eventually_blocking(lambda: serves(running, "kept"), "what the store has is served")
            with Client(running.serving, api_key=SECRETS["caller"]) as client:
                assert client.get_status().config_refusal == ""
                with pytest.raises(NotFound):
                    client.chat("hello", model="never")
            admin.create_route("other", targets("echo/echo"))
            assert SECRETS["caller"] not in running.log.read_text()
            assert postgres.password not in running.log.read_text()
    finally:
        postgres.stop()
        postgres.start()


async def test_a_provider_that_is_alone_does_not_make_the_names_of_a_store_unknown(
    upstream: Upstream, tmp_path: Path
) -> None:
    """Every name is sent to it; that it has none of this name says nothing while the store cannot be read."""
    upstream.script(scripted.whole(404, {"error": {"message": "model not found"}}))
    alone = {"alone": {"kind": "openai_compatible", "endpoint": f"{upstream.url}/v1", "api_key": "none"}}
    store = {"url": "postgresql://gateway:secret2@127.0.0.1:1/llm"}
    config = {**CONFIG, "providers": alone, "routes": {}, "default_provider": "alone", "store": store}
    with started(tmp_path, config) as running:
        async with AsyncClient(
            running.serving, api_key=SECRETS["caller"], options=[("grpc.enable_retries", 0)]
        ) as client:
            with pytest.raises(Unavailable) as caught:
                await client.chat("hello", model="smart")
        assert caught.value.reason == "STORE_UNAVAILABLE"
        assert [attempt.provider for attempt in caught.value.attempts] == ["alone"]
        assert "secret2" not in running.log.read_text()


def test_a_start_on_a_store_that_was_not_upgraded_is_refused(
    config: dict[str, Any], postgres: Postgres, tmp_path: Path
) -> None:
    """The message names the command; nothing is served."""
    with (
        pytest.raises(RuntimeError, match="run `llm-gateway db upgrade`"),
        started(tmp_path, {**config, "store": {"url": postgres.database()}}),
    ):
        pass
