"""The files of the configuration are looked at while the gateway serves: what changes in them is taken without a signal, what is wrong never."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import trustme
from llmgateway import TLS, AsyncClient, GatewayError
from llmgateway.v1 import health_pb2

from tests.faults.rig import until
from tests.support import certificates
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import Upstream
from tests.support.waiting import eventually

OFTEN = {"reload_interval": "50ms"}
ECHO: dict[str, Any] = {"server": OFTEN, "providers": {"echo": {"default_model": "echo"}}}
NO_RETRIES = [("grpc.enable_retries", 0)]


def replaced(path: Path, text: str | bytes) -> None:
    """The file holds something else from one moment to the next."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(text.encode() if isinstance(text, str) else text)
    beside.replace(path)


def written(config: Mapping[str, Any]) -> str:
    """A configuration as `gateways.process` writes it."""
    return json.dumps(gateways.configured(config))


def said(running: gateways.Process, event: str) -> list[dict[str, Any]]:
    """The lines of this event in the log."""
    whole = running.log.read_text().rpartition("\n")[0]
    return [line for line in map(json.loads, whole.splitlines()) if line["event"] == event]


async def told(running: gateways.Process, event: str, count: int = 1) -> dict[str, Any]:
    """The last of `count` lines of this event, once they are there."""
    assert await until(lambda: len(said(running, event)) >= count, 120), running.log.read_text()[-3000:]
    return said(running, event)[-1]


async def refused(running: gateways.Process, words: str) -> None:
    """The log tells of a refusal with these words. There may be others: who writes a file empties it first, and that may be seen."""

    def there() -> bool:
        return any(words in line["problem"] for line in said(running, "configuration not reloaded"))

    await eventually(there, words)


async def status(running: gateways.Process, **options: Any) -> health_pb2.HealthResponse:
    async with AsyncClient(running.address, **options) as client:
        return await client.get_status()


async def test_a_changed_file_is_taken_and_a_wrong_one_is_refused_once_until_it_is_right(
    gateway_process: Callable[..., gateways.Process], tmp_path: Path
) -> None:
    """Health says what is in force, and since when, and what was refused: with line and key. The refusal goes with the repair."""
    running = gateway_process(ECHO)
    file = tmp_path / "gateway.yaml"
    first = await status(running)
    assert first.config_time.seconds > 0
    assert not first.config_refusal
    replaced(file, written({**ECHO, "default_model": "echo/other"}))
    version = (await told(running, "configuration reloaded"))["version"]
    second = await status(running)
    assert second.config_version == version != first.config_version
    assert second.config_time.ToNanoseconds() > first.config_time.ToNanoseconds()

    replaced(file, "providers:\n  echo: {}\nserver: {reload_intervall: 1s}\n")
    problem = (await told(running, "configuration not reloaded"))["problem"]
    assert problem == f"{file}:3: server.reload_intervall: is unknown; did you mean reload_interval?"
    third = await status(running)
    assert (third.config_version, third.config_time) == (second.config_version, second.config_time)
    assert third.config_refusal == problem
    assert third.config_refusal_time.ToNanoseconds() > second.config_time.ToNanoseconds()
    await asyncio.sleep(1)  # some twenty looks
    assert len(said(running, "configuration not reloaded")) == 1

    replaced(file, written(ECHO))
    await told(running, "configuration reloaded", 2)
    fourth = await status(running)
    assert fourth.config_version == first.config_version
    assert not fourth.config_refusal
    assert not fourth.HasField("config_refusal_time")


async def test_the_command_prints_what_is_in_force_and_what_was_refused(
    gateway_process: Callable[..., gateways.Process], tmp_path: Path
) -> None:
    """`llm-gateway health`, a line for each problem."""
    running = gateway_process(ECHO)
    replaced(tmp_path / "gateway.yaml", "providers: {echo: {kin: a, mod: b}}")
    await told(running, "configuration not reloaded")
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "llm_gateway", "health", "--address", running.address),
        stdout=asyncio.subprocess.PIPE,
        env=gateways.environment(),
    )
    out = (await command.communicate())[0].decode()
    version = (await status(running)).config_version
    assert f"configuration {version}, since 20" in out
    assert "its files were changed, and refused at 20" in out
    assert "gateway.yaml:1: providers.echo.kin: is unknown; did you mean kind?" in out
    assert "providers.echo.mod" in out


