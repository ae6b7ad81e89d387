"""Parsing, exit codes and start-up of the command line."""

import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from llm_gateway import __version__
from llm_gateway.cli import main

from tests.support import certificates


@pytest.mark.parametrize("command", [[], ["chat"], ["serve"], ["models"], ["health"], ["config"], ["config", "check"]])
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """And exits with 0."""
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert "usage: llm-gateway" in capsys.readouterr().out


def test_help_and_version_load_neither_grpc_nor_yaml() -> None:
    """They must come at once."""
    script = (
        "import sys\nfrom llm_gateway.cli import main\n"
        "try: main(['chat', '--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('grpc', 'yaml', 'llmgateway', 'opentelemetry') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_the_module_is_the_command() -> None:
    """``python -m llm_gateway``."""
    run = subprocess.run([sys.executable, "-m", "llm_gateway", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"llm-gateway {__version__}"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["speak"],
        ["config"],
        ["models", "--timeout", "soon"],
        ["models", "--timeout", "0"],
        ["chat", "--temperature", "warm", "hi"],
        ["serve", "--log-level", "loud"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """argparse's own code, with the usage on standard error."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: ")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["models", "--address", "gateway.example:443", "--api-key", "k-secret"], "--tls, or --insecure"),
        (["models", "--cert-file", "c.pem"], "key_file"),
        (["models", "--ca-file", "/nonexistent/ca.pem"], "/nonexistent/ca.pem"),
        (["chat", "--embedded", "--address", "127.0.0.1:1", "hi"], "--embedded"),
    ],
)
def test_settings_that_contradict_each_other_exit_with_2(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what would be right, in the words of the command line, without the key."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert text in error
    assert "k-secret" not in error
    assert error.count("\n") == 1


def test_a_configuration_that_is_right_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it listens, its providers, its routes."""
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "server: {listen: 127.0.0.1:7000}\nproviders: {e: {kind: echo}}\nroutes: {r: {targets: [{provider: e, model: echo}]}}\n"
    )
    assert main(["config", "check", "--config", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: ok; listens on 127.0.0.1:7000\nproviders: e\nroutes: r\n"


def test_a_certificate_that_ends_soon_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As is one that has ended; the configuration is valid all the same."""
    file = tmp_path / "gateway.yaml"
    file.write_text("server: {tls: {cert_file: c.pem, key_file: k.pem}}\nproviders: {e: {kind: echo}}\n")
    for days, told in ((-2, "has expired on "), (10, "expires on "), (100, "")):
        certificates.write_pair(trustme.CA(), tmp_path / "c.pem", tmp_path / "k.pem", days=days)
        assert main(["config", "check", "--config", str(file)]) == 0
        error = capsys.readouterr().err
        assert ("warning: server.tls.cert_file: the certificate " + told in error) == bool(told)
        assert error.count("\n") == bool(told)


def test_a_file_is_checked_for_any_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As CI does, which has no keys; without a file there is nothing to check."""
    monkeypatch.delenv("LLM_GATEWAY_CONFIG", raising=False)
    file = tmp_path / "gateway.yaml"
    file.write_text('providers: {openai: {api_key: "${NOT_SET_HERE}"}}\n')
    assert main(["config", "check", "--config", str(file)]) == 2
    assert "environment variable NOT_SET_HERE is not set" in capsys.readouterr().err
    assert main(["config", "check", "--no-env", "--config", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: ok; listens on 127.0.0.1:50051\nproviders: openai\n"
    file.write_text("server: {workers: 2}\n")
    assert main(["config", "check", "--no-env", "--config", str(file)]) == 0
    assert "providers: those of the environment\n" in capsys.readouterr().out
    assert main(["config", "check", "--no-env"]) == 2
    assert "give it with --config" in capsys.readouterr().err


def test_every_problem_of_a_configuration_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With file and line; exit code 2."""
    file = tmp_path / "gateway.yaml"
    file.write_text("server: {listn: x}\nproviders: {e: {kind: nothing}}\n")
    assert main(["config", "check", "--config", str(file)]) == 2
    error = capsys.readouterr().err
    assert f"{file}:1" in error
    assert f"{file}:2" in error


def test_serve_does_not_start_with_a_wrong_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Flags pass the same checks as the file: beyond loopback a key is needed."""
    file = tmp_path / "gateway.yaml"
    file.write_text("providers: {e: {kind: echo}}\n")
    assert main(["serve", "--config", str(file), "--listen", "0.0.0.0:0"]) == 2
    assert "api_keys" in capsys.readouterr().err


def test_config_check_tells_what_is_called_instead_of_an_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version too many is cut off, a path that is missing is only remarked; an address that is right needs no word."""
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "providers:\n"
        "  a: {kind: anthropic, endpoint: 'http://h/v1', api_key: k}\n"
        "  b: {kind: vllm, endpoint: 'http://h:8000'}\n"
        "  c: {kind: vllm, endpoint: 'http://h:8000/v1'}\n"
    )
    assert main(["config", "check", "--config", str(path)]) == 0
    out = capsys.readouterr().out
    assert "providers.a: http://h/v1 is called as http://h:" in out
    assert "providers.b: http://h:8000 has no path; an endpoint of kind vllm is mostly written with /v1" in out
    assert "providers.c" not in out
