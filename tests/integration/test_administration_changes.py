"""Providers, their keys and routes set at run time: served by at once, kept, and refused without a trace where they are wrong."""

import asyncio
import json
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from llm_gateway.admin.methods import METHODS
from llm_gateway.config import Store as Settings
from llm_gateway.store import master, sealing
from llm_gateway.store.store import Store
from llm_gateway.store.vault import Vault
from llmgateway import Client, GatewayError, NotFound, Unavailable
from llmgateway.admin import AdminClient, AsyncAdminClient
from llmgateway.admin.v1 import config_pb2, settings_pb2
from llmgateway.admin.v1.settings_pb2 import ProviderSettings, RouteSettings

from tests.integration.test_administration import CONFIG, SECRETS, Running, key_of, started
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import Upstream
from tests.support.waiting import eventually_blocking

ROUNDS = int(os.environ.get("KILLS", "3"))
"""How often a gateway is killed while it is changed."""
ANSWER = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
).encode()
KEY, OTHER, NEXT = "edge-key-0123456789abcdef", "other-key-0123456789abcdef", "next-key-0123456789abcdef"


def with_store(folder: Path, **changed: Any) -> dict[str, Any]:
    """A configuration with a store and its master key in this folder."""
    if not (folder / "master").exists():
        master.write(str(folder / "master"), master.new())
    store = {"directory": str(folder / "data"), "master_key": {"file": str(folder / "master")}}
    return {**CONFIG, "store": store, **changed}


@contextmanager
def storing(folder: Path, **changed: Any) -> Iterator[tuple[Running, AdminClient]]:
    with started(folder, with_store(folder, **changed)) as running, running.admin("admin") as admin:
        yield running, admin


def settings(url: str = "http://127.0.0.1:9", **more: Any) -> ProviderSettings:
    given = {"kind": "openai_compatible", "endpoint": f"{url}/v1", "models": ["m"], "api_key": "none", **more}
    return ProviderSettings(**given)


def targets(*names: str) -> RouteSettings:
    split = [name.partition("/") for name in names]
    return RouteSettings(targets=[settings_pb2.TargetSettings(provider=one, model=model) for one, _, model in split])


def provider_of(running: Running, model: str = "") -> str:
    """Who answers a call now."""
    with Client(running.serving, api_key=SECRETS["caller"]) as client:
        return client.chat("hello", model=model).route.provider


@contextmanager
def refused(reason: str, field: str = "", said: str = "") -> Iterator[None]:
    """What is done in it is refused for this reason, by this field or subject, with these words."""
    with pytest.raises(GatewayError) as caught:
        yield
    assert caught.value.reason == reason, str(caught.value)
    fields = [one.field for one in caught.value.violations] + [one.subject for one in caught.value.preconditions]
    assert not field or field in fields, str(caught.value)
    told = [one.description for one in (*caught.value.violations, *caught.value.preconditions)]
    assert said in "\n".join([str(caught.value), *told])


def test_what_is_set_is_served_by_at_once_and_after_a_restart(tmp_path: Path) -> None:
    """A provider with its key, a route over it, the default; and each says where it is from."""
    with storing(tmp_path) as (running, admin):
        made = admin.create_provider("mine", ProviderSettings(kind="echo", default_model="echo"))
        assert (made.name, made.enabled, made.source) == ("providers/mine", True, config_pb2.SETTING_SOURCE_RUNTIME)
        assert made.settings.kind == "echo"
        admin.create_route("here", targets("mine/echo"))
        assert provider_of(running, "here") == "mine"
        admin.set_default("mine")
        revisions = admin.list_revisions()
        assert [(one.number, one.method) for one in revisions] == [
            (3, "SetDefaultProvider"),
            (2, "CreateRoute"),
            (1, "CreateProvider"),
        ]
        assert {one.principal for one in revisions} == {"admin"}
    with storing(tmp_path) as (running, admin):
        found = admin.get_provider("mine")
        assert (found.is_default, found.revision, found.etag) == (True, 1, made.etag)
        assert admin.get_route("here").source == config_pb2.SETTING_SOURCE_RUNTIME
        assert provider_of(running) == "mine"
        effective = {one.key: one for one in admin.get_effective_config().settings}
        assert effective["providers.mine.kind"].source == config_pb2.SETTING_SOURCE_RUNTIME
        assert effective["default_provider"].source == config_pb2.SETTING_SOURCE_RUNTIME


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, AdminClient]]:
    """One for the tests whose changes are refused. It has a provider `mine`, and a route `here` over it."""
    with storing(tmp_path_factory.mktemp("changes")) as (running, admin):
        admin.create_provider("mine", settings(headers={"x-team": "blue"}))
        admin.create_route("here", targets("mine/m"))
        yield running, admin


