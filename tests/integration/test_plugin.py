"""Plugins: the example package, installed and called, and packages that are not what they should be."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from llmgateway import Client

from tests.conftest import ProcessFactory
from tests.support.gateway import environment
from tests.support.upstream import Upstream, chat, chat_stream, stream, whole

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the example package is installed in."""
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source)  # setuptools builds beside what it builds
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    target = folder / "installed"
    subprocess.run(
        [*pip, "--no-deps", "--no-index", "--no-build-isolation", "--target", str(target), str(source)], check=True
    )
    return target


async def test_the_example_serves_through_both_of_its_kinds(
    gateway_process: ProcessFactory, upstream: Upstream, installed: Path
) -> None:
    """A row with a dialect of its own, and a wire format of its own: whole, streamed, listed."""
    providers = {
        "acme": {"endpoint": f"{upstream.url}/v1", "api_key": "sk-acme-key", "models": ["large"]},
        "house": {"kind": "acme_lines", "endpoint": upstream.url, "api_key": "house-key"},
    }
    gateway = gateway_process({"providers": providers}, {"PYTHONPATH": str(installed)})
    upstream.script(chat("hello"), chat_stream(3), path="/v1/chat/completions")
    lines = (b'{"say": "Hel"}\n', b'{"say": "lo"}\n', b'{"end": "done", "read": 1, "wrote": 2}\n')
    whole_answer = whole(200, b'{"say": "Hello", "end": "full", "read": 1, "wrote": 2}')
    upstream.script(stream(*lines, content_type="application/x-ndjson"), whole_answer, path="/complete")
    upstream.script(whole(200, b'["small", "big"]'), path="/models")

    def play() -> None:
        with Client(gateway.address) as client:
            assert client.chat("hi", model="acme/large", max_output_tokens=5, min_p=0.1).text == "hello"
            assert "".join(client.stream("hi", model="acme/large")) == "0 1 2 "
            answer = client.stream("hi", model="house/small")
            assert "".join(answer) == "Hello"
            assert answer.response.usage.output_tokens == 2
            reply = client.chat("hi", model="house/small")
            assert (reply.text, reply.response.candidates[0].provider_finish_reason) == ("Hello", "full")
            assert {model.model_id for model in client.list_models("house")} == {"small", "big"}

    await asyncio.to_thread(play)
    first = upstream.requests[0]
    assert first.headers["authorization"] == "Bearer sk-acme-key"
    assert first.json()["max_completion_tokens"] == 5
    assert "min_p" not in first.json()
    complete = next(request for request in upstream.requests if request.path == "/complete")
    assert complete.headers["api-key"] == "house-key"
    assert complete.json() == {"model": "small", "turns": [["user", "hi"]], "stream": True}


def check(folder: Path, config: str, *paths: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`llm-gateway config check` with these folders among Python's."""
    path = folder / "gateway.yaml"
    path.write_text(dedent(config))
    env = environment({"PYTHONPATH": ":".join(map(str, paths)), **variables})
    command = [sys.executable, "-m", "llm_gateway", "config", "check", "--config", str(path)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def package(folder: Path, name: str, kind: str, value: str, code: str) -> Path:
    """A package that adds `kind`, as an installer leaves it."""
    site = folder / name
    (site / f"{name}-1.0.dist-info").mkdir(parents=True)
    (site / f"{name}-1.0.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (site / f"{name}-1.0.dist-info" / "entry_points.txt").write_text(f"[llm_gateway.providers]\n{kind} = {value}\n")
    (site / f"{name}.py").write_text(dedent(code))
    return site


ROW = """
from llm_gateway.upstream.providers import Row, Spoken
ROW = Row(apis={"": Spoken(wire="WIRE", dialects="DIALECTS", dialect="DIALECT")}, lists=("",), base_url="http://127.0.0.1:9")
"""


def row(wire: str = "openai_chat", dialects: str = "openai_dialects", dialect: str = "GENERIC") -> str:
    return ROW.replace("DIALECTS", dialects).replace("DIALECT", dialect).replace("WIRE", wire)


def test_a_plugin_that_is_right_passes_the_check(tmp_path: Path) -> None:
    """The kind is known, by its own name or as another provider's kind."""
    site = package(tmp_path, "good", "good", "good:ROW", row())
    found = check(tmp_path, "providers: {good: {api_key: none}, other: {kind: good, api_key: none}}", site)
    assert found.returncode == 0, found.stderr
    assert "good, other" in found.stdout


@pytest.mark.parametrize(
    ("code", "value", "words"),
    [
        ("import nowhere_to_be_found", "bad:ROW", "ModuleNotFoundError"),
        ("X = 1", "bad:ROW", "AttributeError"),
        ("ROW = 'acme'", "bad:ROW", "is a str, not a Row"),
        ("raise RuntimeError('boom')", "bad:ROW", "RuntimeError: boom"),
        (row(wire="bad.lines"), "bad:ROW", "bad.lines cannot be imported"),
        (row(wire="json"), "bad:ROW", "lacks framing, render_request"),
        (row(dialect="NONE"), "bad:ROW", "openai_dialects has no dialect NONE"),
        (row() + "import dataclasses\nROW = dataclasses.replace(ROW, transport='xml.dom')", "bad:ROW", "has no client"),
    ],
)
def test_a_plugin_that_is_wrong_is_a_problem_of_the_configuration(
    tmp_path: Path, code: str, value: str, words: str
) -> None:
    """The package and the provider are named, on one line, without a traceback; nobody who does not use it hears of it."""
    site = package(tmp_path, "bad", "acme", value, code)
    found = check(tmp_path, "providers: {acme: {api_key: none}}", site)
    assert found.returncode == 2
    assert "providers.acme.kind" in found.stderr
    assert "bad" in found.stderr
    assert words in found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert check(tmp_path, "providers: {echo: {}}", site).returncode == 0


def test_a_plugin_names_the_variable_of_its_key(tmp_path: Path) -> None:
    """A row of a plugin says what the gateway's own say: the key may stand in the environment, and what is missing is told by its name."""
    code = row().replace("upstream.providers import Row", "plugin import Usual, Row")
    code += "import dataclasses\nROW = dataclasses.replace(ROW, usual=Usual(key=('ACME_API_KEY',)))"
    site = package(tmp_path, "good", "acme", "good:ROW", code)
    found = check(tmp_path, "providers: {acme: {}}", site)
    assert (found.returncode, "${ACME_API_KEY}" in found.stderr) == (2, True)
    assert check(tmp_path, "providers: {acme: {}}", site, ACME_API_KEY="key-of-the-test").returncode == 0


def test_a_kind_has_one_package(tmp_path: Path) -> None:
    """Two packages with one kind, and a package with a kind of the gateway's own, are told apart by nobody."""
    sites = [package(tmp_path, name, "acme", f"{name}:ROW", row()) for name in ("one", "two")]
    found = check(tmp_path, "providers: {acme: {api_key: none}}", *sites)
    assert (found.returncode, "one, two" in found.stderr) == (2, True)
    shadow = package(tmp_path, "shadow", "openai", "shadow:ROW", row())
    found = check(tmp_path, "providers: {echo: {}}", shadow)
    assert (found.returncode, "shadow" in found.stderr) == (2, True)


def test_a_kind_without_its_package_is_unknown(tmp_path: Path) -> None:
    """The message is the one for any unknown kind."""
    found = check(tmp_path, "providers: {house: {kind: acme_lines, api_key: none}}")
    assert found.returncode == 2
    assert "is no kind of provider" in found.stderr
