"""Row G13: nothing but TLS 1.2 and later leaves this machine or comes from elsewhere, unless the operator says so."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import trustme
from llm_gateway.config import ConfigError, load
from llmgateway import TLS, AsyncClient, GatewayError

from tests.faults.history import ask
from tests.faults.rig import OPTIONS, Rig, attempts, provider, row, until
from tests.support import certificates
from tests.support import gateway as gateways
from tests.support import upstream as scripted

KEY = "correct-horse-battery"
ECHO: dict[str, Any] = {"echo": {"default_model": "echo"}}
OPEN = (
    "0.0.0.0", "[::]", "192.0.2.1", "gateway.example", "localhost.example", "127.0.0.1.nip.io", "127.1", "2130706433", "0x7f.1", "*", "[::ffff:192.0.2.1]",
    "[fe80::1]", "localhost.", "169.254.1.1", "0",
)  # fmt: skip
"""Places to listen that are, or may be, more than this machine."""
OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
NEW = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@row("G13", star=True, most=0)
async def nothing_is_plain_that_was_not_meant_to_be(rig: Rig) -> float:
    """TLS below 1.2, weak ciphers, wrong client certificates, plaintext: taken by the gateway, or by it from a provider; starts and reloads that open it to others."""
    flaws = [*_starts(rig.folder), *await _commands(rig.folder), *await _reloads(rig)]
    flaws += await _towards_the_gateway(rig)
    flaws += await _towards_a_provider(rig)
    return rig.flaws(flaws)


# ---------------------------------------------------------------- who may start
def _starts(folder: Path) -> Iterator[str]:
    """Configurations that would be open without the operator's word, and some that are not."""
    cert, key = folder / "start.pem", folder / "start.key"
    certificates.write_pair(trustme.CA(), cert, key)
    tls = {"tls": {"cert_file": str(cert), "key_file": str(key)}}
    keys: dict[str, Any] = {"api_keys": [KEY]}
    insecure: dict[str, Any] = {"insecure": True}
    for host in OPEN:
        alone: dict[str, dict[str, Any]] = {"nothing": {}, "keys": keys, "insecure": insecure, "TLS": tls}
        for name, settings in alone.items():
            if _taken(folder, {"listen": f"{host}:1", **settings}, {}):
                yield f"it would listen on {host} with {name} alone"
    for host in ("0.0.0.0", "[::]", "192.0.2.1", "gateway.example"):
        for settings in ({**keys, **insecure}, {**keys, **tls}):
            if not _taken(folder, {"listen": f"{host}:1", **settings}, {}):
                yield f"it would not listen on {host} with {sorted(settings)}"
    for host in ("127.0.0.1", "127.9.9.9", "[::1]", "localhost"):
        if not _taken(folder, {"listen": f"{host}:1"}, {}):
            yield f"it would not listen on {host}"
    for env in (
        {"LLM_GATEWAY_LISTEN": "0.0.0.0:1"},
        {"LLM_GATEWAY_LISTEN": "0.0.0.0:1", "LLM_GATEWAY_INSECURE": "true"},
    ):
        if _taken(folder, {"listen": "127.0.0.1:1"}, env):
            yield f"it would start with {env}"


def _taken(folder: Path, server: dict[str, Any], env: dict[str, str]) -> bool:
    path = folder / "start.yaml"
    path.write_text(json.dumps({"server": server, "providers": ECHO}))
    try:
        load(str(path), env)
    except ConfigError:
        return False
    return True