@pytest.mark.parametrize(
    ("change", "reason", "field", "said"),
    [
        (
            lambda a: a.create_provider("new", settings(kind="opanai")),
            "INVALID_REQUEST",
            "provider.settings.kind",
            "openai",
        ),
        (
            lambda a: a.create_provider("new", settings(api="chat", kind="echo")),
            "INVALID_REQUEST",
            "provider.settings.api",
            "take it out",
        ),
        (
            lambda a: a.create_provider("new", settings(publisher="anthropic")),
            "INVALID_REQUEST",
            "provider.settings.publisher",
            "Means nothing to kind openai_compatible; take it out",
        ),
        (
            lambda a: a.create_provider("new", settings("http://user:pass@127.0.0.1:9")),
            "INVALID_REQUEST",
            "provider.settings.endpoint",
            "user name or password",
        ),
        (
            lambda a: a.create_provider("new", settings(headers={"authorization": f"Bearer {KEY}"})),
            "INVALID_REQUEST",
            "provider.settings.headers.authorization",
            "store a key for the provider instead",
        ),
        (
            lambda a: a.create_provider("new", settings(api_key=KEY)),
            "INVALID_REQUEST",
            "provider.settings.api_key",
            "store a key",
        ),
        (
            lambda a: a.create_provider("new", settings(default_model="${HOME}")),
            "INVALID_REQUEST",
            "provider.settings.default_model",
            "variable",
        ),
        (
            lambda a: a.create_provider("new", settings(kind="claude_code")),
            "INVALID_REQUEST",
            "provider.settings.kind",
            "starts processes",
        ),
        (lambda a: a.create_provider("new", ProviderSettings(kind="anthropic")), "INVALID_REQUEST", "keys", "give one"),
        (
            lambda a: a.create_provider("new", settings(), keys={"a b": KEY}),
            "INVALID_REQUEST",
            "keys[0].key_id",
            "use letters",
        ),
        (
            lambda a: a.create_provider("new", settings(), keys={"main": "two words"}),
            "INVALID_REQUEST",
            "keys[0].secret",
            "one word",
        ),
        (lambda a: a.create_provider("", settings()), "INVALID_REQUEST", "provider_id", "Give a name"),
        (lambda a: a.create_provider("mine", settings()), "RESOURCE_EXISTS", "", "set at run time"),
        (lambda a: a.create_provider("edge", settings()), "RESOURCE_EXISTS", "", "gateway.yaml:1"),
        (lambda a: a.update_provider("edge", settings()), "SET_BY_FILE", "", "gateway.yaml:1"),
        (lambda a: a.delete_provider("edge"), "SET_BY_FILE", "", "Change it there"),
        (lambda a: a.adopt_provider("edge"), "SET_BY_FILE", "", "Change it there"),
        (lambda a: a.adopt_provider("mine"), "NOT_IN_FILE", "providers/mine", "Put it into the file"),
        (lambda a: a.delete_provider("mine"), "RESOURCE_IN_USE", "routes/here", "routes/here"),
        (lambda a: a.disable_provider("mine"), "RESOURCE_IN_USE", "routes/here", "routes/here"),
        (lambda a: a.disable_provider("echo"), "RESOURCE_IN_USE", "default_provider", "default_provider"),
        (lambda a: a.update_provider("mine", settings(), etag="old"), "RESOURCE_CHANGED", "", "look again"),
        (
            lambda a: a.update_provider("mine", settings(), ["settings.modles"]),
            "INVALID_REQUEST",
            "update_mask",
            "Names no setting",
        ),
        (
            lambda a: a.update_provider("mine", settings(headers={"x-team": "***"}), ["settings.headers"]),
            "INVALID_REQUEST",
            "provider.settings.headers.x-team",
            "give the value",
        ),
        (lambda a: a.update_provider("nobody", settings()), "RESOURCE_NOT_FOUND", "", "providers/nobody"),
        (lambda a: a.add_provider_key("mine", ""), "INVALID_REQUEST", "key.secret", "empty"),
        (lambda a: a.add_provider_key("nobody", KEY), "RESOURCE_NOT_FOUND", "", "providers/nobody"),
        (lambda a: a.rotate_provider_key("mine", "main", KEY), "RESOURCE_NOT_FOUND", "", "providers/mine/keys/main"),
        (lambda a: a.remove_provider_key("mine", "main"), "RESOURCE_NOT_FOUND", "", "providers/mine/keys/main"),
        (
            lambda a: a.create_route("new", targets("nobody/m")),
            "INVALID_REQUEST",
            "route.settings.targets[0].provider",
            "configured",
        ),
        (
            lambda a: a.create_route("new", RouteSettings()),
            "INVALID_REQUEST",
            "route.settings.targets",
            "list at least one",
        ),
        (lambda a: a.create_route("auto", targets("mine/m")), "INVALID_REQUEST", "route.settings", "reserved"),
        (lambda a: a.create_route("plain", targets("mine/m")), "RESOURCE_EXISTS", "", "gateway.yaml:1"),
        (lambda a: a.delete_route("plain"), "SET_BY_FILE", "", "gateway.yaml:1"),
        (lambda a: a.update_route("here", targets("mine/m"), etag="old"), "RESOURCE_CHANGED", "", "look again"),
        (lambda a: a.rollback_config(7), "INVALID_REQUEST", "revision", "0 to 2"),
        (lambda a: a.set_default("nobody"), "RESOURCE_NOT_FOUND", "", "providers/nobody"),
    ],
)
def test_a_wrong_change_says_what_would_be_right_and_changes_nothing(
    shared: tuple[Running, AdminClient], change: Callable[[AdminClient], object], reason: str, field: str, said: str
) -> None:
    """Its code, its field or what is in the way, and the way out; no revision is made, and no key is told."""
    running, admin = shared
    before = admin.get_effective_config()
    with refused(reason, field, said):
        change(admin)
    after = admin.get_effective_config()
    assert (after.version, after.revision) == (before.version, before.revision) == (before.version, 2)
    assert KEY not in running.log.read_text()


