"""What was set at run time, above the file: what it becomes, what it may change, and what is said of it where it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway import config
from llm_gateway.config import ConfigError, ConfigProblem, Layer, Secret, StoredKey, fingerprint, models, read, settled
from llm_gateway.config.effective import Setting, Source, settings_of
from msgspec.structs import fields

from tests.unit.test_administration import KEY

EDGE: Mapping[str, Any] = {
    "kind": "openai_compatible",
    "endpoint": "http://127.0.0.1:8001/v1",
    "api_key": "none",
    "models": ["m"],
}
FILE = """\
admin: {keys: [{name: ops, role: operator, hash: "HASH"}]}
providers:
  near: {kind: openai_compatible, endpoint: "http://127.0.0.1:8000/v1", api_key: of-the-file, default_model: m}
  far: {kind: openai_compatible, endpoint: "http://127.0.0.1:8002/v1", api_key: none, default_model: m, enabled: false}
routes:
  smart: {targets: [near/m]}
default_provider: near
""".replace("HASH", KEY["hash"])


@pytest.fixture
def layered(tmp_path: Path) -> Callable[..., config.Config]:
    """The configuration of a file under a layer."""

    def under(layer: Layer | None, text: str = FILE, env: Mapping[str, str] | None = None) -> config.Config:
        path = tmp_path / "gateway.yaml"
        path.write_text(text)
        return config.load(str(path), env or {}, layer=layer)

    return under


def refused(layered: Callable[..., config.Config], layer: Layer, text: str = FILE) -> ConfigProblem:
    with pytest.raises(ConfigError) as caught:
        layered(layer, text)
    [problem] = caught.value.errors
    return changed(problem, file=problem.file.rpartition("/")[2])


def keys(*texts: str, until: float | None = None) -> tuple[StoredKey, ...]:
    return tuple(StoredKey(name=text, key=Secret(f"key-{text}"), until=until) for text in texts)


def test_an_entry_is_read_as_the_file_s_are(layered: Callable[..., config.Config]) -> None:
    """Its values have the types of their keys, routes of both sides may name it, and JSON's own numbers and flags are fine."""
    entry = {
        **EDGE,
        "timeouts": {"idle": "20s"},
        "limits": {"concurrency": 7.0},
        "options": {"betas": [1, 0.5, "1", True, None]},
    }
    found = layered(
        Layer(providers={"edge": entry}, routes={"quick": {"targets": ["edge/m", {"provider": "near", "weight": 0}]}})
    )
    edge = found.providers["edge"]
    assert (edge.timeouts.idle, edge.limits.concurrency, edge.options) == (
        20.0,
        7,
        {"betas": [1, 0.5, "1", True, None]},
    )
    assert [(one.provider, one.model, one.weight) for one in found.routes["quick"].targets] == [
        ("edge", "m", 1),
        ("near", "m", 0),
    ]
    assert found.default_provider == "near"


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"kind": "claude_code", "options": {"command": ["/bin/sh"]}}, "kind"),
        ({"kind": "litellm"}, "kind"),
        ({**EDGE, "options": {"python": "/bin/sh"}}, "options.python"),
        (
            {"kind": "vertex", "project": "p", "options": {"credentials_file": "/etc/passwd"}},
            "options.credentials_file",
        ),
        ({"kind": "bedrock", "region": "us-east-1", "endpoint": "https://evil.example"}, "endpoint"),
    ],
)
def test_a_store_can_start_no_process_and_read_no_file(
    layered: Callable[..., config.Config], tmp_path: Path, entry: dict[str, Any], field: str
) -> None:
    """What the administration refuses to set is refused where somebody has written it into the store; the rest goes on without it."""
    with pytest.raises(ConfigError) as refused:
        layered(layer := Layer(providers={"edge": entry, "fine": EDGE}))
    assert (f"providers.edge.{field}", ("providers", "edge")) in [(one.key, one.entry) for one in refused.value.errors]
    found, left = settled(read(str(tmp_path / "gateway.yaml"), {}), layer)
    assert (list(found.providers), list(left)) == (["near", "fine"], [("providers", "edge")])


