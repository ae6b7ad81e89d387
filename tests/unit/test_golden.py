"""Golden cases are read as they are written: JSON's values, each file's base, no name twice, no field that nothing looks at."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.golden import runner
from tests.support import dialects
from tests.support.answers import FORMATS

GIVEN = {
    "request": {"model", "stream", "settings", "wire", "path", "headers", "warnings", "violations"},
    "response_body": {"response", "raises"},
    "stream": {"response", "raises"},
    "events": {"response", "raises"},
    "error_body": {"status", "headers", "reason", "code", "retry_after", "request_id"},
    "models_body": {"models"},
}
"""What a case goes in with, and the fields beside it."""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of golden cases that is empty yet; its name is of no other test."""
    monkeypatch.setattr(runner, "HERE", tmp_path)
    (tmp_path / tmp_path.name).mkdir()
    return tmp_path.name


def write(module: str, text: str, file: str = "requests") -> None:
    (runner.HERE / module / f"{file}.yaml").write_text(text)


def test_a_case_is_laid_over_the_base_of_its_file(module: str) -> None:
    """Objects key by key at every depth; lists, and objects in place of something else, as the case has them."""
    write(
        module,
        "base: {model: m, request: {a: {b: 1, c: [1, 2]}}}\none: {}\ntwo: {request: {a: {c: [3]}, d: null}, model: {e: 1}}\n",
    )
    assert runner.every(module) == {
        "one": {"model": "m", "request": {"a": {"b": 1, "c": [1, 2]}}},
        "two": {"model": {"e": 1}, "request": {"a": {"b": 1, "c": [3]}, "d": None}},
    }


def test_values_are_those_of_json(module: str) -> None:
    """What looks like a value in YAML only is text; numbers keep their kind."""
    write(module, "one: {all: [no, 12:30, 2026-01-01, 1_000, 0o7, ~, null, true, 1, 1.0, 1e5, -0.5E-1]}\n")
    found = runner.every(module)["one"]["all"]
    assert found == ["no", "12:30", "2026-01-01", "1_000", "0o7", "~", None, True, 1, 1.0, 1e5, -0.05]
    assert [type(value) for value in found[8:]] == [int, float, float, float]


def test_a_stream_is_the_text_that_is_written(module: str) -> None:
    """With the blank line that ends it, and with other line ends where the case names them."""
    write(module, 'one:\n  stream: |+\n    data: "\\n"\n\n  newline: "\\r\\n"\ntwo:\n  stream: |\n    {}\n')
    assert runner.every(module) == {"one": {"stream": 'data: "\\n"\r\n\r\n'}, "two": {"stream": "{}\n"}}


def test_a_name_or_key_that_stands_twice_is_refused(module: str) -> None:
    """Else the first of two cases would never be played."""
    write(module, "one: {a: 1}\none: {a: 2}\n")
    with pytest.raises(yaml.MarkedYAMLError, match="stands twice"):
        runner.every(module)
    write(module, "one: {a: 1}\n")
    write(module, "one: {a: 1}\n", "answers")
    with pytest.raises(AssertionError, match="a name of another file"):
        runner.every(module)


def test_every_file_holds_cases_of_a_wire_format() -> None:
    """No file is passed over."""
    files = {path.relative_to(runner.HERE) for path in runner.HERE.glob("*/*") if "__pycache__" not in path.parts}
    assert {(path.parent.name in FORMATS, path.suffix) for path in files} == {(True, ".yaml")}


@pytest.mark.parametrize("format_", FORMATS)
def test_every_field_of_a_case_is_looked_at(format_: str) -> None:
    """What is spelt in another way would be compared with nothing."""
    for name, case in runner.every(format_).items():
        given = "request" if "request" in case else next(key for key in GIVEN if key in case)
        assert case.keys() - {"about", "dialect", "provider", "kind", given} <= GIVEN[given], name
        assert case["about"], name
        assert {"wire", "violations", "response", "raises", "reason", "models"} & case.keys(), name


@pytest.mark.parametrize(("format_", "of"), [("openai_chat", dialects.CHAT), ("openai_responses", dialects.RESPONSES)])
def test_every_dialect_has_a_golden_request(format_: str, of: SimpleNamespace) -> None:
    """A provider is a file and a case: who adds one shows what becomes of a request there."""
    played = {case.get("dialect", FORMATS[format_][2]) for case in runner.every(format_).values() if "wire" in case}
    assert vars(of).keys() - played == set()