def test_a_change_may_only_be_checked(shared: tuple[Running, AdminClient]) -> None:
    """The answer is what would be; nothing is kept."""
    _, admin = shared
    would = admin.create_provider("new", settings(), validate_only=True)
    assert would.kind == "openai_compatible"
    assert (
        admin.update_provider("mine", settings("http://127.0.0.1:8"), validate_only=True)
        .provider.addresses[0]
        .uri.endswith(":8/v1")
    )
    assert admin.create_route("new", targets("mine/m"), validate_only=True).targets[0].model == "m"
    admin.delete_route("here", validate_only=True)
    assert [one.name for one in admin.list_providers()] == ["providers/echo", "providers/edge", "providers/mine"]
    assert admin.get_effective_config().revision == 2


def test_what_a_mask_names_is_changed_and_nothing_else(tmp_path: Path) -> None:
    """What is named and not given is unset; a setting that is hidden in answers stays as it is."""
    with storing(tmp_path) as (_, admin):
        made = admin.create_provider("mine", settings(headers={"x-team": "blue"}, region="here"))
        assert dict(made.settings.headers) == {"x-team": "***"}
        new = ProviderSettings(models=["m", "n"])
        new.timeouts.connect.FromMilliseconds(1500)
        done = admin.update_provider(
            "mine", new, ["settings.models", "settings.timeouts.connect", "settings.region"], etag=made.etag
        )
        found = done.provider
        assert (list(found.models), found.settings.HasField("region"), found.etag == made.etag) == (
            ["m", "n"],
            False,
            False,
        )
        assert found.settings.timeouts.connect.nanos == 500_000_000
        assert dict(found.settings.headers) == {"x-team": "***"}
        again = admin.update_provider("mine", new, ["settings.models"])
        assert again.provider.revision == found.revision  # nothing is other, so nothing is kept
        with refused("RESOURCE_CHANGED"):
            admin.update_provider("mine", settings(), etag=made.etag)