@pytest.mark.parametrize(
    ("layer", "key", "said"),
    [
        (
            Layer(providers={"edge": {**EDGE, "endpoint": "ftp://x"}}),
            "providers.edge.endpoint",
            "is not an http or https URL",
        ),
        (Layer(providers={"edge": {**EDGE, "enpoint": "x"}}), "providers.edge.enpoint", "did you mean endpoint?"),
        (
            Layer(providers={"edge": {"kind": "openai_compatible", "api_key": "none"}}),
            "providers.edge.endpoint",
            "is missing",
        ),
        (
            Layer(providers={"edge": {**EDGE, "timeouts": {"idle": 20}}}),
            "providers.edge.timeouts.idle",
            "'20' is not a duration",
        ),
        (Layer(providers={"edge": {"kind": "opnai"}}), "providers.edge.kind", "did you mean openai?"),
        (Layer(providers={"edge": {**EDGE, "options": "x"}}), "providers.edge.options", "must be a mapping"),
        (Layer(providers={"a/b": EDGE}), 'providers."a/b"', "is not a provider id"),
        (
            Layer(providers={"edge": {**EDGE, "endpoint": "http://${HOME}"}}),
            "providers.edge.endpoint",
            "names a variable",
        ),
        (
            Layer(providers={"edge": {**EDGE, "headers": {"x-key": "${HOME}"}}}),
            "providers.edge.headers.x-key",
            "names a variable",
        ),
        (
            Layer(providers={"edge": {**EDGE, "options": {"a": "${HOME}"}}}),
            "providers.edge.options.a",
            "names a variable",
        ),
        (Layer(routes={"r": {"targets": ["${HOME}/m"]}}), "routes.r.targets[0]", "names a variable"),
        (
            Layer(providers={"edge": {**EDGE, "api_key": {"file": "/etc/passwd"}}}),
            "providers.edge.api_key",
            "not the secret itself",
        ),
        (
            Layer(providers={"edge": {**EDGE, "proxy": {"file": "/etc/passwd"}}}),
            "providers.edge.proxy",
            "not the secret itself",
        ),
        (
            Layer(
                providers={
                    "edge": {k: v for k, v in EDGE.items() if k != "api_key"} | {"api_keys": [{"file": "/etc/passwd"}]}
                }
            ),
            "providers.edge.api_keys[0]",
            "not the secret itself",
        ),
        (
            Layer(providers={"edge": {**EDGE, "tls": {"ca_file": "/etc/passwd"}}}),
            "providers.edge.tls.ca_file",
            "is a file",
        ),
        (
            Layer(routes={"r": {"targets": ["nowhere/m"]}}),
            "routes.r.targets[0].provider",
            "'nowhere/m' is not a configured provider",
        ),
        (Layer(routes={"r": {}}), "routes.r.targets", "is missing"),
        (Layer(routes={"r": {"targets": ["far/m"]}}), "routes.r.targets", "names only providers that are switched off"),
        (Layer(routes={"auto": {"targets": ["near/m"]}}), "routes.auto", "is a reserved name"),
        (Layer(default_provider="nowhere"), "default_provider", "'nowhere' is not a configured provider"),
        (Layer(default_provider="far"), "default_provider", "'far' is switched off"),
        (
            Layer(keys={"near": (StoredKey(name="a", key=Secret("your-key-here")),)}),
            "providers.near.api_keys[0].key",
            "is a placeholder",
        ),
        (
            Layer(keys={"near": (StoredKey(name="a b", key=Secret("k")),)}),
            "providers.near.api_keys[0].name",
            "is not a name",
        ),
        (Layer(keys={"near": keys("a", "a")}), "providers.near.api_keys[1].name", "'a' is given twice"),
    ],
)
def test_what_is_wrong_is_told_as_of_run_time_with_its_path(
    layered: Callable[..., config.Config], layer: Layer, key: str, said: str
) -> None:
    """As for the file, and never with a line of it."""
    problem = refused(layered, layer)
    assert (problem.file, problem.line, problem.key) == ("run time", None, key)
    assert said in str(problem)
    assert layer.get(problem.entry) is not None
    layered(layer.without(problem.entry))


@pytest.mark.parametrize("layer", [None, Layer()])
def test_nothing_set_at_run_time_changes_nothing(layered: Callable[..., config.Config], layer: Layer | None) -> None:
    """The file's part is the same with an empty layer as with none."""
    assert layered(layer) == layered(None)


