"""The commands that ask the administration: what people write, what they are told; the calls themselves are in tests/integration."""

import io
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2, timestamp_pb2
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway.cli import UsageError, main
from llm_gateway.cli.admin import audit, entry, providers, secret, settings, status
from llm_gateway.cli.admin.arguments import key_name
from llm_gateway.cli.admin.command import ACTIONS, refusal
from llm_gateway.cli.terminal import table
from llmgateway import GatewayError, InvalidArgument, PermissionDenied
from llmgateway.admin.v1 import config_pb2, key_pb2, provider_pb2, route_pb2, settings_pb2

OPENAI_LIKE = "sk-proj-example-0123456789abcdef"

PROVIDER = """
kind: openai_compatible
endpoint: http://127.0.0.1:8000/v1
endpoints: [http://127.0.0.1:1, {url: http://127.0.0.1:2, weight: 2}]
models: [no, 2024-10-21]
headers: {x-team: "007"}
options: {deep: {list: [1, a]}, flag: true}
local: true
timeouts: {connect: 500ms, idle: 1m30s}
limits: {concurrency: 3}
prices: {"gpt-4.1": {input: 3.00}}
model_info: {no: {aliases: [yes], capabilities: [tools], score: 0.5}}
"""


def provider(text: str) -> settings_pb2.ProviderSettings:
    found = settings_pb2.ProviderSettings()
    settings.read(text, "edge.yaml", found, ("providers", "edge"))
    return found


def test_settings_are_written_as_in_the_file() -> None:
    """By the types of their fields, not YAML's guesses, with the file's short forms; and are told in the same form."""
    found = provider(PROVIDER)
    assert list(found.models) == ["no", "2024-10-21"]
    assert [(one.url, one.weight) for one in found.endpoints] == [("http://127.0.0.1:1", 0), ("http://127.0.0.1:2", 2)]
    assert found.headers["x-team"] == "007"
    assert json_format.MessageToDict(found.options) == {"deep": {"list": [1, "a"]}, "flag": True}
    assert (found.timeouts.connect.nanos, found.timeouts.idle.seconds) == (500_000_000, 90)
    assert found.prices["gpt-4.1"].input == "3.00"
    assert list(found.model_info["no"].aliases) == ["yes"]
    assert dict(found.model_info["no"].capabilities) == {"tools": True}
    assert provider(entry.as_yaml(found)) == found


@given(st.sampled_from(["providers:\n  edge:\n", "edge:\n", ""]))
def test_what_stands_around_a_section_may_be_pasted_with_it(around: str) -> None:
    """The whole section, the entry with its name, or what it holds."""
    indent = " " * 4 if around else ""
    text = around + "".join(f"{indent}{line}\n" for line in PROVIDER.splitlines())
    assert provider(text) == provider(PROVIDER)