def test_of_the_files_providers_three_things_can_be_changed(tmp_path: Path) -> None:
    """Switched off and on, made the default, given other keys. One that is off is listed, and not tested."""
    with storing(tmp_path, routes={}) as (running, admin):
        assert admin.set_default("edge").is_default
        off = admin.disable_provider("echo")
        assert (off.enabled, off.line, off.kind) == (False, 1, "echo")
        assert [(one.name, one.enabled) for one in admin.list_providers()] == [
            ("providers/echo", False),
            ("providers/edge", True),
        ]
        with refused("PROVIDER_OFF", "providers/echo", "Enable it first"):
            admin.test_provider("echo")
        with pytest.raises(NotFound):
            provider_of(running, "echo/echo")
        with refused("CONFIG_INVALID", said="enable another one first"):
            admin.disable_provider("edge")
    with storing(tmp_path, routes={}) as (running, admin):
        assert not admin.get_provider("echo").enabled
        assert admin.get_provider("edge").is_default
        admin.enable_provider("echo")
        admin.set_default("")
        assert provider_of(running) == "echo"


async def test_a_key_is_used_and_kept_sealed(upstream: Upstream, tmp_path: Path) -> None:
    """In place of the file's; rotated with an overlap, and dropped when the provider goes elsewhere. The store's files do not show it."""
    upstream.answer = lambda _: scripted.whole(200, ANSWER)
    edge = gateways.provider(upstream.url, api_key=SECRETS["edge"])
    providers = {"echo": {"default_model": "echo"}, "edge": edge}

    def sent() -> str:
        """The key of a call now."""
        assert provider_of(running, "edge/m") == "edge"
        return upstream.requests[-1].headers["authorization"].removeprefix("Bearer ")

    def play() -> None:
        assert sent() == SECRETS["edge"]
        first = admin.add_provider_key("edge", KEY)
        assert {sent() for _ in range(4)} == {KEY}
        assert [one.name for one in admin.list_provider_keys("edge")] == ["providers/edge/keys/main"]
        with refused("RESOURCE_EXISTS"):
            admin.add_provider_key("edge", OTHER)
        with refused("RESOURCE_CHANGED"):
            admin.rotate_provider_key("edge", "main", OTHER, etag="old")
        done = admin.rotate_provider_key("edge", "main", OTHER, overlap=3600, etag=first.etag)
        assert done.old_key.name == "providers/edge/keys/main.old"
        assert done.old_key.fingerprint == first.fingerprint != done.key.fingerprint
        assert list(admin.get_provider("edge").keys) == ["main", "main.old"]
        admin.rotate_provider_key("edge", "main", NEXT, overlap=1.0)
        admin.remove_provider_key("edge", "main.old")
        eventually_blocking(lambda: len(admin.list_provider_keys("edge")) == 1, "the old key is gone")
        assert {sent() for _ in range(4)} == {NEXT}
        files = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
        for key in (KEY, OTHER, NEXT):
            assert key.encode() not in files
            assert key not in running.log.read_text()
            assert key not in str(admin.list_changes())
        admin.remove_provider_key("edge", "main")
        assert sent() == SECRETS["edge"]

    with storing(tmp_path, providers=providers, routes={}) as (running, admin):
        await asyncio.to_thread(play)


