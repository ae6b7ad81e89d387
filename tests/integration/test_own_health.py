"""`llm-gateway health --self`, the health check of the image: it knows the gateway by its configuration alone."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support import gateway as gateways

Factory = Callable[..., Awaitable[gateways.Local]]
ECHO: dict[str, Any] = {"providers": {"echo": {}}}


async def checked(env: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and output, with nothing but these variables."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llm_gateway", "health", "--self"),
        env=gateways.environment(env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode().strip()


def configuration(folder: Path, port: int, **server: Any) -> str:
    """The file of a container: it listens everywhere."""
    path = folder / "container.yaml"
    path.write_text(json.dumps({**ECHO, "server": {"listen": f"0.0.0.0:{port}", **server}}))
    return str(path)


async def test_another_port_and_keys_need_nothing_but_the_configuration(
    gateway_factory: Factory, tmp_path: Path
) -> None:
    """Keys are for callers; the port is in the file, or in LLM_GATEWAY_LISTEN."""
    server = {"api_keys": ["a-key-of-a-caller"], "insecure": True}
    running = await gateway_factory({**ECHO, "server": server})
    port = running.gateway.port
    told = (0, f"SERVING at 127.0.0.1:{port}")
    assert await checked({"LLM_GATEWAY_CONFIG": configuration(tmp_path, port, **server)}) == told
    assert await checked({"LLM_GATEWAY_LISTEN": f"127.0.0.1:{port}"}) == told


@pytest.mark.parametrize("own_authority", [True, False])
async def test_tls_is_trusted_by_the_configured_certificate(
    gateway_factory: Factory, tmp_path: Path, own_authority: bool
) -> None:
    """For a name that is not this machine's; with client certificates demanded, it says that more cannot be asked."""
    authority = trustme.CA()
    files = {name: str(tmp_path / name) for name in ("cert_file", "key_file", "client_ca_file")}
    identity = authority.issue_cert("llm.example.com")
    identity.cert_chain_pems[0].write_to_path(files["cert_file"])
    identity.private_key_pem.write_to_path(files["key_file"])
    trustme.CA().cert_pem.write_to_path(files["client_ca_file"])
    tls = {name: files[name] for name in ("cert_file", "key_file", *(() if own_authority else ("client_ca_file",)))}
    server = {"tls": tls, "api_keys": ["a-key-of-a-caller"]}
    running = await gateway_factory({**ECHO, "server": server})
    port = running.gateway.port
    code, out = await checked({"LLM_GATEWAY_CONFIG": configuration(tmp_path, port, **server)})
    assert code == 0
    assert out.startswith("SERVING at 127.0.0.1:" if own_authority else "listens at 127.0.0.1:")


async def test_a_unix_socket_is_asked_too(gateway_factory: Factory, tmp_path: Path) -> None:
    """The address as it is configured."""
    await gateway_factory({**ECHO, "server": {"listen": f"unix:{tmp_path}/s"}})
    assert await checked({"LLM_GATEWAY_LISTEN": f"unix:{tmp_path}/s"}) == (0, f"SERVING at unix:{tmp_path}/s")


@pytest.mark.parametrize(
    "wrong", ['{"server": {"listen": "0.0.0.0:%d", "a": 1}}', "server:\n  listen: '0.0.0.0:%d' # {\n  - x", ""]
)
async def test_a_gateway_whose_files_were_made_wrong_is_not_called_dead(
    gateway_factory: Factory, tmp_path: Path, unanswered_port: int, wrong: str
) -> None:
    """It serves by what they held before, so that to end it would be the outage. Where nothing listens the check fails as ever."""
    running = await gateway_factory(ECHO)
    path = tmp_path / "container.yaml"
    for port, code, told in ((running.gateway.port, 0, "listens at"), (unanswered_port, 1, "no answer at")):
        if wrong:
            path.write_text(wrong % port)
        env = {"LLM_GATEWAY_CONFIG": str(path)} | ({} if wrong else {"LLM_GATEWAY_LISTEN": f"127.0.0.1:{port}"})
        found, out = await checked(env)
        assert found == code
        assert f"{told} 127.0.0.1:{port}" in out
        assert "the configuration is wrong: " in out


async def test_what_does_not_answer_is_unhealthy(unanswered_port: int) -> None:
    """Exit code 1, and the address that was tried."""
    code, out = await checked({"LLM_GATEWAY_LISTEN": f"127.0.0.1:{unanswered_port}"})
    assert code == 1
    assert out.startswith(f"no answer at 127.0.0.1:{unanswered_port}: UNAVAILABLE")


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["/app/bin/python", "/app/bin/llm-gateway", "serve", "--config", "/etc/g.yaml"], {"--config": "/etc/g.yaml"}),
        (["/sbin/docker-init", "--", "llm-gateway", "serve", "--listen=0.0.0.0:9"], {"--listen": "0.0.0.0:9"}),
        (["/bin/sh"], {}),
    ],
)
def test_the_flags_of_the_container_s_first_process_are_read(
    tmp_path: Path, words: list[str], flags: dict[str, str]
) -> None:
    """A health check is given the container's environment, and not what `serve` was given."""
    from llm_gateway.cli import own_health

    path = tmp_path / "cmdline"
    path.write_text("".join(f"{word}\0" for word in words))
    assert own_health._flags(str(path)) == flags