def test_a_route_is_written_as_in_the_file() -> None:
    """Targets as provider/model, or as mappings."""
    found = settings_pb2.RouteSettings()
    text = (
        "targets: [a/b/c, {provider: d, model: e, weight: 0}]\nfallbacks: [f]\nretry: {max_attempts: 3}\naffinity: true"
    )
    settings.read(text, "-", found)
    assert [(one.provider, one.model) for one in found.targets] == [("a", "b/c"), ("d", "e")]
    assert found.targets[1].HasField("weight")
    assert [(one.provider, one.model) for one in found.fallbacks] == [("f", "")]
    assert settings.as_in_file(found) == {
        "targets": ["a/b/c", {"provider": "d", "model": "e", "weight": 0}],
        "fallbacks": [{"provider": "f"}],
        "retry": {"max_attempts": 3},
        "affinity": True,
    }


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("kind: x\nmodel: m", 2, "model: is unknown; did you mean models?"),
        ("timeouts:\n  conect: 2s", 2, "timeouts.conect: is unknown; did you mean connect?"),
        ("timeouts: {idle: 20}", 1, "timeouts.idle: '20' is not a duration; write a number with its unit"),
        ("models: m", 1, "models: must be a list, not a single value; write [m]"),
        ("limits: 3", 1, "limits: must be a mapping, not a single value"),
        ("local: sometimes", 1, "local: 'sometimes' is neither true nor false"),
        ("limits: {concurrency: many}", 1, "limits.concurrency: 'many' is no whole number"),
        ("kind: x\nkind: y", 2, "kind: is given twice"),
        ("kind:", 1, "kind: is empty; give a value or take it out"),
        ("endpoint: ${EDGE}", 1, "endpoint: names a variable; write the value itself"),
        ("api_key: whatever", 1, "leave it out, and give --api-key, which asks for it"),
        ("tls: {ca_file: a}", 1, "tls: is none of these settings; can be set in the configuration file only"),
        ("enabled: false", 1, "llm-gateway providers enable"),
        ("headers: {x-a: '***'}", 1, "write the value itself"),
        ("kind: [", 2, "is not valid YAML"),
        ("", 0, "is empty; write the settings as they would stand in the configuration file"),
        ("just words", 1, "must be a mapping, not a single value"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_key(text: str, line: int, said: str) -> None:
    """And with what would be right."""
    with pytest.raises(UsageError) as caught:
        provider(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"edge.yaml:{line}: " if line else "edge.yaml: ")


def test_every_problem_of_a_file_is_told() -> None:
    """One a line, in its order."""
    with pytest.raises(UsageError) as caught:
        provider("kimd: x\ntimeouts: {idle: soon}\nmodels: m")
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["1", "2", "3"]


@pytest.mark.parametrize("key", ["headers.authorization", "default_model"])
def test_a_key_among_the_settings_is_refused_and_not_shown(key: str) -> None:
    """Wherever it stands."""
    with pytest.raises(UsageError) as caught:
        settings.assign(settings_pb2.ProviderSettings(), f"{key}={OPENAI_LIKE}")
    assert "looks like a key" in str(caught.value)
    assert OPENAI_LIKE not in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "mask", "told"),
    [
        ("timeouts.connect=2s", "timeouts.connect", {"timeouts": {"connect": "2s"}}),
        ("timeouts={connect: 2s, idle: 1s}", "timeouts", {"timeouts": {"connect": "2s", "idle": "1s"}}),
        ("models=[a, no]", "models", {"models": ["a", "no"]}),
        ("default_model=no", "default_model", {"default_model": "no"}),
        ("endpoint=http://127.0.0.1/?a=b", "endpoint", {"endpoint": "http://127.0.0.1/?a=b"}),
        ('prices."gpt-4.1".input=2', "prices", {"prices": {"gpt-4.1": {"input": "2"}}}),
        ("model_info.m={aliases: [q]}", "model_info", {"model_info": {"m": {"aliases": ["q"]}}}),
        ("headers.x-team=blue", "headers", {"headers": {"x-team": "blue"}}),
        ("options.a.b=1", "options", {"options": {"a": {"b": 1}}}),
    ],
)
def test_one_setting_is_set_by_its_key(assignment: str, mask: str, told: dict[str, Any]) -> None:
    """The mask names it, or the map or list that it is in, which the contract takes as a whole."""
    found = settings_pb2.ProviderSettings()
    assert settings.assign(found, assignment) == mask
    assert settings.as_in_file(found) == told