async def test_keys_do_not_follow_to_another_server(upstream: Upstream, tmp_path: Path) -> None:
    """They are dropped, and named, unless they are given again; a model more leaves them."""
    upstream.answer = lambda _: scripted.whole(200, ANSWER)

    def play() -> None:
        admin.create_provider("mine", settings(upstream.url), keys={"main": KEY})
        assert list(admin.update_provider("mine", settings(upstream.url, models=["m", "n"])).dropped_keys) == []
        elsewhere = settings(f"{upstream.url}/elsewhere")
        done = admin.update_provider("mine", elsewhere, ["settings.endpoint"])
        assert list(done.dropped_keys) == ["main"]
        assert not admin.list_provider_keys("mine")
        admin.update_provider("mine", settings(upstream.url), ["settings.endpoint"], keys={"main": OTHER})
        assert provider_of(running, "mine/m") == "mine"
        assert upstream.requests[-1].headers["authorization"] == f"Bearer {OTHER}"
        assert list(admin.delete_provider("mine").dropped_keys) == ["main"]

    with storing(tmp_path) as (running, admin):
        await asyncio.to_thread(play)


def test_an_earlier_revision_comes_back_without_the_keys_that_were_removed(tmp_path: Path) -> None:
    """As a new revision; a provider that needs such a key comes back switched off."""
    with storing(tmp_path) as (_, admin):
        admin.create_provider("mine", settings(models=["one"]))
        admin.create_provider("cloud", ProviderSettings(kind="anthropic"), keys={"main": KEY})
        admin.create_route("here", targets("mine/one"))
        then = admin.get_effective_config().revision
        admin.delete_route("here")
        admin.update_provider("mine", settings(models=["two"]))
        admin.delete_provider("cloud")
        checked = admin.rollback_config(then, validate_only=True)
        assert admin.get_effective_config().revision == then + 3
        done = admin.rollback_config(then)
        assert (done.revision, done.version) == (then + 4, checked.version)
        assert list(done.disabled_providers) == ["providers/cloud"]
        assert list(admin.get_provider("mine").models) == ["one"]
        assert not admin.get_provider("cloud").enabled
        assert not admin.list_provider_keys("cloud")
        assert admin.get_route("here").targets[0].model == "one"
        with refused("CONFIG_INVALID", said="api_key"):
            admin.enable_provider("cloud")
        admin.add_provider_key("cloud", OTHER)
        assert admin.enable_provider("cloud").enabled
        assert admin.rollback_config(0).revision
        assert {one.source for one in admin.list_providers()} == {config_pb2.SETTING_SOURCE_FILE}


def test_the_audit_tells_who_changed_what(tmp_path: Path) -> None:
    """In the store, and in the log line of each call, refused ones too."""
    with storing(tmp_path) as (running, admin):
        admin.create_provider("mine", settings(headers={"x-team": "blue"}), keys={"main": KEY})
        admin.update_provider("mine", settings(models=["n"]), ["settings.models"])
        with refused("RESOURCE_EXISTS"):
            admin.create_provider("mine", settings())
        with running.admin("operator") as operator, refused("ROLE_REQUIRED"):
            operator.delete_provider("mine")
        admin.rotate_provider_key("mine", "main", OTHER)
        assert admin.list_changes("providers/min") == []
        rotated, update, create = admin.list_changes("providers/mine")
        assert rotated.resource == "providers/mine/keys/main"
        assert (update.method, update.principal) == ("UpdateProvider", "admin")
        assert json_format.MessageToDict(update.before)["settings"]["models"] == ["m"]
        assert json_format.MessageToDict(update.after)["settings"]["models"] == ["n"]
        assert update.peer.startswith("ipv4:127.0.0.1:")
        assert create.before.WhichOneof("kind") == "null_value"
        assert json_format.MessageToDict(create.after)["settings"]["headers"] == {"x-team": "***"}
        assert json_format.MessageToDict(create.after)["keys"][0]["name"] == "main"
        lines = running.wait_for("audit", 5)
        assert [(line["principal"], line["result"]) for line in lines[:4]] == [
            ("admin", "OK"),
            ("admin", "OK"),
            ("admin", "RESOURCE_EXISTS"),
            ("operator", "ROLE_REQUIRED"),
        ]
        assert lines[1]["after"]["settings"]["models"] == ["n"]
        assert lines[1]["revision"] == 2
        assert KEY not in running.log.read_text()