async def test_an_empty_file_and_a_vanished_one_change_nothing_until_there_is_one_again(
    gateway_process: Callable[..., gateways.Process], tmp_path: Path
) -> None:
    """Who writes a file anew empties it first, and may take a while. Empty it would mean the environment's providers."""
    running = gateway_process(ECHO, {"OPENAI_API_KEY": "sk-made-up"})
    file = tmp_path / "gateway.yaml"
    before = (await status(running)).config_version
    file.write_text("# written by a template\n")
    await refused(running, f"{file}: is empty; write it again; to serve by the environment alone, start without it")
    file.unlink()
    await refused(running, "cannot be read: No such file")
    assert (await status(running)).config_version == before
    file.write_text(written({**ECHO, "default_model": "echo/other"}))
    await told(running, "configuration reloaded")
    assert (await status(running)).config_version != before


async def test_mounted_maps_and_secrets_of_kubernetes_are_followed(
    gateway_process: Callable[..., gateways.Process], upstream: Upstream, tmp_path: Path
) -> None:
    """File and secret are links through `..data`, which is what changes: no file is written, no link of a file's own."""
    upstream.script(scripted.chat())

    def mount(name: str, key: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "key").write_text(f"{key}\n")
        edge = gateways.provider(upstream.url, api_key={"file": "key"}, headers={"x-from": name})
        (folder / "gateway.yaml").write_text(written({"server": OFTEN, "providers": {"edge": edge}}))

    def point(name: str) -> None:
        (tmp_path / "..new").symlink_to(name)
        os.replace(tmp_path / "..new", tmp_path / "..data")

    mount("..one", "key-of-one")
    point("..one")
    (tmp_path / "gateway.yaml").symlink_to("..data/gateway.yaml")
    (tmp_path / "key").symlink_to("..data/key")
    edge = gateways.provider(upstream.url, api_key={"file": "key"}, headers={"x-from": "..one"})
    running = gateway_process({"server": OFTEN, "providers": {"edge": edge}})
    async with AsyncClient(running.address, options=NO_RETRIES) as client:
        await client.chat("hi", model="edge/m")
        mount("..two", "key-of-two")
        point("..two")
        await told(running, "configuration reloaded")
        await client.chat("hi", model="edge/m")
    sent = [(one.headers["authorization"], one.headers["x-from"]) for one in upstream.requests]
    assert sent == [("Bearer key-of-one", "..one"), ("Bearer key-of-two", "..two")]


async def test_a_key_is_rotated_under_load_without_a_failed_call(
    gateway_process: Callable[..., gateways.Process], upstream: Upstream, tmp_path: Path
) -> None:
    """The stream under way ends by the old key, new calls take the new one, and another provider keeps its connection."""
    release = asyncio.Event()
    held = (*scripted.stream(*scripted.numbered(1), end=False), scripted.Until(release), *scripted.chat_stream(2)[1:])
    taken = {"Bearer key-before", "Bearer key-after"}

    def answer(request: scripted.Request) -> scripted.Script:
        if request.headers.get("authorization") not in taken:
            return scripted.whole(401, b"{}")
        return held if request.json().get("stream") else scripted.chat()

    upstream.answer = answer
    key = tmp_path / "key"
    key.write_text("key-before")
    async with scripted.running() as other:
        other.script(scripted.chat())
        providers = {
            "edge": gateways.provider(upstream.url, api_key={"file": str(key)}),
            "other": gateways.provider(other.url),
        }
        running = gateway_process({"server": OFTEN, "providers": providers})
        over = asyncio.Event()
        failed: list[GatewayError] = []
        done = [0] * 4

        async def load(client: AsyncClient, number: int) -> None:
            while not over.is_set():
                try:
                    await client.chat("hi", model="edge/m")
                except GatewayError as error:
                    failed.append(error)
                done[number] += 1

        def latest(count: int) -> set[str]:
            return {one.headers["authorization"] for one in upstream.requests[-count:]}

        async def each_begun_and_done() -> None:
            before = list(done)
            await eventually(
                lambda: all(now > then + 1 for now, then in zip(done, before, strict=True)), "two calls each"
            )

        async with AsyncClient(running.address, options=NO_RETRIES) as client:
            await client.chat("hi", model="other/m")
            stream = aiter(client.stream("hi", model="edge/m"))
            assert await anext(stream) == "0 "
            callers = [asyncio.create_task(load(client, number)) for number in range(4)]
            await upstream.seen(requests=50)
            replaced(key, "key-after\n")
            assert await until(lambda: latest(20) == {"Bearer key-after"}, 120)
            await each_begun_and_done()  # none that began before is under way
            taken.remove("Bearer key-before")
            await upstream.seen(requests=len(upstream.requests) + 50)
            over.set()
            await asyncio.gather(*callers)
            assert not failed
            release.set()
            assert "".join([piece async for piece in stream]) == "0 1 "
            await client.chat("hi", model="other/m")
        assert other.connections == 1
        log = running.log.read_text()
        assert "key-before" not in log
        assert "key-after" not in log