def test_what_lies_beside_a_setting_stays() -> None:
    """In maps, messages and free settings; taking one out leaves the others, too."""
    found = provider(PROVIDER)
    for assignment in ("headers.x-more=1", "prices.m={input: 1}", "options.more=1", "timeouts.attempt=9s"):
        settings.assign(found, assignment)
    assert set(found.headers) == {"x-team", "x-more"}
    assert set(found.prices) == {"gpt-4.1", "m"}
    assert set(found.options) == {"deep", "flag", "more"}
    for key in ("headers.x-more", "prices.m", "options.more", "timeouts.attempt"):
        assert settings.unset(found, key) == (key if key.startswith("timeouts") else key.partition(".")[0])
    assert found == provider(PROVIDER)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("kind", "write a key, = and its value"),
        ("=x", "write a key, = and its value"),
        ("timeout.connect=2s", "is unknown; did you mean timeouts?"),
        ("timeouts.connect=2", "'2' is not a duration"),
        ("models=a", "must be a list, not a single value; write [a]"),
        ("models.0=a", "a list is set as a whole: models=[…]"),
        ("kind.x=2", "goes on below kind; write kind=…"),
        ("endpoint=", "is empty"),
        ("prices.gpt-4.1.input=2", 'a name with dots is quoted: prices."gpt-4.1"'),
        ("headers.x.y=2", "a name with dots is quoted"),
        ("api_key=abc", "--api-key"),
    ],
)
def test_a_wrong_setting_says_what_would_be_right(assignment: str, said: str) -> None:
    """Under the name of the flag, without a line."""
    with pytest.raises(UsageError) as caught:
        settings.assign(settings_pb2.ProviderSettings(), assignment)
    assert said in str(caught.value)
    assert str(caught.value).startswith("--set: ")


def update(*given: str, source: str | None = None, unset: Sequence[str] = ()) -> Namespace:
    return Namespace(action="providers update", provider="edge", source=source, set=list(given), unset=list(unset))


def test_an_update_names_what_it_changes() -> None:
    """Nothing else, so that what the gateway does not tell is not sent back; a file goes in place of everything."""
    now = provider(PROVIDER)
    now.headers["x-team"] = "***"
    wanted, mask = entry.changed(
        update("timeouts.connect=9s", unset=["local"]), now, {"default_model": "m", "kind": None}
    )
    assert mask == ["settings.default_model", "settings.timeouts.connect", "settings.local"]
    assert (wanted.default_model, wanted.timeouts.connect.seconds, wanted.HasField("local")) == ("m", 9, False)
    with pytest.raises(UsageError, match="nothing is to be changed; give --set KEY=VALUE"):
        entry.changed(update(), now, {})
    with pytest.raises(UsageError, match="does not tell what x-team holds; give all of them"):
        entry.changed(update("headers.x-more=1"), now, {})
    wanted, mask = entry.changed(update("headers={x-team: a, x-more: b}"), now, {})
    assert (mask, dict(wanted.headers)) == (["settings.headers"], {"x-team": "a", "x-more": "b"})


def test_a_file_replaces_all_settings_of_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it leaves out is unset; flags go above it."""
    monkeypatch.setattr("sys.stdin", io.StringIO("edge: {kind: vllm, endpoint: http://127.0.0.1:1}"))
    wanted, mask = entry.changed(update("local=true", source="-"), provider(PROVIDER), {"models": ["a"]})
    assert mask == ["settings"]
    assert settings.as_in_file(wanted) == {
        "kind": "vllm",
        "endpoint": "http://127.0.0.1:1",
        "models": ["a"],
        "local": True,
    }


def test_a_file_that_cannot_be_read_is_named(tmp_path: Any) -> None:
    """As is one that is no text."""
    (tmp_path / "latin").write_bytes(b"kind: \xe9")
    for name, said in (("none", "No such file"), ("latin", "is not UTF-8 text")):
        with pytest.raises(UsageError, match=f"--from .*{name}: {said}"):
            entry.described(update(source=str(tmp_path / name)), settings_pb2.ProviderSettings(), {})


# --- keys


def test_a_key_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the line break that ends a file; none at all is refused."""
    monkeypatch.setattr("sys.stdin", io.StringIO("the-key\n"))
    assert secret.read("edge") == "the-key"
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(UsageError, match="no key was given; type it at the prompt, or give a file: < FILE"):
        secret.read("edge")


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "add", "edge", OPENAI_LIKE],
        ["keys", "add", "edge", "main", OPENAI_LIKE],
        ["keys", "add", OPENAI_LIKE],
        ["keys", "add", "edge", "sk-ant-foo"],
        ["keys", "add", "edge", "main", "sk-ant-foo"],
        ["keys", "rotate", "edge", "gsk_x"],
        ["keys", "remove", "edge", "AIzaX"],
        ["keys", "add", "edge", "AKIA123"],
        ["providers", "add", "edge", "xai-a1"],
        ["keys", "rotate", "edge", "0123456789abcdef0123456789abcdef"],
        ["keys", "remove", "edge", OPENAI_LIKE],
        ["providers", "add", "edge", "--api-key", OPENAI_LIKE],
        ["providers", "add", "edge", "--api-key", "short"],
        ["providers", "add", "edge", f"--api-key={OPENAI_LIKE}"],
        ["providers", "add", "edge", OPENAI_LIKE],
    ],
)
def test_a_key_among_the_arguments_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With how to give it, and without repeating it."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "a key is never an argument" in said
    assert arguments[-1].rpartition("=")[2] not in said.replace("shell keeps", "")