def test_what_the_file_has_too_is_settled_by_adopting(tmp_path: Path) -> None:
    """What was set at run time goes on serving, both are told; then the file's serves, with the keys, as it goes to the same server."""
    with storing(tmp_path) as (running, admin):
        admin.create_provider("mine", settings(), keys={"main": KEY})
        running.write(lambda file: file["providers"].update(mine=gateways.provider("http://127.0.0.1:9", models=["k"])))
        admin.reload_config()
        both = admin.get_provider("mine")
        assert (both.source, list(both.models)) == (config_pb2.SETTING_SOURCE_RUNTIME, ["m"])
        assert '"mine"' in running.file.read_text().splitlines()[both.line - 1]
        done = admin.adopt_provider("mine", etag=both.etag)
        assert (done.provider.source, list(done.provider.models)) == (config_pb2.SETTING_SOURCE_FILE, ["k"])
        assert (list(done.dropped_keys), done.provider.line) == ([], both.line)
        assert [one.name for one in admin.list_provider_keys("mine")] == ["providers/mine/keys/main"]


def test_without_a_store_nothing_can_be_changed(tmp_path: Path) -> None:
    """And the refusal names what the configuration lacks; so it does without a master key, for keys only."""
    with started(tmp_path) as running, running.admin("admin") as admin:
        with refused("STORE_REQUIRED", "store", "store: {directory: data}"):
            admin.create_provider("mine", settings())
        assert admin.list_revisions() == admin.list_changes() == admin.list_provider_keys("echo") == []
    config = with_store(tmp_path)
    del config["store"]["master_key"]
    with started(tmp_path, config) as running, running.admin("admin") as admin:
        admin.create_provider("mine", settings())
        with refused("STORE_REQUIRED", "store.master_key", "llm-gateway master-key new"):
            admin.add_provider_key("mine", KEY)


def test_changes_of_many_at_once_are_all_kept(tmp_path: Path) -> None:
    """One after the other; and a revision each."""
    with storing(tmp_path) as (_, admin):

        def add(number: int) -> None:
            admin.create_provider(f"mine-{number}", settings())

        threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(admin.list_providers()) == 2 + 8
        assert [one.number for one in admin.list_revisions()] == list(range(8, 0, -1))


@pytest.mark.parametrize("bare", [False, True])
def test_a_gateway_that_starts_without_its_store_serves_the_files_part(tmp_path: Path, bare: bool) -> None:
    """What only the store knows is unavailable, not unknown, until it is back; nothing can be changed meanwhile. Where that is all, it is not ready."""
    changed: dict[str, Any] = {"providers": {}, "routes": {}, "default_provider": None} if bare else {}
    config = {key: value for key, value in with_store(tmp_path, **changed).items() if value is not None}
    data, away = tmp_path / "data", tmp_path / "away"
    with started(tmp_path, config) as running, running.admin("admin") as admin:
        admin.create_provider("mine", ProviderSettings(kind="echo", default_model="echo"))
    data.rename(away)
    data.write_text("in the way")
    with started(tmp_path, config) as running, running.admin("admin") as admin:
        with pytest.raises(Unavailable) as caught:
            provider_of(running, "mine/echo")
        assert caught.value.reason == "STORE_UNAVAILABLE"
        if bare:
            with pytest.raises(Unavailable):
                provider_of(running)
        else:
            assert provider_of(running, "echo/echo") == "echo"
            assert admin.get_provider("echo").enabled
        assert ready(running) is not bare
        for look in (
            lambda: admin.get_provider("mine"),
            lambda: admin.create_provider("other", settings()),
            admin.list_changes,
        ):
            with refused("STORE_UNAVAILABLE", said="cannot be opened"):
                look()
        assert "cannot be opened" in admin.get_effective_config().store_problem
        (tmp_path / "back").symlink_to(away)
        (tmp_path / "back").rename(data)  # at once: in between the gateway could make an empty one
        eventually_blocking(
            lambda: not admin.get_effective_config().store_problem and bool(admin.list_changes()), "the store is back"
        )
        eventually_blocking(lambda: admin.get_effective_config().revision == 1, "what was set is in force")
        assert provider_of(running, "mine/echo") == "mine"
        assert ready(running)
        assert admin.create_provider("other", settings()).revision == 2


