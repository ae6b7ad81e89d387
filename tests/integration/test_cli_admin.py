"""The commands that change a running gateway, against one: what they say, and what they leave."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llm_gateway.cli import main

from tests.integration.test_administration import CONFIG, Running, key_of, started

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that keeps what is set at run time."""
    folder = tmp_path_factory.mktemp("kept")
    assert main(["master-key", "new", str(folder / "master.key")]) == 0
    with started(folder, {**CONFIG, "store": {"directory": "data", "master_key": {"file": "master.key"}}}) as running:
        yield running


@pytest.fixture
def say(kept: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Runs a command; gives its exit code and what it prints on both outputs. piped: its standard input."""

    def run(command: str, piped: str = "", role: str = "admin") -> tuple[int, str, str]:
        monkeypatch.setenv("LLM_GATEWAY_ADMIN_KEY", key_of(role))
        monkeypatch.setenv("LLM_GATEWAY_ADMIN", kept.address)
        monkeypatch.setattr("sys.stdin", io.StringIO(piped))
        code = main(command.split())
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


EDGE = "--kind openai_compatible --endpoint http://127.0.0.1:9/v1 --model m"
KEY = "run-time-secret-0123456789"


def added(say: Say, name: str) -> None:
    code, _, error = say(f"providers add {name} {EDGE} --api-key", KEY)
    assert (code, error) == (0, "")


def test_a_provider_lives_from_add_to_remove(say: Say, tmp_path: Path) -> None:
    """Shown in the form of the file, which may be edited and given back; switched off and on; made the default one."""
    added(say, "one")
    _, text, _ = say("providers show one --yaml")
    (tmp_path / "one.yaml").write_text(text + "timeouts: {connect: 2s}\n")
    assert say(f"providers update one --from {tmp_path / 'one.yaml'}")[:2] == (0, "changed providers/one\n")
    assert say("providers update one --set limits.concurrency=3 --unset models --dry-run")[1].endswith(
        "nothing is changed\n"
    )
    assert say("providers update one --set limits.concurrency=3")[0] == 0
    shown = say("providers show one")[1]
    assert "connect: 2s" in shown
    assert "concurrency: 3" in shown
    assert "from: run time; revision" in shown
    assert KEY not in shown
    for verb, state in (("disable", "off"), ("enable", "on"), ("default", "on, default")):
        assert say(f"providers {verb} one")[0] == 0
        assert f"state: {state}\n" in say("providers show one")[1]
    assert say("providers default echo")[0] == 0
    assert say("providers remove one")[:2] == (0, "removed providers/one with its keys (main)\n")


def test_a_provider_that_was_given_no_key_is_said_to_have_none(say: Say) -> None:
    """Also when one was piped to the command, which reads it for --api-key alone; a kind that needs one is refused."""
    added(say, "keyed")
    code, text, _ = say("providers add keyless --kind ollama --endpoint http://127.0.0.1:9", KEY)
    assert (code, "ollama at http://127.0.0.1:9, without a key; try it: " in text) == (0, True), text
    code, text, error = say("providers add keyless-2 --kind anthropic", KEY)
    assert (code, text) == (1, "")
    assert "--api-key: give it alone, which asks for the key or reads it from a pipe" in error
    for name in ("keyed", "keyless"):
        assert say(f"providers remove {name}")[0] == 0


def test_a_new_address_costs_the_keys(say: Say) -> None:
    """Unless they are given again; the command says so."""
    added(say, "two")
    code, text, _ = say("providers update two --endpoint http://127.0.0.1:10/v1 --api-key", KEY)
    assert (code, text) == (0, "changed providers/two\n")
    code, text, _ = say("providers update two --endpoint http://127.0.0.1:11/v1 --dry-run")
    assert "only checked" in text or code == 1
    assert say("providers remove two")[0] == 0


def test_keys_come_and_go(say: Say) -> None:
    """One beside another, one in the place of one, by names and fingerprints."""
    added(say, "three")
    assert say("keys add three spare", f"{KEY}-2")[1].startswith("added providers/three/keys/spare, ")
    code, _, error = say("keys rotate three", f"{KEY}-3")
    assert (code, error) == (2, "error: providers/three has several keys; name one of main, spare\n")
    code, text, _ = say("keys rotate three main --overlap 10m", f"{KEY}-4")
    assert "the old one is used until " in text
    rows = [line.split()[:2] for line in say("keys list three")[1].splitlines()[1:]]
    assert rows == [["three", "main"], ["three", "main.old"], ["three", "spare"]]
    assert "note: providers/three/keys/main.old is used until" in say("status")[1]
    for name in ("main.old", "spare"):
        assert say(f"keys remove three {name}")[0] == 0
    assert say("keys rotate three", f"{KEY}-5")[1].startswith("replaced providers/three/keys/main")
    assert say("providers remove three")[0] == 0


def test_a_route_and_the_way_back(say: Say) -> None:
    """A revision each; going back is one, too, and the audit tells all of them."""
    assert say("routes add way --target echo/echo --set retry.max_attempts=2")[0] == 0
    revision = json.loads(say("config revisions --limit 1 --json")[1])["revisions"][0]["number"]
    assert say("routes update way --fallback edge/m --strategy weighted")[0] == 0
    assert "edge/m" in say("routes show way")[1]
    assert say(f"config rollback {revision}")[0] == 0
    assert "edge/m" not in say("routes show way")[1]
    assert say("routes remove way")[0] == 0
    told = say("audit routes/way")[1]
    assert "fallbacks" in told
    assert "strategy" in told
    assert "RollbackConfig" in say("config revisions")[1]


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (f"providers add echo {EDGE}", 1, "providers/echo is there already"),
        ("providers add new --kind opnai", 1, "kind: "),
        ("providers add new --kind litellm --model m", 1, "kind: "),
        (f"providers add new {EDGE} --set default_model=", 2, "default_model: is empty"),
        ("providers add new --kind openai_compatible --endpoint http://user:secret@127.0.0.1/v1", 1, "endpoint: "),
        ("providers add new --kind openai_compatible --model m", 1, "endpoint"),
        ("providers add anthropic", 1, "--api-key"),
        ("providers add new --set timeout.connect=2s", 2, "--set: timeout.connect: is unknown; did you mean timeouts?"),
        ("providers add new --from nowhere.yaml", 2, "--from nowhere.yaml: No such file or directory"),
        ("providers show edgy", 1, "did you mean providers/edge?"),
        ("providers update edgy --set local=true", 1, "did you mean providers/edge?"),
        ("providers update echo --set local=true", 1, "gateway.yaml:"),
        ("providers update echo", 2, "nothing is to be changed"),
        ("providers remove echo", 1, "gateway.yaml:"),
        ("providers adopt edge", 1, "gateway.yaml:"),
        ("providers enable --etag x edge", 1, "look at it with `llm-gateway providers show edge`"),
        ("keys add edgy", 1, "did you mean providers/edge?"),
        ("keys rotate edge", 2, "add one: llm-gateway keys add edge"),
        ("keys remove edge main", 1, "There is no providers/edge/keys/main"),
        ("keys rotate edge --overlap soon", 2, "--overlap: 'soon' is not a duration"),
        ("routes add way --target edgy/m", 1, "did you mean edge?"),
        ("routes add smart --target echo/echo", 1, "routes/smart is there already"),
        ("routes update smart --strategy weighted", 1, "gateway.yaml:"),
        ("routes add way", 1, "targets"),
        ("config rollback 9999", 1, "revision: give 0 to "),
        ("audit providers/nothing", 0, ""),
    ],
)
def test_a_mistake_is_told_with_what_would_be_right(say: Say, command: str, code: int, said: str) -> None:
    """On one line that begins with error:, and nothing is changed."""
    before = say("config revisions --limit 1 --json")[1]
    found, _, error = say(command, KEY)
    assert (found, said in error) == (code, True), error
    assert code == 0 or error.startswith("error: ")
    assert KEY not in error
    assert say("config revisions --limit 1 --json")[1] == before


def test_an_entry_in_use_stays_and_its_users_are_named(say: Say) -> None:
    """Each route that needs it."""
    added(say, "used")
    for route in ("first", "second"):
        assert say(f"routes add {route} --target used/m")[0] == 0
    code, _, error = say("providers remove used")
    assert code == 1
    assert error.startswith(
        "error: providers/used is needed by routes/first, routes/second; change or remove them first\n"
    )
    assert "  routes/first: Names it at routes.first.targets[0].provider" in error
    for route in ("first", "second"):
        assert say(f"routes remove {route}")[0] == 0
    assert say("providers remove used")[0] == 0


def test_a_stale_look_is_told_with_who_changed_it(say: Say) -> None:
    """And what to do."""
    added(say, "busy")
    etag = json.loads(say("providers show busy --json")[1])["etag"]
    assert say("providers update busy --set local=true")[0] == 0
    code, _, error = say(f"providers update busy --set local=false --etag {etag}")
    assert code == 1
    assert "admin did at " in error
    assert "(UpdateProvider, revision " in error
    assert "run this again with its new --etag" in error
    assert say("providers remove busy")[0] == 0


@pytest.mark.parametrize(
    "command", [f"providers add x {EDGE}", "keys add edge", "routes add x --target echo/echo", "config rollback 0"]
)
def test_a_lesser_role_is_told_which_one_it_needs(say: Say, command: str) -> None:
    """And how to get a key with it."""
    code, _, error = say(command, KEY, role="operator")
    assert code == 1
    assert "needs the role admin; operator has the role operator; use a key with that role" in error


def test_every_command_speaks_json(say: Say) -> None:
    """That of the contract; none of it holds a key."""
    for command in (
        f"providers add json {EDGE} --api-key",
        "providers update json --set local=true",
        "providers disable json",
        "providers enable json",
        "keys add json spare",
        "keys list",
        "keys rotate json main --overlap 1m",
        "keys remove json spare",
        "routes add json --target json/m",
        "routes update json --fallback echo/echo",
        "routes remove json",
        "config revisions",
        "config rollback 0 --dry-run",
        "audit",
        "status",
        "providers remove json",
    ):
        code, text, error = say(f"{command} --json", f"{KEY}-{len(command)}")
        assert (code, error) == (0, ""), command
        assert isinstance(json.loads(text), dict)
        assert KEY not in text


def test_without_a_store_it_is_said_what_to_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what would change something, and by status."""
    settings: dict[str, Any] = CONFIG
    monkeypatch.setenv("LLM_GATEWAY_ADMIN_KEY", key_of("admin"))
    with started(tmp_path, settings) as running:
        for command in (f"providers add x {EDGE}", "providers disable echo", "routes add x --target echo/echo"):
            assert main([*command.split(), "--address", running.address]) == 1
            error = capsys.readouterr().err
            assert "store" in error
            assert "directory: data" in error
        assert main(["status", "--address", running.address]) == 0
        assert "add `store: {directory: data}`" in capsys.readouterr().out
        assert main(["keys", "list", "--address", running.address]) == 0


def test_status_says_which_file_was_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its line, until it is right again."""
    monkeypatch.setenv("LLM_GATEWAY_ADMIN_KEY", key_of("operator"))
    with started(tmp_path) as running:
        way = ["--address", running.address]
        for key, code in (("windo", 1), ("window", 0)):
            settings = json.loads(running.file.read_text())
            running.file.write_text(json.dumps({**settings, "breaker": {key: "3s"}}))
            assert main(["config", "reload", *way]) == code
            capsys.readouterr()
            assert main(["status", *way]) == 0
            assert ("breaker.windo: is unknown; did you mean window?" in capsys.readouterr().out) is (code == 1)
