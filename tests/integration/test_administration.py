"""The administration's port: who may call what, what it tells, and that it holds up nobody."""

import asyncio
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from llm_gateway.admin.methods import METHODS, word
from llm_gateway.admin.server import THREADS
from llm_gateway.cli import main
from llmgateway import (
    TLS,
    Client,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from llmgateway.admin import AdminClient, AsyncAdminClient
from llmgateway.admin.v1 import config_pb2, provider_pb2, role_pb2

from tests.support import certificates
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import Upstream
from tests.support.waiting import eventually_blocking

ROLES = ("viewer", "operator", "admin")
SECRETS = {"edge": "edge-secret-0123456789", "caller": "caller-secret-0123456789", "header": "header-secret-0123456789"}


def key_line(name: str, role: str) -> dict[str, str]:
    """A key of the administration in the configuration; the key itself is `key-of-` and its name."""
    return {"name": name, "role": role, "hash": f"sha256:{hashlib.sha256(key_of(name).encode()).hexdigest()}"}


def key_of(name: str) -> str:
    return f"key-of-{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A gateway with an administration. file: its configuration, as JSON. pid: of its process, or of its workers' supervisor."""

    address: str
    serving: str
    pid: int
    log: Path
    file: Path

    def admin(self, name: str = "admin", **settings: Any) -> AdminClient:
        return AdminClient(self.address, api_key=key_of(name), timeout=120, **settings)

    def lines(self, event: str) -> list[dict[str, Any]]:
        whole = self.log.read_text().rpartition("\n")[0]
        return [entry for entry in map(json.loads, whole.splitlines()) if entry["event"] == event]

    def wait_for(self, event: str, count: int) -> list[dict[str, Any]]:
        eventually_blocking(lambda: len(self.lines(event)) >= count, f"the log has {count} lines of {event}")
        return self.lines(event)

    def write(self, change: Callable[[dict[str, Any]], object]) -> None:
        settings = json.loads(self.file.read_text())
        change(settings)
        self.file.write_text(json.dumps(settings, indent=1))


CONFIG: dict[str, Any] = {
    "server": {"api_keys": [SECRETS["caller"]], "reload_interval": "0s"},  # only who is asked reads the file
    "admin": {"listen": "127.0.0.1:0", "keys": [key_line(role, role) for role in ROLES]},
    "providers": {
        "echo": {"default_model": "echo", "model_info": {"echo": {"aliases": ["mirror"]}}},
        "edge": gateways.provider(
            "http://127.0.0.1:9", api_key=SECRETS["edge"], headers={"x-secret": SECRETS["header"]}
        ),
    },
    "routes": {"smart": {"targets": ["edge/m"], "fallbacks": ["echo/echo"]}, "plain": {"targets": ["echo/echo"]}},
    "default_provider": "echo",
}


@contextmanager
def started(folder: Path, config: dict[str, Any] | None = None, env: dict[str, str] | None = None) -> Iterator[Running]:
    with gateways.process(config or CONFIG, folder, env) as process:
        file, pid = folder / "gateway.yaml", process.process.pid
        running = Running(address="", serving=process.address, pid=pid, log=process.log, file=file)
        [line] = running.wait_for("administration", 1)
        if (workers := (config or CONFIG).get("server", {}).get("workers", 1)) > 1:
            running.wait_for("worker connected", workers)  # else a question may wait for one longer than it does
        yield replace(running, address=f"127.0.0.1:{line['port']}")


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two workers"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for the tests that change nothing."""
    config = {**CONFIG, "server": {**CONFIG["server"], "workers": request.param}}
    with started(tmp_path_factory.mktemp("administration"), config) as one:
        yield one


def code_of(running: Running, path: str, key: str | None, message: bytes = b"") -> grpc.StatusCode:
    """How a call of a method ends, whatever its message."""
    with grpc.insecure_channel(running.address) as channel:
        call: Any = channel.unary_unary(path)
        try:
            call(message, timeout=120, metadata=(("authorization", f"Bearer {key}"),) if key else ())
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("path", sorted(METHODS))
def test_a_method_takes_those_of_its_role_and_above_and_nobody_else(running: Running, path: str) -> None:
    """Also not a caller, nor somebody without a key; what the method says of an empty request is its own matter."""
    refused = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
    for role in ROLES:
        code = code_of(running, path, key_of(role))
        enough = ROLES.index(role) >= ROLES.index(word(METHODS[path].role))
        assert code not in refused if enough else code is grpc.StatusCode.PERMISSION_DENIED, role
    for stranger in (None, SECRETS["caller"], "nonsense"):
        assert code_of(running, path, stranger) is grpc.StatusCode.UNAUTHENTICATED


def test_a_machine_may_ask_whether_the_port_answers(running: Running) -> None:
    """By grpc.health.v1, without a key; of a service that is not there it says so."""
    with grpc.insecure_channel(running.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "llmgateway.admin.v1.ProviderService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=120)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            health.Check(health_pb2.HealthCheckRequest(service="llmgateway.v1.LLMGateway"), timeout=120)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_keys_of_the_administration_open_nothing_on_the_serving_port(running: Running) -> None:
    """And the administration's methods are not there, nor the gateway's on its port."""
    with Client(running.serving, api_key=key_of("admin")) as client, pytest.raises(Unauthenticated):
        client.get_status()
    with AdminClient(running.serving, api_key=SECRETS["caller"]) as admin, pytest.raises(Unimplemented):
        admin.list_providers()
    health = "/llmgateway.v1.LLMGateway/Health"
    assert code_of(running, health, key_of("admin")) is grpc.StatusCode.UNIMPLEMENTED


def test_nothing_is_read_of_a_stranger(running: Running) -> None:
    """A call without a key ends while its message is still to come; bytes that are no message are only told to who may call."""
    path = "/llmgateway.admin.v1.ConfigService/GetEffectiveConfig"
    assert code_of(running, path, None, b"\xff") is grpc.StatusCode.UNAUTHENTICATED
    assert code_of(running, path, key_of("viewer"), b"\xff") is grpc.StatusCode.INVALID_ARGUMENT
    never = threading.Event()

    def silent() -> Iterator[bytes]:
        never.wait()
        yield b""

    with grpc.insecure_channel(running.address) as channel:
        call: Any = channel.stream_unary(path)
        with pytest.raises(grpc.RpcError) as caught:
            call(silent(), timeout=120)
    never.set()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_key_holder_who_sends_no_request_holds_the_port_for_a_moment_only(running: Running) -> None:
    """As many silent calls as there are threads: each is ended with the reason, and others get their turn."""
    path = "/llmgateway.admin.v1.ConfigService/GetEffectiveConfig"
    never = threading.Event()

    def silent() -> Iterator[bytes]:
        never.wait()
        yield b""

    with grpc.insecure_channel(running.address) as channel:
        start: Any = channel.stream_unary(path).future
        metadata = (("authorization", f"Bearer {key_of('viewer')}"),)
        calls = [start(silent(), timeout=120, metadata=metadata) for _ in range(THREADS)]
        with running.admin("viewer") as admin:
            assert admin.list_routes()
        errors = [call.exception() for call in calls]
    never.set()
    assert {error.code() for error in errors} == {grpc.StatusCode.ABORTED}
    assert {error.details() for error in errors} == {"The request has not come within 5 s."}


def test_every_setting_says_where_it_is_from(tmp_path: Path) -> None:
    """The file's line, the variables in its text, the variable that won, the flag; what nobody said, and what follows from the rest."""
    config = {**CONFIG, "server": {**CONFIG["server"], "max_in_flight": "${MOST}", "listen": "127.0.0.1:1"}}
    with started(tmp_path, config, {"MOST": "7", "LLM_GATEWAY_LISTEN": "127.0.0.1:0"}) as running:
        running.write(lambda _: None)  # a line for each key
        with running.admin("operator") as admin:
            admin.reload_config()
            answer = admin.get_effective_config()
    found = {one.key: one for one in answer.settings}
    text = running.file.read_text().splitlines()
    assert answer.file == str(running.file)
    kind = found["providers.edge.kind"]
    assert (kind.value, kind.source) == ("openai_compatible", config_pb2.SETTING_SOURCE_FILE)
    assert '"kind"' in text[kind.line - 1]
    most = found["server.max_in_flight"]
    assert (most.value, most.source, list(most.variables)) == ("7", config_pb2.SETTING_SOURCE_FILE, ["MOST"])
    listen = found["server.listen"]
    assert (listen.value, list(listen.variables)) == ("127.0.0.1:0", ["LLM_GATEWAY_LISTEN"])
    assert listen.source == config_pb2.SETTING_SOURCE_ENVIRONMENT
    assert found["breaker.window"].source == config_pb2.SETTING_SOURCE_DEFAULT
    assert found["breaker.window"].value == "10s"
    assert found["providers.echo.kind"].source == config_pb2.SETTING_SOURCE_INFERRED
    assert found["providers.edge.api_key"].value == "***"


def test_no_answer_holds_a_secret(running: Running) -> None:
    """Keys of providers and callers, headers, and the hashes of the administration's own keys stay out of all that a viewer and an operator see."""
    with running.admin("operator") as admin:
        said = [
            str(answer)
            for answer in (
                admin.get_effective_config(),
                admin.reload_config(),
                *admin.list_providers(),
                *admin.test_provider("edge"),
                *admin.list_routes(),
                admin.explain("smart"),
                admin.estimate_cost("smart", text="hi"),
            )
        ]
    hashes = [key["hash"].removeprefix("sha256:") for key in CONFIG["admin"]["keys"]]
    for secret in (*SECRETS.values(), *hashes, *map(key_of, ROLES)):
        assert secret not in "\n".join(said)
        if secret not in hashes:
            assert secret not in running.log.read_text()


def test_providers_and_routes_are_told_as_they_are_configured(running: Running) -> None:
    """With the lines where they stand."""
    with running.admin("viewer") as admin:
        echo, edge = admin.list_providers()
        assert (echo.name, echo.is_default, dict(echo.aliases)) == ("providers/echo", True, {"mirror": "echo"})
        assert (edge.kind, list(edge.models), list(edge.keys)) == ("openai_compatible", ["m"], ["key-1"])
        assert [address.uri for address in edge.addresses] == ["http://127.0.0.1:9/v1"]
        assert admin.get_provider("edge") == admin.get_provider("providers/edge") == edge
        plain, smart = admin.list_routes()
        assert [(one.provider, one.model) for one in smart.targets] == [("providers/edge", "m")]
        assert [(one.provider, one.model) for one in smart.fallbacks] == [("providers/echo", "echo")]
        assert admin.get_route("plain") == plain
        explained = admin.explain("smart")
        assert [[one.target for one in group.destinations] for group in explained.groups] == [["edge/m"], ["echo/echo"]]
        [edge_cost, echo_cost] = admin.estimate_cost("smart", input_tokens=100, output_tokens=10)
        assert not edge_cost.HasField("cost_nano_usd")
        assert (echo_cost.target, echo_cost.input_tokens, echo_cost.cost_nano_usd) == ("echo/echo", 100, 0)


def test_lists_come_page_by_page(running: Running) -> None:
    """A token leads to the next page; one of elsewhere, and a negative size, are refused by field."""
    with running.admin("viewer") as admin:
        first = admin._providers.ListProviders(
            provider_pb2.ListProvidersRequest(page_size=1), metadata=admin._metadata(())
        )
        assert [one.name for one in first.providers] == ["providers/echo"]
        request = provider_pb2.ListProvidersRequest(page_size=1, page_token=first.next_page_token)
        second = admin._providers.ListProviders(request, metadata=admin._metadata(()))
        assert [one.name for one in second.providers] == ["providers/edge"]
        assert not second.next_page_token
        wrong = provider_pb2.ListProvidersRequest(page_size=-1, page_token="bm9uc2Vuc2U=")
        with pytest.raises(grpc.RpcError) as caught:
            admin._providers.ListProviders(wrong, metadata=admin._metadata(()))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    bad = details(caught.value, error_details_pb2.BadRequest)
    assert [one.field for one in bad.field_violations] == ["page_size", "page_token"]


def details(error: grpc.RpcError, kind: type[Any]) -> Any:
    """One of the details of a failed call."""
    trailers: dict[str, Any] = dict(error.trailing_metadata())  # type: ignore[arg-type]  # pairs
    for packed in status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details:
        found = kind()
        if packed.Unpack(found):
            return found
    raise AssertionError(f"no {kind.__name__}")


@pytest.mark.parametrize(
    ("call", "error", "field", "said"),
    [
        (lambda admin: admin.get_provider("edgy"), NotFound, "", "did you mean providers/edge?"),
        (lambda admin: admin.get_route("nowhere/else"), InvalidArgument, "name", "Write routes/ followed by an id"),
        (lambda admin: admin.get_provider(""), InvalidArgument, "name", "Write providers/ followed by an id"),
        (lambda admin: admin.get_effective_config("serve"), InvalidArgument, "key", "did you mean server?"),
        (lambda admin: admin.explain("smart", ["wings"]), InvalidArgument, "needs", "Needs are tools"),
        (lambda admin: admin.explain("smart", input_tokens=-1), InvalidArgument, "input_tokens", "0 to 2000000"),
        (lambda admin: admin.explain("smart", input_tokens=1 << 30), InvalidArgument, "input_tokens", "0 to 2000000"),
        (lambda admin: admin.explain("nowhere"), NotFound, "", "Name a route, provider/model"),
        (lambda admin: admin.estimate_cost("smart"), InvalidArgument, "input", "input_tokens, or the text"),
        (
            lambda admin: admin.reload_config(),
            PermissionDenied,
            "",
            "needs the role operator; viewer has the role viewer",
        ),
    ],
)
def test_bad_input_says_what_would_be_right(
    running: Running, call: Callable[[AdminClient], object], error: type[Any], field: str, said: str
) -> None:
    """Its code, its field, and the way out."""
    with running.admin("viewer") as admin, pytest.raises(error) as caught:
        call(admin)
    assert said in str(caught.value)
    assert {one.field for one in caught.value.violations} == ({field} if field else set())


def test_a_wrong_file_is_refused_with_its_lines_and_a_right_one_taken(tmp_path: Path) -> None:
    """What was in force stays so; each try is told in an audit line, with who it was."""
    with started(tmp_path) as running, running.admin("operator") as admin, running.admin("viewer") as viewer:

        def in_force() -> tuple[str, list[config_pb2.Setting]]:
            effective = admin.get_effective_config("breaker")
            return effective.version, [*effective.settings]

        before = in_force()
        running.write(lambda settings: settings.update(breaker={"windo": "3s", "window": "often"}))
        with pytest.raises(FailedPrecondition) as caught:
            admin.reload_config()
        assert caught.value.reason == "CONFIG_INVALID"
        text = running.file.read_text().splitlines()
        for problem, said in zip(
            caught.value.preconditions, ("did you mean window?", "is not a duration"), strict=True
        ):
            file, _, line = problem.subject.rpartition(":")
            assert file == str(running.file)
            assert '"windo' in text[int(line) - 1]
            assert said in problem.description
        assert in_force() == before
        assert "did you mean window?" in admin.get_effective_config().refusal
        running.write(lambda settings: settings.update(breaker={"window": "3s"}))
        checked = admin.reload_config(validate_only=True)
        assert in_force() == before
        done = admin.reload_config()
        assert done.version == checked.version != done.previous_version == before[0]
        assert not admin.get_effective_config().refusal
        assert admin.get_effective_config("breaker.window").settings[0].value == "3s"
        with pytest.raises(PermissionDenied):
            viewer.reload_config()
        told = [(line["principal"], line["result"]) for line in running.wait_for("audit", 4)]
    assert told == [("operator", "CONFIG_INVALID"), ("operator", "OK"), ("operator", "OK"), ("viewer", "ROLE_REQUIRED")]


def test_keys_follow_a_reload_and_what_does_not_is_named(tmp_path: Path) -> None:
    """A key that was taken out opens nothing any more, a new one does; another address waits for a restart."""
    with started(tmp_path) as running, running.admin("operator") as admin, running.admin("newcomer") as newcomer:
        with pytest.raises(Unauthenticated):
            newcomer.list_routes()
        admin_section = {"listen": "127.0.0.1:1", "keys": [key_line("newcomer", "viewer")]}
        running.write(lambda settings: settings.update(admin=admin_section))
        assert list(admin.reload_config().restart_settings) == ["admin.listen"]
        assert newcomer.list_routes()
        with pytest.raises(Unauthenticated):
            admin.list_routes()


def test_client_certificates_have_roles(tmp_path: Path) -> None:
    """By their subject alternative names; with a key as well, the lesser role counts, and without either nobody is let in."""
    ours, theirs = trustme.CA(), trustme.CA()
    certificates.write_pair(ours, tmp_path / "server.pem", tmp_path / "server.key", "127.0.0.1")
    ours.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def certificate(authority: trustme.CA, name: str) -> TLS:
        files = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        certificates.write_pair(authority, *files, name)
        return TLS(ca_file=tmp_path / "ca.pem", cert_file=files[0], key_file=files[1])

    tls = {"cert_file": "server.pem", "key_file": "server.key", "client_ca_file": "ca.pem"}
    listed = [{"san": "ops.example.com", "role": "operator"}, {"san": "eye.example.com", "role": "viewer"}]
    admin_section = {"listen": "127.0.0.1:0", "client_certificates": "require", "certificates": listed, "tls": tls}
    with started(tmp_path, {**CONFIG, "admin": admin_section}) as running:
        assert AdminClient(running.address, tls=certificate(ours, "ops.example.com")).reload_config().version
        eye = certificate(ours, "eye.example.com")
        assert AdminClient(running.address, tls=eye).list_routes()
        with pytest.raises(PermissionDenied, match=r"eye\.example\.com has the role viewer"):
            AdminClient(running.address, tls=eye).reload_config()
        with pytest.raises(Unauthenticated, match=r"admin\.certificates"):
            AdminClient(running.address, tls=certificate(ours, "other.example.com")).list_routes()
        for stranger in (TLS(ca_file=tmp_path / "ca.pem"), certificate(theirs, "ops.example.com")):
            with pytest.raises(Unavailable):
                AdminClient(running.address, tls=stranger, timeout=120).list_routes()
        running.write(lambda settings: settings["admin"].update(keys=[key_line("admin", "admin")]))
        AdminClient(running.address, tls=certificate(ours, "ops.example.com")).reload_config()
        with pytest.raises(Unauthenticated, match="carries no authorization"):
            AdminClient(running.address, tls=eye).list_routes()
        both = AdminClient(running.address, tls=eye, api_key=key_of("admin"))
        assert both.list_routes()
        with pytest.raises(PermissionDenied, match=r"admin by eye\.example\.com has the role viewer"):
            both.reload_config()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_test_that_its_caller_gives_up_ends_at_the_provider(
    upstream: Upstream, tmp_path: Path, workers: int
) -> None:
    """And while a provider hangs, calls are served and others may administer."""
    upstream.script((scripted.HANG,), path="/v1/models")
    patient = {"connect": "100s"}  # so that nothing but the caller ends it
    providers = {"edge": gateways.provider(upstream.url, timeouts=patient), "echo": {}}
    config = {**CONFIG, "server": {"workers": workers}, "providers": providers}
    with started(tmp_path, config) as running:
        async with AsyncAdminClient(running.address, api_key=key_of("admin"), timeout=None) as admin:
            hanging = asyncio.create_task(admin.test_provider("edge"))
            await upstream.seen(requests=1)
            assert len(await admin.list_providers()) == 2
            with Client(running.serving) as client:
                assert (await asyncio.to_thread(client.chat, "hi", model="echo/echo")).text == "hi"
            assert not hanging.done()
            hanging.cancel()
            await upstream.idle(60)


async def test_what_a_provider_answers_to_a_test_is_a_result(upstream: Upstream, tmp_path: Path) -> None:
    """A key that is rejected, and a list without the configured model."""
    upstream.script(
        scripted.whole(401, b'{"error": {"message": "no"}}'),
        scripted.whole(200, b'{"data": [{"id": "other"}]}'),
        path="/v1/models",
    )
    config = {**CONFIG, "providers": {**CONFIG["providers"], "edge": gateways.provider(upstream.url, api_key="wrong")}}
    with started(tmp_path, config) as running:
        async with AsyncAdminClient(running.address, api_key=key_of("operator")) as admin:
            [refused] = await admin.test_provider("edge")
            [listed] = await admin.test_provider("edge")
    assert (refused.reason, refused.key_state) == ("PROVIDER_CREDENTIALS_REJECTED", provider_pb2.KEY_STATE_REJECTED)
    assert (listed.reason, listed.model_count, list(listed.missing_models)) == ("", 1, ["m"])


def test_a_port_that_is_taken_stops_the_start(running: Running, tmp_path: Path) -> None:
    """With the address; the serving port is not left behind."""
    taken = {**CONFIG, "admin": {**CONFIG["admin"], "listen": running.address}}
    with (
        pytest.raises(RuntimeError, match=f"administration cannot listen on {running.address}"),
        started(tmp_path, taken),
    ):
        pass


def test_nothing_of_it_is_imported_where_it_is_off(tmp_path: Path) -> None:
    """Neither by a gateway without the section, nor by the plain client; so start and memory are as before."""
    program = """
import asyncio, os, signal, sys
from llm_gateway.app import main
from llm_gateway.config import load
import llm_gateway.cli.serve, llmgateway
asyncio.run(main.run(load(sys.argv[1], {}), ready=lambda _: asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)))
print(sorted(name for name in sys.modules if name.startswith(("llm_gateway.admin", "llmgateway.admin"))))
"""
    path = tmp_path / "gateway.yaml"
    path.write_text("server: {listen: 127.0.0.1:0, lame_duck: 0s}\nproviders: {echo: {}}\n")
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        env=gateways.environment(),
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


def test_every_command_speaks_json(running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts; the key comes from a file here."""
    (tmp_path / "key").write_text(key_of("operator") + "\n")
    way = ["--json", "--address", running.address, "--admin-key-file", str(tmp_path / "key")]
    for command in (
        *("status", "providers list", "providers show echo", "providers test echo", "routes list", "routes show smart"),
        *("routes explain smart", "config show", "config reload --check"),
    ):
        assert main([*command.split(), *way]) == 0, capsys.readouterr().err
        assert json.loads(capsys.readouterr().out)


def test_a_command_says_what_is_missing(
    running: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key, and at a port that is no administration."""
    monkeypatch.delenv("LLM_GATEWAY_ADMIN_KEY", raising=False)
    assert main(["status", "--address", running.address]) == 1
    assert "set LLM_GATEWAY_ADMIN_KEY" in capsys.readouterr().err
    monkeypatch.setenv("LLM_GATEWAY_ADMIN_KEY", SECRETS["caller"])
    assert main(["status", "--address", running.serving]) == 1
    assert "has a port of its own, admin.listen" in capsys.readouterr().err


def test_roles_of_the_contract_are_those_of_the_configuration() -> None:
    """Neither has one that the other lacks."""
    assert [word(role) for role in role_pb2.Role.values() if role] == list(ROLES)