def test_of_an_entry_of_the_file_default_keys_and_enabled_are_changed(layered: Callable[..., config.Config]) -> None:
    """Keys replace the file's; what the file has switched off may be on, and the other way round."""
    found = layered(Layer(keys={"near": keys("a", "b")}, enabled={"far": True}, default_provider="far"))
    assert [(key.name, key.key.reveal()) for key in found.providers["near"].keys] == [("a", "key-a"), ("b", "key-b")]
    assert found.providers["near"].keys[0].key.source == "providers/near/keys/a, which was set at run time"
    assert (found.default_provider, [*found.providers]) == ("far", ["near", "far"])
    found = layered(
        Layer(enabled={"far": True, "near": False}),
        FILE.replace("[near/m]", "[near/m, far/m]")
        .replace("default_provider: near", "default_provider: far")
        .replace(", enabled: false", ""),
    )
    assert [*found.providers] == ["far"]
    assert [one.provider for one in found.routes["smart"].targets] == ["far"]


def test_keys_stand_in_place_of_none(layered: Callable[..., config.Config]) -> None:
    """Of an entry that was set at run time to need no key, as of the file's."""
    keys = (StoredKey(name="main", key=Secret("key-of-run-time")),)
    found = layered(Layer(revision=1, providers={"edge": EDGE}, keys={"edge": keys}))
    assert [(key.name, key.key.reveal()) for key in found.providers["edge"].keys] == [("main", "key-of-run-time")]


def test_what_is_set_of_a_provider_that_is_gone_waits_for_it(layered: Callable[..., config.Config]) -> None:
    """A file may lose a provider whose keys were set at run time."""
    assert layered(Layer(keys={"gone": keys("a")}, enabled={"gone": False})) == layered(None)


def test_a_key_is_used_until_its_end(layered: Callable[..., config.Config]) -> None:
    """The end of a rotation's overlap; where none is left the file's serve."""
    both = keys("old", until=1.0) + keys("new")
    assert [key.name for key in layered(Layer(keys={"near": both})).providers["near"].keys] == ["new"]
    assert layered(Layer(keys={"near": both[:1]})).providers["near"].keys[0].key.reveal() == "of-the-file"
    assert Layer(keys={"near": both, "far": keys("x", until=0.5)}).ends() == 0.5
    assert Layer(keys={"near": keys("x")}).ends() is None


@pytest.mark.parametrize(
    ("layer", "text", "file", "key", "said"),
    [
        (Layer(enabled={"near": False, "far": True}), FILE.replace("default_provider: near", ""), "gateway.yaml", "routes.smart.targets", "enable near, or name one that is on"),
        (Layer(enabled={"near": False, "far": True}), FILE.replace("  smart: {targets: [near/m]}", "  {}"), "gateway.yaml", "default_provider", "'near' is switched off; enable it, or name another"),
        (Layer(enabled={"near": False}), FILE.replace("routes:\n  smart: {targets: [near/m]}\ndefault_provider: near\n", ""), "run time", "providers.near.enabled", "enable another one first"),
        (Layer(providers={"near": EDGE}), FILE.replace("near/m", "near"[:4] + "/m").replace("{targets: [near/m]}", "{targets: [{provider: near}]}"), "gateway.yaml", "routes.smart.targets[0].model", "set providers.near.default_model"),
    ],
)  # fmt: skip
def test_what_the_file_still_needs_is_told_where_it_is_needed(
    layered: Callable[..., config.Config], layer: Layer, text: str, file: str, key: str, said: str
) -> None:
    """With the line of the route or the default that would be left without its provider."""
    problem = refused(layered, layer, text)
    assert (problem.file, problem.key, problem.line is None) == (file, key, file == "run time")
    assert said in str(problem)


def test_an_entry_with_the_file_s_name_serves_and_both_are_told(layered: Callable[..., config.Config]) -> None:
    """Whatever the file's has is not mixed in; where it stands is told beside the revision."""
    found = layered(Layer(revision=7, providers={"near": EDGE}, keys={"near": keys("a")}))
    near = found.providers["near"]
    assert (near.endpoint, near.default_model, [key.name for key in near.keys]) == (EDGE["endpoint"], None, ["a"])
    told = {one.key: one for one in settings_of(found)}
    assert told["providers.near.endpoint"] == Setting(
        key="providers.near.endpoint", value=EDGE["endpoint"], source=Source.RUNTIME, line=3, revision=7
    )
    assert told["providers.near.api_keys[0].key"].value == "***"
    assert told["providers.near.api_keys[0].key"].source is Source.RUNTIME
    assert told["providers.near.timeouts.idle"].source is Source.DEFAULT
    assert config.origins_of(found).entries == {"providers.near": 3}
    found = layered(Layer(providers={"echo": {}}))
    assert {one.key: one for one in settings_of(found)}["providers.echo.kind"].source is Source.INFERRED