def test_names_of_keys_are_taken() -> None:
    """Long ones too, as long as they are no keys."""
    for name in ("main", "main.old", "production-eu-west-1-primary", "key-2", "xai-main", "asia", "sk", "task-2"):
        assert key_name(name) == name


# --- what people are told


def time(text: str) -> timestamp_pb2.Timestamp:
    found = timestamp_pb2.Timestamp()
    found.FromDatetime(datetime.fromisoformat(text).replace(tzinfo=UTC))
    return found


RUNTIME, FILE = config_pb2.SETTING_SOURCE_RUNTIME, config_pb2.SETTING_SOURCE_FILE
PROVIDERS = [
    provider_pb2.Provider(name="providers/echo", enabled=True, is_default=True, source=FILE, line=7),
    provider_pb2.Provider(name="providers/edge", enabled=True, source=RUNTIME, line=8),
    provider_pb2.Provider(name="providers/old", source=RUNTIME),
]
ROUTES = [route_pb2.Route(name="routes/smart", source=RUNTIME, line=12)]


def test_status_says_what_needs_attention() -> None:
    """Entries of the file that do not serve, keys in their overlap, a store that is away; each with what to do."""
    found = config_pb2.GetEffectiveConfigResponse(
        version="abc", file="gateway.yaml", load_time=time("2026-11-28T20:00:00"), revision=12, store_problem="gone."
    )
    found.settings.add(key="store.directory", value="data")
    told = list(status.told(found, PROVIDERS, ROUTES))
    assert "revision 12 of what is set at run time, kept in data" in told
    assert "providers: echo (default), edge (run time), old (off, run time)" in told
    assert "routes: smart (run time)" in told
    keys = [key_pb2.ProviderKey(name="providers/edge/keys/main.old", expire_time=time("2026-11-28T20:30:00"))]
    found.refusal = "gateway.yaml:3: no\nrun time: routes.a: no"
    found.refusal_time.CopyFrom(time("2026-11-28T20:01:00"))
    wrong, left, store, edge, smart, key = status.attention(found, PROVIDERS, ROUTES, keys)
    assert wrong.endswith(":01:00: gateway.yaml:3: no")
    assert left.endswith(":01:00: run time: routes.a: no")
    assert store.endswith("calls are served: gone.")
    assert "on line 8, which does not serve; `llm-gateway providers adopt edge`" in edge
    assert "on line 12, which does not serve; `llm-gateway routes remove smart`" in smart
    assert key.startswith("providers/edge/keys/main.old is used until 20")
    assert list(status.attention(config_pb2.GetEffectiveConfigResponse(), PROVIDERS[:1], [], keys[:0])) == []


