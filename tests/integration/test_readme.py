"""The README stays true: its commands run, its code runs, its configuration loads."""

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from llm_gateway import config

from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.addresses import free_address
from tests.support.upstream import Upstream, whole

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
ADDRESS = "127.0.0.1:50051"


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The shell lines, without their comments."""
    lines = [line.partition("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line]


def test_make_lines_of_the_readme_are_steps_of_ci() -> None:
    """So that they cannot break unseen."""
    made = [shlex.split(command)[1:] for command in commands() if command.startswith("make ")]
    assert made == [["demo"], ["test"]]
    for targets in made:
        assert all(f"\n{target}:" in (ROOT / "Makefile").read_text() for target in targets)
        assert all(target in (ROOT / ".ci/run").read_text() for target in targets)


@pytest.mark.parametrize("key", [False, True])
async def test_the_quick_start_runs_as_it_is_written(upstream: Upstream, tmp_path: Path, key: bool) -> None:
    """Pasted into a shell at once, `serve &` included, then the Python: without a key on the embedded provider, and with one vendor's."""
    address = free_address()
    [code] = blocks("python")
    assert ADDRESS in code
    shell = [command for command in commands() if not command.startswith("make ")]
    program = shlex.join(gateways.ALONE)
    assert [shlex.split(command)[:2] for command in shell] == [
        [".venv/bin/llm-gateway", name] for name in ("serve", "chat", "models", "health")
    ]
    (tmp_path / "start.py").write_text(code.replace(ADDRESS, address))
    script = "\n".join(
        [
            "set -e",
            "trap 'kill %1; wait %1' EXIT",
            *(command.replace(".venv/bin/llm-gateway", program) for command in shell),
            f"{shlex.quote(sys.executable)} start.py",
        ]
    )
    env = gateways.environment({"LLM_GATEWAY_ADDRESS": address, "LLM_GATEWAY_LISTEN": address})
    if key:
        env |= {"MISTRAL_API_KEY": "k", "MISTRAL_BASE_URL": upstream.url}
        said = scripted.chat("hello")
        upstream.script(scripted.chat_stream(), said, scripted.chat_stream(), path="/v1/chat/completions")
        upstream.script(whole(200, {"data": [{"id": "mistral-medium-latest", "object": "model"}]}), path="/v1/models")
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=tmp_path,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()
    lines = out.decode().splitlines()
    served = "mistral/mistral-medium-latest" if key else "echo/echo"
    told = [line for line in err.decode().splitlines() if line.startswith(f"{served}, 1 attempt | ")]
    assert len(told) == 1, err.decode()
    assert lines[0] == ("0 1 2 " if key else "Say hello")
    assert any(line.startswith(served) for line in lines)
    assert any(line.startswith(("SERVING | ", "DEGRADED | ", "UNKNOWN | ")) for line in lines)
    assert lines[-2:] == (["hello", "0 1 2 "] if key else ["Say hello", "Count to three"])


def test_the_configuration_of_the_readme_loads(tmp_path: Path) -> None:
    """And routes as it says."""
    [text] = blocks("yaml")
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    settings = config.load(str(path), {})
    assert [target.provider for target in settings.routes["smart"].fallbacks] == ["edge"]


def test_the_links_of_the_readme_lead_somewhere() -> None:
    """Relative ones; there are no others."""
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
