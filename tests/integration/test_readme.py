"""The README stays true: its commands run, its code runs, its configuration loads."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from llm_gateway import config

from tests.support import gateway as gateways

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


def test_every_command_of_the_readme_runs(gateway_process: Callable[..., gateways.Process]) -> None:
    """`make` lines are CI's own steps; `serve` is the gateway that the others call."""
    running = gateway_process({"providers": {"echo": {}}})
    seen = []
    for command in commands():
        program, *arguments = shlex.split(command.rstrip("&"))
        if program == "make":
            targets = (ROOT / "Makefile").read_text()
            assert all(f"\n{target}:" in targets for target in arguments)
            assert all(target in (ROOT / ".ci/run").read_text() for target in arguments)
            continue
        assert program == ".venv/bin/llm-gateway"
        if arguments != ["serve"]:
            result = subprocess.run(
                [sys.executable, "-m", "llm_gateway", *arguments],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                env=gateways.environment({"LLM_GATEWAY_ADDRESS": running.address}),
                stdin=subprocess.DEVNULL,
            )
            assert result.returncode == 0, result.stderr
            assert result.stdout.strip()
        seen.append(arguments[0])
    assert seen == ["serve", "chat", "models", "health"]


def test_the_python_of_the_readme_runs(gateway_process: Callable[..., gateways.Process]) -> None:
    """Against the embedded provider it repeats what was said."""
    running = gateway_process({"providers": {"echo": {}}})
    [code] = blocks("python")
    assert ADDRESS in code
    result = subprocess.run(
        [sys.executable, "-c", code.replace(ADDRESS, running.address)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "Say hello\nCount to three"


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