async def test_each_of_several_workers_comes_to_the_same_configuration(
    gateway_process: Callable[..., gateways.Process], tmp_path: Path
) -> None:
    """Each looks for itself. One that is replaced while the file is wrong does not take the others with it, and serves once the file is right."""
    config = {**ECHO, "server": {**OFTEN, "workers": 2}}
    running = gateway_process(config)
    await told(running, "serving", 2)
    file = tmp_path / "gateway.yaml"
    replaced(file, written({**config, "default_model": "echo/other"}))
    await told(running, "configuration reloaded", 2)
    assert len({line["version"] for line in said(running, "configuration reloaded")}) == 1
    replaced(file, "{")
    await told(running, "configuration not reloaded", 2)
    first, second = psutil.Process(running.process.pid).children()
    first.kill()
    assert await until(lambda: "error: " in running.log.read_text(), 120)  # the replacement's end
    async with AsyncClient(running.address) as client:
        assert (await client.chat("on", model="echo/echo")).text == "on"
    assert second.is_running()
    running.log.write_text("")
    replaced(file, written(config))
    assert await until(lambda: '"event":"serving"' in running.log.read_text(), 120)
    assert running.process.poll() is None


async def test_zero_looks_on_a_signal_only_and_what_needs_a_restart_is_said_once(
    gateway_process: Callable[..., gateways.Process], tmp_path: Path
) -> None:
    """By LLM_GATEWAY_RELOAD_INTERVAL, which wins over the file."""
    running = gateway_process(ECHO, {"LLM_GATEWAY_RELOAD_INTERVAL": "0s"})
    file = tmp_path / "gateway.yaml"
    changed = {**ECHO, "server": {"workers": 3}, "telemetry": {"service_name": "other"}}
    replaced(file, written(changed))
    await asyncio.sleep(1)
    assert not said(running, "configuration reloaded")
    for count in (1, 2):
        running.process.send_signal(signal.SIGHUP)
        await told(running, "configuration reloaded", count)
        assert (await told(running, "settings need a restart"))["settings"] == [
            "server.workers",
            "telemetry.service_name",
        ]
    replaced(file, written({**changed, "server": {"lame_duck": "2s"}}))
    running.process.send_signal(signal.SIGHUP)
    last = await told(running, "settings need a restart", 2)
    assert last["settings"] == ["server.lame_duck", "telemetry.service_name"]
    assert len(said(running, "settings need a restart")) == 2


async def test_a_file_of_variables_is_watched_too(
    gateway_process: Callable[..., gateways.Process], upstream: Upstream, tmp_path: Path
) -> None:
    """What it gave is taken from it anew."""
    upstream.script(scripted.chat())
    variables = tmp_path / "variables"
    variables.write_text("EDGE_KEY=from-one\n")
    edge = gateways.provider(upstream.url, api_key="${EDGE_KEY}")
    running = gateway_process({"server": OFTEN, "providers": {"edge": edge}}, {"LLM_GATEWAY_ENV_FILE": str(variables)})
    replaced(variables, "EDGE_KEY=from-two\n")
    await told(running, "configuration reloaded")
    async with AsyncClient(running.address) as client:
        await client.chat("hi", model="edge/m")
    assert upstream.requests[-1].headers["authorization"] == "Bearer from-two"


