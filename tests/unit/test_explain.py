"""Why a request goes where it goes, told without a call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from llm_gateway import cli
from llm_gateway.errors import InvalidRequest
from llm_gateway.routing.explain import NEEDS, request_for
from llm_gateway.routing.needs import needs_of

CONFIG = """
providers:
  a: {kind: openai_compatible, endpoint: "http://127.0.0.1:9/v1", api_key: none, models: [m, n],
      model_info: {m: {capabilities: {tools: false}, input_token_limit: 100}}}
  b: {kind: openai_compatible, endpoint: "http://127.0.0.1:9/v1", api_keys: [{key: one, name: x}, {key: two, name: y}], models: [m]}
routes:
  r: {targets: [{provider: a, model: m, weight: 3}, {provider: b, model: m}], fallbacks: [a/n], strategy: round_robin}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG)
    return str(path)


def explained(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, object]:
    assert cli.main(["explain", "--json", *args]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_route_shows_its_targets_shares_and_fallbacks_in_order(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One destination for each key of a target."""
    found = explained(capsys, "--config", config, "--model", "r")
    assert found["strategy"] == "round_robin"
    assert found["groups"] == [
        [
            {"target": "a/m", "deployment": "", "share": 0.6, "unavailable": ""},
            {"target": "b/m", "deployment": "x", "share": 0.2, "unavailable": ""},
            {"target": "b/m", "deployment": "y", "share": 0.2, "unavailable": ""},
        ],
        [{"target": "a/n", "deployment": "", "share": 1.0, "unavailable": ""}],
    ]


def test_what_is_left_out_stands_there_with_its_reasons(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The reasons of RouteInfo and of the span."""
    found = explained(capsys, "--config", config, "--model", "r", "--needs", "tools", "--input-tokens", "200")
    assert found["excluded"] == [["a/m", ["LACKS_TOOLS", "CONTEXT_TOO_SMALL"]]]
    assert cli.main(["explain", "--config", config, "--model", "r", "--needs", "tools"]) == 0
    assert "LACKS_TOOLS" in capsys.readouterr().out


def test_when_nothing_can_serve_the_reasons_are_told_all_the_same(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1."""
    assert cli.main(["explain", "--config", config, "--model", "r", "--needs", "local"]) == 1
    shown = capsys.readouterr().out
    assert shown.count("NOT_LOCAL") == 3


def test_an_unknown_model_or_need_is_wrong_usage(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line."""
    assert cli.main(["explain", "--config", config, "--model", "nothing"]) == 2
    assert cli.main(["explain", "--config", config, "--model", "r", "--needs", "wings"]) == 2
    assert "Needs are tools" in capsys.readouterr().err


@pytest.mark.parametrize("need", sorted(set(NEEDS) - {"streaming", "local"}))
def test_every_need_can_be_asked_for(need: str) -> None:
    """A request that has the need, and no other but those that come with it."""
    implied = needs_of(request_for("m", [need])).implied
    assert need in implied
    assert implied <= {need, "tools"}


def test_a_need_that_is_none_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(InvalidRequest, match="parallel_tools"):
        request_for("m", ["wings"])


def test_an_experiment_shows_all_its_arms_with_their_shares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A call gets one of them; who has two keys is there twice."""
    path = tmp_path / "gateway.yaml"
    path.write_text(
        CONFIG
        + "  x: {experiment: {name: e, arms: [{name: old, provider: a, model: m, weight: 3}, {name: new, provider: b, model: m}]}}\n"
    )
    for _ in range(5):
        found = explained(capsys, "--config", str(path), "--model", "x")
        assert (found["experiment"], found["arms"]) == ("e", ["old", "new", "new"])
        places: list[dict[str, object]] = found["groups"][0]  # type: ignore[index]
        assert [(place["target"], place["share"]) for place in places] == [
            ("a/m", 0.75),
            ("b/m", 0.125),
            ("b/m", 0.125),
        ]
    assert cli.main(["explain", "--config", str(path), "--model", "x"]) == 0
    shown = capsys.readouterr().out
    assert "experiment e" in shown
    assert next(line.split()[:3] for line in shown.splitlines() if line.startswith("arm ")) == ["arm", "old", "a/m"]
    found = explained(capsys, "--config", str(path), "--model", "x", "--needs", "tools")
    assert found["arms"] == ["new", "new"]
    assert found["excluded"] == [["a/m", ["LACKS_TOOLS"]]]