def test_status_says_how_to_have_a_store() -> None:
    """Where the configuration has none."""
    told = status.told(config_pb2.GetEffectiveConfigResponse(), [], [])
    assert any("add `store: {directory: data}` to the configuration" in line for line in told)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, {"kind": "vllm", "models": ["a", "b"]}, ["kind: vllm", "models: a, b"]),
        (
            {"timeouts": {"connect": "1s"}, "kind": "x"},
            {"timeouts": {"connect": "2s"}, "kind": "x"},
            ["timeouts.connect: 1s → 2s"],
        ),
        ({"local": True}, None, ["local: true → unset"]),
        (True, False, ["true → false"]),
        ("echo", None, ["echo → unset"]),
        (None, None, []),
        ({"targets": [{"provider": "a", "weight": 2}]}, {"targets": ["b/c"]}, ["targets: provider a weight 2 → b/c"]),
    ],
)
def test_a_change_is_told_by_what_differs(before: Any, after: Any, said: list[str]) -> None:
    """And by nothing else."""
    values = [json_format.ParseDict(one, struct_pb2.Value()) for one in (before, after)]
    assert list(audit.changes(*values)) == said


def test_tables_fit_80_columns() -> None:
    """With long names, addresses and models, the name whole."""
    one = provider_pb2.Provider(
        name="providers/an-openai-compatible-server-in-the-basement",
        kind="openai_compatible",
        enabled=True,
        source=RUNTIME,
        line=12,
        keys=["main", "main.old"],
        default_model="meta-llama/llama-4-maverick-17b-128e-instruct",
    )
    one.addresses.add(uri="http://a-long-name.basement.example.com:8000/v1")
    shown = table(("PROVIDER", "KIND", "FROM", "KEYS", "ADDRESS", "DEFAULT MODEL"), [providers._row(one)], 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert "an-openai-compatible-server-in-the-basement" in shown


def refused(error: GatewayError, action: str = "providers update", **given: Any) -> list[str]:
    return refusal(error, Namespace(action=action, address="127.0.0.1:1", provider="edge", etag="", **given), "ops did")


def test_a_refusal_names_the_field_as_the_file_does() -> None:
    """One line for each field at fault."""
    violations = [
        error_details_pb2.BadRequest.FieldViolation(
            field="provider.settings.timeouts.connect", description="Is wrong."
        ),
        error_details_pb2.BadRequest.FieldViolation(field="keys[0].secret", description="Is missing."),
    ]
    error = InvalidArgument(
        "Two are wrong.", code=grpc.StatusCode.INVALID_ARGUMENT, reason="INVALID_REQUEST", violations=violations
    )
    assert refused(error) == ["error: timeouts.connect: is wrong", "error: keys[0].secret: is missing"]


def test_a_refusal_says_what_to_do() -> None:
    """After somebody else's change, without the role, and where several things are in the way."""
    changed = GatewayError("It was changed; look again.", code=grpc.StatusCode.ABORTED, reason="RESOURCE_CHANGED")
    assert refused(changed) == [
        "error: It was changed; ops did; look at it with `llm-gateway providers show edge`, and run this again"
    ]
    role = PermissionDenied("It needs admin.", code=grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_REQUIRED")
    assert "`llm-gateway admin-key new` makes one" in refused(role)[0]
    used = GatewayError(
        "Needed by routes/a.",
        code=grpc.StatusCode.FAILED_PRECONDITION,
        reason="RESOURCE_IN_USE",
        preconditions=[
            error_details_pb2.PreconditionFailure.Violation(subject="routes/a", description="Needed by routes/a."),
            error_details_pb2.PreconditionFailure.Violation(subject="routes/b", description="Names it as a fallback."),
        ],
    )
    assert refused(used, "providers remove") == ["error: Needed by routes/a", "  routes/b: Names it as a fallback."]


def test_every_command_of_the_administration_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its help, which fits 80 columns but for its examples, and each of the help's commands is one."""
    for action in ACTIONS:
        with pytest.raises(SystemExit) as stopped:
            main([*action.split(), "--help"])
        assert stopped.value.code == 0
        assert f"llm-gateway {action}" in capsys.readouterr().out