# --- TLS


def presented(address: str) -> bytes:
    """The certificate that a new connection is shown, in DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 60) as raw, context.wrap_socket(raw) as connection:
        return connection.getpeercert(binary_form=True) or b""


def in_der(file: Path) -> bytes:
    """The first certificate of a file."""
    return ssl.PEM_cert_to_DER_cert(
        file.read_text().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----"
    )


def secured(folder: Path, authority: trustme.CA, **more: str) -> dict[str, Any]:
    """A gateway's settings with a certificate by this authority, whose own stands in authority.pem."""
    certificates.write_pair(authority, folder / "server.pem", folder / "server.key", "localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    return {**ECHO, "server": {**OFTEN, "tls": {"cert_file": "server.pem", "key_file": "server.key", **more}}}


async def test_a_renewed_certificate_is_shown_to_new_connections_and_open_ones_stay(
    gateway_process: Callable[..., gateways.Process], upstream: Upstream, tmp_path: Path
) -> None:
    """A hundred handshakes meanwhile: all succeed, each with the old one or the new. A stream ends on its connection."""
    release = asyncio.Event()
    upstream.script(
        (*scripted.stream(*scripted.numbered(1), end=False), scripted.Until(release), *scripted.chat_stream(2)[1:])
    )
    authority = trustme.CA()
    config = secured(tmp_path, authority)
    running = gateway_process({**config, "providers": {"edge": gateways.provider(upstream.url)}})
    cert, key = tmp_path / "server.pem", tmp_path / "server.key"
    old = in_der(cert)
    assert await asyncio.to_thread(presented, running.address) == old
    trusted = TLS(ca_file=tmp_path / "authority.pem")
    async with AsyncClient(running.address, tls=trusted, options=NO_RETRIES) as client:
        stream = aiter(client.stream("hi", model="edge/m"))
        assert await anext(stream) == "0 "
        version = (await client.get_status()).config_version
        certificates.write_pair(authority, tmp_path / "new.pem", tmp_path / "new.key", "localhost", "127.0.0.1", days=9)
        new = in_der(tmp_path / "new.pem")
        (tmp_path / "new.key").replace(key)
        (tmp_path / "new.pem").replace(cert)
        shown = [await asyncio.to_thread(presented, running.address) for _ in range(100)]
        assert "ends" in await told(running, "certificate taken")
        assert await asyncio.to_thread(presented, running.address) == new
        assert set(shown) <= {old, new}
        assert (await client.get_status()).config_version != version
        release.set()
        assert "".join([piece async for piece in stream]) == "0 1 "
    async with AsyncClient(running.address, tls=trusted, options=NO_RETRIES) as client:
        await client.get_status()


async def test_a_wrong_certificate_is_refused_and_the_old_one_stays(
    gateway_process: Callable[..., gateways.Process], tmp_path: Path
) -> None:
    """The key of another certificate, half a file, none: each said once with the field, handshakes go on by what was right."""
    authority = trustme.CA()
    running = gateway_process(secured(tmp_path, authority))
    cert, key = tmp_path / "server.pem", tmp_path / "server.key"
    old = in_der(cert)
    trusted = TLS(ca_file=tmp_path / "authority.pem")
    certificates.write_pair(authority, tmp_path / "new.pem", tmp_path / "new.key", "localhost", "127.0.0.1")
    wrong = [
        ((tmp_path / "new.pem").read_bytes(), "is not the key of the certificate in cert_file"),
        (cert.read_bytes()[:600], "holds no certificate in PEM"),
        (None, "is not a file"),
    ]
    for count, (content, problem) in enumerate(wrong, 1):
        if content is None:
            cert.unlink()
        else:
            replaced(cert, content)
        assert problem in (await told(running, "configuration not reloaded", count))["problem"]
        assert problem in (await status(running, tls=trusted)).config_refusal
        assert await asyncio.to_thread(presented, running.address) == old
    (tmp_path / "new.key").replace(key)
    (tmp_path / "new.pem").replace(cert)
    await told(running, "certificate taken")
    assert await asyncio.to_thread(presented, running.address) != old
    assert not (await status(running, tls=trusted)).config_refusal


async def test_other_authorities_of_clients_let_in_whom_they_signed(
    gateway_process: Callable[..., gateways.Process], tmp_path: Path
) -> None:
    """Clients of the authority that is gone are refused, those of the new one served. That none is demanded any more needs a restart."""
    ours, theirs = trustme.CA(), trustme.CA()
    config = secured(tmp_path, ours, client_ca_file="clients.pem")
    clients = tmp_path / "clients.pem"
    ours.cert_pem.write_to_path(str(clients))
    running = gateway_process(config)

    async def is_served(authority: trustme.CA | None) -> bool:
        pair: dict[str, Any] = {}
        if authority is not None:
            pair = {"cert_file": tmp_path / "client.pem", "key_file": tmp_path / "client.key"}
            certificates.write_pair(authority, pair["cert_file"], pair["key_file"], "client.test")
        try:
            await status(running, tls=TLS(ca_file=tmp_path / "authority.pem", **pair), options=NO_RETRIES, timeout=60)
        except GatewayError:
            return False
        return True

    assert [await is_served(one) for one in (ours, theirs, None)] == [True, False, False]
    replaced(clients, theirs.cert_pem.bytes())
    await told(running, "certificate taken")
    assert [await is_served(one) for one in (ours, theirs, None)] == [False, True, False]
    del config["server"]["tls"]["client_ca_file"]
    replaced(tmp_path / "gateway.yaml", written(config))
    assert (await told(running, "settings need a restart"))["settings"] == ["server.tls"]
    assert [await is_served(one) for one in (ours, theirs, None)] == [False, True, False]


async def test_the_administrations_certificate_is_renewed_as_well(
    gateway_process: Callable[..., gateways.Process], tmp_path: Path
) -> None:
    """It has a port of its own. That its clients must show one needs a restart there too."""
    authority = trustme.CA()
    pair = secured(tmp_path, authority)["server"]["tls"]
    keys = [{"name": "one", "role": "viewer", "hash": f"sha256:{'0' * 64}"}]
    config = {**ECHO, "admin": {"listen": "127.0.0.1:0", "tls": pair, "keys": keys}}
    running = gateway_process(config)
    address = f"127.0.0.1:{(await told(running, 'administration'))['port']}"
    cert, key = tmp_path / "server.pem", tmp_path / "server.key"
    assert await asyncio.to_thread(presented, address) == in_der(cert)
    certificates.write_pair(authority, tmp_path / "new.pem", tmp_path / "new.key", "localhost", "127.0.0.1")
    (tmp_path / "new.key").replace(key)
    (tmp_path / "new.pem").replace(cert)
    assert (await told(running, "certificate taken"))["file"] == str(cert)
    assert await asyncio.to_thread(presented, address) == in_der(cert)
    demanding = {"tls": {**pair, "client_ca_file": "authority.pem"}, "client_certificates": "require"}
    admin = {**config["admin"], **demanding}
    replaced(tmp_path / "gateway.yaml", written({**config, "admin": admin}))
    assert (await told(running, "settings need a restart"))["settings"] == ["admin.client_certificates", "admin.tls"]


async def test_files_of_tls_towards_a_provider_are_taken_too(
    gateway_process: Callable[..., gateways.Process], tmp_path: Path
) -> None:
    """The authority that is trusted instead of the system's, by the same path."""
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "trusted.pem"
    other.cert_pem.write_to_path(str(trusted))
    async with scripted.running(context) as upstream:
        upstream.script(scripted.chat())
        edge = gateways.provider(upstream.url, tls={"ca_file": "trusted.pem"})
        running = gateway_process({"server": OFTEN, "providers": {"edge": edge}})
        async with AsyncClient(running.address, options=NO_RETRIES) as client:
            try:
                await client.chat("hi", model="edge/m")
                raise AssertionError("a certificate of another authority was trusted")
            except GatewayError:
                pass
            replaced(trusted, authority.cert_pem.bytes())
            await told(running, "configuration reloaded")
            assert (await client.chat("hi", model="edge/m")).text == "hello"