def test_a_store_that_comes_back_must_be_of_the_master_key(tmp_path: Path) -> None:
    """Also an empty one, which nothing else tells from another's: it is not taken over, and whoever changes something is told both keys."""
    config = with_store(tmp_path)
    data, away = tmp_path / "data", tmp_path / "away"
    with closing(Store.open(Settings(directory=str(away)))) as others:
        sealing.admit(others, theirs := Vault(master.MasterKey(os.urandom(32))))
    data.write_text("in the way")
    with started(tmp_path, config) as running, running.admin("admin") as admin:
        data.unlink()
        away.rename(data)
        [line] = running.wait_for("revision not in force", 1)
        assert theirs.current in line["problem"]
        for _ in range(2):
            with refused("STORE_UNAVAILABLE", said=theirs.current):
                admin.create_provider("mine", settings())
        assert provider_of(running, "echo/echo") == "echo"
    with closing(Store.open(Settings(directory=str(data)))) as others:
        assert others.masters() == {theirs.current}


def ready(running: Running) -> bool:
    """What grpc.health.v1 says of the gateway's service."""
    with grpc.insecure_channel(running.serving) as channel:
        request = health_pb2.HealthCheckRequest(service="llmgateway.v1.LLMGateway")
        told = health_pb2_grpc.HealthStub(channel).Check(request, timeout=60).status
    return bool(told == health_pb2.HealthCheckResponse.SERVING)


def test_while_the_store_is_gone_what_is_in_force_goes_on(tmp_path: Path) -> None:
    """Changes are refused, looking goes on, and it heals by itself."""
    with storing(tmp_path) as (running, admin):
        admin.create_provider("mine", ProviderSettings(kind="echo", default_model="echo"))
        (tmp_path / "data").rename(tmp_path / "away")
        with refused("STORE_UNAVAILABLE", said="goes on serving"):
            admin.create_provider("other", settings())
        assert provider_of(running, "mine/echo") == "mine"
        assert len(admin.list_providers()) == 3
        (tmp_path / "away").rename(tmp_path / "data")
        assert admin.create_provider("other", settings()).revision == 2
        assert [line["result"] for line in running.wait_for("audit", 3)] == ["OK", "STORE_UNAVAILABLE", "OK"]


def test_a_cloud_provider_is_enabled_with_a_key_and_nothing_else(tmp_path: Path) -> None:
    """One that is new, one whose key is replaced, one of the file that was switched off; and the status tells them, local ones left out."""
    off = {"kind": "anthropic", "enabled": False, "api_key": SECRETS["edge"]}
    with storing(tmp_path, providers={**CONFIG["providers"], "anthropic": off}) as (_, admin):
        made = admin.enable_cloud_provider("openai", KEY)
        assert (made.kind, list(made.keys), made.enabled) == ("openai", ["main"], True)
        [first] = admin.list_provider_keys("openai")
        admin.enable_cloud_provider("openai", KEY)
        assert admin.list_provider_keys("openai") == [first]  # it is that key already
        admin.enable_cloud_provider("openai", OTHER)
        [second] = admin.list_provider_keys("openai")
        assert first.fingerprint != second.fingerprint
        assert admin.enable_cloud_provider("anthropic", KEY).enabled
        admin.disable_provider("openai")
        status = admin.get_cloud_status()
        assert {name: (one.enabled, one.keys) for name, one in status.items()} == {
            "anthropic": (True, ("main",)),
            "edge": (True, ("key-1",)),
            "openai": (False, ("main",)),
        }
        assert status["anthropic"].kind == "anthropic"