async def _commands(folder: Path) -> list[str]:
    """The command itself: code 2, and a line that says what would be right."""
    path = folder / "serve.yaml"
    path.write_text(json.dumps({"server": {"listen": "127.0.0.1:0"}, "providers": ECHO}))
    flaws = []
    for arguments in (["--listen", "0.0.0.0:0"], ["--listen", "0.0.0.0:0", "--insecure"], ["--listen", "[::]:0"]):
        command = [sys.executable, "-m", "llm_gateway", "serve", "--config", str(path), *arguments]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=gateways.environment()
        ) as process:
            try:
                _, said = await asyncio.to_thread(process.communicate, timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                flaws.append(f"it serves with {arguments}")
                continue
        if process.returncode != 2 or b"server.api_keys" not in said:
            flaws.append(f"{arguments}: code {process.returncode}, {said[:100]!r}")
    return flaws


async def _reloads(rig: Rig) -> list[str]:
    """A gateway that others can reach, as far as it can tell, told to read files with which it could not have been started."""
    server: dict[str, Any] = {"listen": "LOCALHOST:0", "api_keys": [KEY], "insecure": True}
    flaws = []
    async with rig.process({"providers": ECHO, "server": server}) as gateway:
        path = gateway.log.with_name("gateway.yaml")
        files: dict[str, dict[str, Any]] = {
            "keys": {"api_keys": []},
            "address and keys": {"listen": "127.0.0.1:0", "api_keys": []},
        }
        for name, changed in files.items():
            path.write_text(json.dumps(gateways.configured({"providers": ECHO, "server": {**server, **changed}})))
            before = gateway.log.read_text().count("reloaded")
            gateway.process.send_signal(signal.SIGHUP)
            await until(lambda: gateway.log.read_text().count("reloaded") > before, 60)  # noqa: B023 - called at once
            async with AsyncClient(gateway.address, options=OPTIONS) as stranger:
                with suppress(GatewayError):
                    await stranger.chat("hi", timeout=30)
                    flaws.append(f"open to everyone after a reload without {name}")
    return flaws


# ---------------------------------------------------------------- callers
def _client(version: ssl.TLSVersion, ciphers: str = "ALL:eNULL:@SECLEVEL=0") -> ssl.SSLContext:
    """A client that takes anything, of one version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    context.set_alpn_protocols(["h2"])
    return context


def _handshake(port: int, context: ssl.SSLContext) -> str:
    """The version that both agree on; "" where they do not, or the server hangs up."""
    try:
        with socket.create_connection(("127.0.0.1", port), 30) as raw, context.wrap_socket(raw) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            return (
                str(connection.version()) if connection.recv(9) else ""
            )  # a client certificate is asked for later in 1.3
    except OSError:
        return ""


WEAK = ("eNULL", "aNULL", "EXPORT", "RC4", "3DES", "DES", "PSK", "SRP", "CAMELLIA", "SEED", "IDEA")


async def _towards_the_gateway(rig: Rig) -> list[str]:
    """What can be agreed on with a gateway that has a certificate, and with one that demands one."""
    ours, theirs = trustme.CA(), trustme.CA()
    folder = rig.folder
    pair = {"cert_file": str(folder / "server.pem"), "key_file": str(folder / "server.key")}
    certificates.write_pair(ours, Path(pair["cert_file"]), Path(pair["key_file"]), "localhost", "127.0.0.1")
    authority = folder / "authority.pem"
    ours.cert_pem.write_to_path(str(authority))
    flaws: list[str] = []
    async with rig.local({"providers": ECHO, "server": {"tls": pair}}) as running:
        port = running.gateway.port
        versions = {version: await asyncio.to_thread(_handshake, port, _client(version)) for version in (*OLD, *NEW)}
        flaws += [f"{version.name} is spoken" for version in OLD if versions[version]]
        flaws += [f"{version.name} is not spoken" for version in NEW if not versions[version]]
        for suite in WEAK:
            with suppress(ssl.SSLError):  # not in this OpenSSL
                context = _client(ssl.TLSVersion.TLSv1_2, f"{suite}:@SECLEVEL=0")
                spoken = await asyncio.to_thread(_handshake, port, context)
                flaws += [f"a cipher of {suite} is spoken"] if spoken else []
        with suppress(GatewayError):
            async with AsyncClient(running.address, options=OPTIONS) as plain:
                await plain.chat("hi", timeout=20)
                flaws.append("plaintext is spoken at a port with TLS")
        async with AsyncClient(running.address, tls=TLS(ca_file=authority), options=OPTIONS) as known:
            await known.chat("hi", timeout=60)
    async with rig.local({"providers": ECHO, "server": {"tls": {**pair, "client_ca_file": str(authority)}}}) as running:
        flaws += await _mutual(folder, running.address, ours, theirs, authority)
    return flaws


async def _mutual(folder: Path, address: str, ours: trustme.CA, theirs: trustme.CA, authority: Path) -> list[str]:
    """Which clients are let in."""
    flaws = []
    for name, (issuer, days, welcome) in {
        "ours": (ours, 365.0, True),
        "theirs": (theirs, 365.0, False),
        "expired": (ours, -1.0, False),
        "none": (None, 0.0, False),
    }.items():
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        if issuer is not None:
            certificates.write_pair(issuer, cert, key, "client.test", days=days)
        tls = TLS(ca_file=authority, **({"cert_file": cert, "key_file": key} if issuer is not None else {}))
        async with AsyncClient(address, tls=tls, options=OPTIONS) as client:
            try:
                await client.chat("hi", timeout=60 if welcome else 10)
                served = True
            except GatewayError:
                served = False
        if served != welcome:
            flaws.append(f"a client with a certificate of {name} is {'served' if served else 'not served'}")
    return flaws


# ---------------------------------------------------------------- providers
async def _towards_a_provider(rig: Rig) -> list[str]:
    """What a provider may speak; each of the old versions is one that this machine can speak, or nothing is shown."""
    ours = trustme.CA()
    roots = rig.folder / "roots.pem"
    ours.cert_pem.write_to_path(str(roots))
    flaws = []
    for version in (*OLD, *NEW):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        ours.issue_cert("127.0.0.1").configure_cert(context)
        async with scripted.running(context) as upstream:
            upstream.script(scripted.chat())
            if not await asyncio.to_thread(_speaks, upstream.port, version):
                rig.note(f"this machine's OpenSSL speaks no {version.name}")
                continue
            config = {"providers": {"p": provider(upstream, tls={"ca_file": str(roots)})}, "defaults": attempts(1)}
            async with rig.local(config) as running:
                seen = await ask(running.client, "p/m", stream=False)
            if seen.ok != (version in NEW):
                flaws.append(f"{version.name} with a provider: {seen.code}")
    return flaws


def _speaks(port: int, version: ssl.TLSVersion) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 30) as raw, _client(version).wrap_socket(raw):
            return True
    except OSError:
        return False
