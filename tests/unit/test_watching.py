"""When the watcher of files tells, and what a secret's file may hold."""

from collections.abc import Callable
from pathlib import Path

import pytest
from llm_gateway.app.watching import Files
from llm_gateway.config import ConfigError, File, Sources, fingerprint, load

EDGE = "edge: {kind: openai_compatible, endpoint: 'http://127.0.0.1:8000/v1', models: [m], %s}"


def watcher(sources: Sources) -> Files:
    return Files(sources)


def nothing() -> None:
    """No time passes, and nothing is written meanwhile."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("one")
    return path


def test_a_content_is_told_once_until_it_is_read(file: Path) -> None:
    """Not at all while it is what was read; the same bytes written again are no change, nor is another time."""
    sources = Sources()
    sources.read(str(file))
    one = watcher(sources)
    assert not one.changed(nothing)
    file.write_text("one")
    assert not one.changed(nothing)
    file.write_text("two")
    assert [one.changed(nothing) for _ in range(3)] == [True, False, False]
    file.write_text("six")  # of the same size
    assert [one.changed(nothing) for _ in range(3)] == [True, False, False]
    sources.begin()
    sources.read(str(file))
    assert not one.changed(nothing)
    file.write_text("two")
    assert one.changed(nothing)


def test_a_content_that_was_told_and_not_read_is_told_again_after_the_next_reading(file: Path) -> None:
    """It was there, then what had been before was read, now it is there again."""
    sources = Sources()
    sources.read(str(file))
    one = watcher(sources)
    file.write_text("two")
    assert one.changed(nothing)
    file.write_text("one")
    sources.begin()
    sources.read(str(file))
    file.write_text("two")
    assert one.changed(nothing)


def test_files_that_move_are_waited_for(file: Path) -> None:
    """Emptied, half written, whole: told when it stands still. Back at what was read: not told."""
    sources = Sources()
    sources.read(str(file))
    file.write_text("")
    writes = ["ha", "half", "whole"]

    def write() -> None:
        if writes:
            file.write_text(writes.pop(0))

    assert watcher(sources).changed(write)
    assert not writes
    writes += ["one"]
    assert not watcher(sources).changed(write)


def test_what_vanishes_and_what_was_missing_are_changes_and_a_pipe_is_none(tmp_path: Path, file: Path) -> None:
    """A file that could not be read is looked for; what gives its content once is never asked again."""
    sources = Sources()
    sources.read(str(file))
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError):
        sources.read(str(missing))
    sources.read("/dev/null")
    one = watcher(sources)
    assert not one.changed(nothing)
    missing.write_text("here")
    assert one.changed(nothing)
    file.unlink()
    assert [one.changed(nothing) for _ in range(2)] == [True, False]


def test_a_path_is_equal_to_itself_with_the_same_content_only(file: Path) -> None:
    """So that what was made of a file is made anew; to a plain text it is the path."""
    first = Sources().file(str(file))
    assert first == Sources().file(str(file)) == str(file)
    file.write_text("two")
    second = Sources().file(str(file))
    assert first != second
    assert {first: 1}.get(second) is None
    assert isinstance(second, File)
    assert second.holds(b"two")
    assert not first.holds(b"two")


# --- secrets in files


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("api_key: {file: key}", lambda edge: edge.api_key),
        ("api_keys: [{file: key}]", lambda edge: edge.keys[0].key),
        ("api_keys: [{name: a, key: {file: key}}]", lambda edge: edge.keys[0].key),
        ("api_key: none, headers: {x-key: {file: key}}", lambda edge: edge.headers["x-key"]),
        ("api_key: none, credentials: {oauth_token: {file: key}}", lambda edge: edge.credentials["oauth_token"]),
    ],
)
def test_wherever_a_secret_belongs_a_file_may_hold_it(
    tmp_path: Path, setting: str, found: Callable[..., object]
) -> None:
    """Without the line break at its end; messages name the file, and another content is another version."""
    path, key = tmp_path / "gateway.yaml", tmp_path / "key"
    path.write_text("server: {api_keys: [{file: key}]}\nproviders: {" + EDGE % setting + "}")
    key.write_text("key-of-a-file\n")
    config = load(str(path), {})
    secret = found(config.providers["edge"])
    assert secret.reveal() == config.server.api_keys[0].key.reveal() == "key-of-a-file"  # type: ignore[attr-defined]
    assert secret.source.startswith("key (providers.edge.")  # type: ignore[attr-defined]
    assert "key-of-a-file" not in repr(config)
    key.write_text("another")
    assert fingerprint(load(str(path), {})) != fingerprint(config)


@pytest.mark.parametrize(
    ("content", "setting", "problem"),
    [
        (b"", "{file: key}", "api_key.file: 'key': its content is empty; give the value or leave the key out"),
        (b"your-api-key", "{file: key}", "api_key.file: 'key': its content is a placeholder"),
        (b"one\ntwo", "{file: key}", "api_key.file: 'key': its content holds a character that a header cannot carry"),
        (b"\xff", "{file: key}", "api_key.file: 'key': its content is not UTF-8 text"),
        (b"${KEY}", "{file: key}", "api_key.file: 'key': its content names a variable; write the value itself"),
        (b"k" * 70_000, "{file: key}", "api_key.file: 'key': its content is larger than 64 KiB"),
        (
            b"k",
            "{file: other}",
            "api_key.file: 'other' is not a file; give a path from the configuration file's folder",
        ),
        (b"k", "{file: }", "api_key.file: is empty"),
        (b"k", "{file: [key]}", "api_key.file: must be a single value, not a list"),
        (
            b"k",
            "{env: KEY}",
            'api_key: is neither a secret nor the file of one; write {file: /path/to/it}, or "${NAME}"',
        ),
        (b"k", "{file: key, mode: x}", "api_key: is neither a secret nor the file of one"),
        (b"k", "[key]", "api_key: must be a single value, not a list"),
    ],
)
def test_a_secret_that_is_none_is_told_with_line_and_key(
    tmp_path: Path, content: bytes, setting: str, problem: str
) -> None:
    """One problem, what would be right, and nothing of the content."""
    path = tmp_path / "gateway.yaml"
    path.write_text("providers:\n  " + EDGE % f"api_key: {setting}")
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(str(path), {})
    [found] = caught.value.errors
    assert str(found).startswith(f"{path}:2: providers.edge.{problem}")


def test_a_secrets_file_is_needed_where_the_gateway_runs_only(tmp_path: Path) -> None:
    """As a variable is: not for `config check --no-env`, and not by a provider that is off."""
    path = tmp_path / "gateway.yaml"
    path.write_text("providers:\n  " + EDGE % "api_key: {file: /run/secrets/none}")
    load(str(path), {}, any_environment=True)
    path.write_text("providers:\n  echo: {}\n  " + EDGE % "enabled: false, api_key: {file: /run/secrets/none}")
    load(str(path), {})