def test_settings_say_that_they_were_set_at_run_time(layered: Callable[..., config.Config]) -> None:
    """With the revision; those of the file say so beside them, and providers that are off are told too."""
    layer = Layer(
        revision=3,
        providers={"edge": EDGE},
        enabled={"edge": False},
        keys={"near": keys("a")},
        default_provider="near",
        routes={"r": {"targets": ["near/m"]}},
    )
    told = {one.key: one for one in settings_of(layered(layer))}
    run_time = {one.key for one in told.values() if one.source is Source.RUNTIME}
    assert run_time == {
        "providers.near.api_keys[0].key", "providers.near.api_keys[0].name", "providers.edge.kind", "providers.edge.enabled", "providers.edge.endpoint",
        "providers.edge.api_key", "providers.edge.models", "routes.r.targets[0].provider", "routes.r.targets[0].model", "default_provider",
    }  # fmt: skip
    assert {told[key].revision for key in run_time} == {3}
    assert {told[key].line for key in run_time} == {0}
    assert (told["providers.near.endpoint"].source, told["providers.near.endpoint"].line) == (Source.FILE, 3)
    assert told["providers.far.enabled"].value == told["providers.edge.enabled"].value == "false"


def test_the_fingerprint_tells_settings_and_not_revisions(layered: Callable[..., config.Config]) -> None:
    """Two replicas that say the same are the same."""
    one, two = Layer(revision=1, providers={"edge": EDGE}), Layer(revision=2, providers={"edge": EDGE})
    assert fingerprint(layered(one)) == fingerprint(layered(two)) != fingerprint(layered(None))
    assert fingerprint(layered(Layer(keys={"near": keys("a")}))) != fingerprint(
        layered(Layer(keys={"near": keys("b")}))
    )


def test_a_provider_more_takes_no_default_from_the_file_s_only_one(layered: Callable[..., config.Config]) -> None:
    """Calls that name nothing went there, and still do; where the file has none, the stand-in is gone."""
    text = "providers: {near: {kind: echo, default_model: echo}}\ndefault_model: echo"
    assert layered(Layer(providers={"edge": EDGE}), text).default_provider == "near"
    found = config.load(None, {}, layer=Layer(providers={"edge": EDGE}))
    assert (found.default_provider, [*found.providers], found.stands_in) == ("edge", ["edge"], False)
    with pytest.raises(ConfigError, match=r"run time: routes\.r\.targets: is missing"):
        config.load(None, {}, layer=Layer(routes={"r": {}}))


def test_variables_of_what_is_off_need_not_be_set_and_of_what_is_on_must(layered: Callable[..., config.Config]) -> None:
    """Whoever has switched it."""
    text = FILE.replace("api_key: none", "api_key: '${FAR}'")
    assert [*layered(Layer(), text).providers] == ["near"]
    assert refused(layered, Layer(enabled={"far": True}), text).wrong == "environment variable FAR is not set"
    on = text.replace(", enabled: false", "")
    assert refused(layered, Layer(), on).wrong == "environment variable FAR is not set"
    assert [*layered(Layer(enabled={"far": False}), on).providers] == ["near"]
    assert [*layered(Layer(keys={"far": keys("a")}), on).providers] == ["near", "far"]


def test_entries_that_are_wrong_by_now_are_left_out_one_by_one(tmp_path: Path) -> None:
    """What the file has lost takes what needs it along, and nothing else; each is told."""
    path = tmp_path / "gateway.yaml"
    path.write_text(FILE)
    layer = Layer(
        providers={"edge": EDGE, "bad": {**EDGE, "endpoint": "${X}"}},
        routes={"a": {"targets": ["gone/m"]}, "b": {"targets": ["edge/m"]}, "c": {"targets": ["bad/m"]}},
        enabled={"near": False, "edge": True},
        default_provider="gone",
    )
    found, left = settled(read(str(path), {}), layer)
    assert {*left} == {
        ("providers", "bad"),
        ("routes", "a"),
        ("routes", "c"),
        ("enabled", "near"),
        ("default_provider",),
    }
    assert [*found.providers] == ["near", "edge"]
    assert [*found.routes] == ["smart", "b"]
    assert "'gone/m' is not a configured provider" in str(left["routes", "a"])
    assert "names only providers that are switched off" in str(
        left["enabled", "near"]
    ) or "'near' is switched off" in str(left["enabled", "near"])