async def test_the_async_client_has_the_same_calls(tmp_path: Path) -> None:
    """A provider with a key and a route, by the client of asyncio."""
    with started(tmp_path, with_store(tmp_path)) as running:
        async with AsyncAdminClient(running.address, api_key=key_of("admin"), timeout=120) as admin:
            assert (await admin.enable_cloud_provider("openai", KEY)).enabled
            assert (await admin.get_cloud_status())["openai"].keys == ("main",)
            assert (await admin.disable_provider("openai")).enabled is False
            await admin.create_route("here", targets("echo/echo"))
            assert [one.method for one in await admin.list_changes()] == [
                "CreateRoute",
                "DisableProvider",
                "CreateProvider",
            ]


def test_both_clients_have_every_method_of_the_contract() -> None:
    """And the same names."""
    calls = {name for name in vars(AdminClient) if not name.startswith("_")}
    assert calls == {name for name in vars(AsyncAdminClient) if not name.startswith("_")}
    named = {re.sub(r"(?<!^)(?=[A-Z])", "_", path.rpartition("/")[2]).lower() for path in METHODS}
    assert named - calls == {"set_default_provider"}  # set_default


def test_the_plain_client_does_not_import_the_administrations() -> None:
    """So that a program which only calls models does not pay for it."""
    code = "import sys, llmgateway; print([name for name in sys.modules if 'admin' in name])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.timeout(900)  # a gateway is started every round
def test_a_gateway_that_is_killed_has_every_change_that_was_acknowledged_and_no_half_one(tmp_path: Path) -> None:
    """SIGKILL at random moments of a stream of changes, each a provider with its key and a route over it; KILLS says how often."""
    rng, config = random.Random(13), with_store(tmp_path)
    acknowledged: set[str] = set()
    for _ in range(ROUNDS):
        with gateways.process(config, tmp_path) as process:
            address = f"127.0.0.1:{administration_port(process)}"
            killing = threading.Timer(rng.uniform(0.0, 0.6), process.process.kill)
            with AdminClient(address, api_key=key_of("admin"), timeout=120) as admin:
                assert_whole(admin, acknowledged)
                killing.start()
                with suppress(GatewayError):
                    while True:
                        name = f"mine-{len(admin.list_providers())}"
                        admin.create_provider(name, settings(), keys={"main": KEY})
                        acknowledged.add(name)
                        admin.create_route(name, targets(f"{name}/m"))
                        acknowledged.add(f"routes/{name}")
            killing.join()
    with storing(tmp_path) as (_, admin):
        assert_whole(admin, acknowledged)
    print(f"killed {ROUNDS} times: all {len(acknowledged)} acknowledged changes are there")


def administration_port(process: gateways.Process) -> int:
    lines = map(json.loads, process.log.read_text().rpartition("\n")[0].splitlines())
    [port] = [line["port"] for line in lines if line["event"] == "administration"]
    return int(port)


def assert_whole(admin: AdminClient, acknowledged: set[str]) -> None:
    """What was acknowledged is there, each provider has its key, and each revision its change."""
    found = {one.name.removeprefix("providers/"): one for one in admin.list_providers() if one.revision}
    routes = {one.name for one in admin.list_routes() if one.revision}
    assert acknowledged <= {*found, *routes}
    assert all(list(one.keys) == ["main"] and one.enabled for one in found.values())
    assert {name.replace("routes/", "providers/") for name in routes} <= {f"providers/{name}" for name in found}
    changes = admin.list_changes()
    assert [one.revision for one in changes] == list(range(len(changes), 0, -1))
    assert {one.resource for one in changes} == {*routes, *(f"providers/{name}" for name in found)}