def test_a_file_that_is_wrong_by_itself_is_refused_whatever_was_set(tmp_path: Path) -> None:
    """Nothing is left out because of it."""
    path = tmp_path / "gateway.yaml"
    path.write_text(FILE + "no_such_key: 1\n")
    with pytest.raises(ConfigError, match="no_such_key"):
        settled(read(str(path), {}), Layer(providers={"edge": EDGE}))


def test_what_was_read_once_serves_for_every_layer(tmp_path: Path) -> None:
    """A change at run time does not ask what the disk has by then."""
    path = tmp_path / "gateway.yaml"
    path.write_text(FILE)
    found = read(str(path), {})
    first = found(Layer(providers={"edge": EDGE}))
    path.write_text("providers: [")
    assert found(Layer(providers={"edge": EDGE})) == first
    assert "edge" not in found(Layer()).providers


def test_a_file_whose_providers_are_all_off_may_start_where_one_can_be_switched_on(
    layered: Callable[..., config.Config], tmp_path: Path
) -> None:
    """As long as what was set at run time is not known; then one must be on."""
    text = FILE[: FILE.index("routes")].replace("  near", "  # near") + f"store: {{directory: {tmp_path}}}\n"
    assert layered(None, text).stands_in
    assert [*layered(Layer(enabled={"far": True}), text).providers] == ["far"]
    assert refused(layered, Layer(), text).wrong == "are all switched off"


def test_a_route_whose_targets_are_switched_off_at_run_time_goes_to_its_fallbacks(
    layered: Callable[..., config.Config],
) -> None:
    """In their order; what the file itself has switched off it must not name alone."""
    text = FILE.replace("{targets: [near/m]}", "{targets: [near/m], fallbacks: [far/a, far/b]}")
    text = text.replace("default_provider: near", "")
    route = layered(Layer(enabled={"near": False, "far": True}), text).routes["smart"]
    assert [one.model for one in route.targets] == ["a"]
    assert [one.model for one in route.fallbacks] == ["b"]
    off = text.replace("default_model: m}", "default_model: m, enabled: false}")
    assert "names only" in refused(layered, Layer(enabled={"far": True}), off).wrong


KINDS = (models.Provider, models.Route, models.Target, models.Endpoint, models.Experiment, models.ModelInfo)
NAMES = st.sampled_from(["near", "far", "edge", "auto", "a/b", "x y", 'q"', "é", ""])
FIELDS = st.sampled_from(sorted({one.name for kind in KINDS for one in fields(kind)} | {"file", "nonsense"}))
WORDS = st.sampled_from(
    ["openai_compatible", "http://127.0.0.1:1/v1", "near/m", "${HOME}", "20s", "echo", "litellm", "none"]
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), WORDS)
VALUES = st.recursive(
    LEAVES, lambda one: st.lists(one, max_size=3) | st.dictionaries(FIELDS, one, max_size=4), max_leaves=12
)
ENTRIES = st.dictionaries(NAMES, st.dictionaries(FIELDS, VALUES, max_size=5), max_size=2)


@pytest.mark.no_cover
@given(ENTRIES, ENTRIES, st.dictionaries(NAMES, st.booleans(), max_size=2), st.none() | NAMES, st.text(max_size=30))
def test_whatever_was_set_is_read_or_left_out_and_told(
    tmp_path_factory: pytest.TempPathFactory, providers: Any, routes: Any, enabled: Any, default: Any, key: str
) -> None:
    """It breaks nothing, costs no more than itself, and no problem of it has a line."""
    path = tmp_path_factory.getbasetemp() / "whatever.yaml"
    path.write_text(FILE)
    layer = Layer(
        providers=providers,
        routes=routes,
        enabled=enabled,
        default_provider=default,
        keys={"near": (StoredKey(name="main", key=Secret(key)),)},
    )
    found, left = settled(read(str(path), {}), layer)
    assert {"near"} <= {*found.providers, *layer.enabled}
    problems = [problem for error in left.values() for problem in error.errors]
    assert all(
        (problem.line is None) == (problem.file == "run time") for problem in problems if problem.file != "plugin"
    )
    assert all(layer.get(entry) is not None for entry in left)
