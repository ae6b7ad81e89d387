"""What the administration can neither move nor reach: where keys go, files, variables, processes."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import pytest
from llm_gateway.config import Endpoint, Provider, Secret
from llm_gateway.config.models import ClientTls
from llm_gateway.config.trust import LEADS, STAYS, moved, references, refusals
from llm_gateway.providers import plugins

BASE: dict[str, Any] = {"kind": "openai_compatible", "endpoint": "http://h:1/v1", "models": ["m"]}
ELSEWHERE: dict[str, Any] = {
    "kind": "vllm",
    "endpoint": "http://other:1/v1",
    "endpoints": ["http://h:1/v1", "http://other:1/v1"],
    "region": "eu-west-1",
    "project": "other",
    "location": "other",
    "publisher": "other",
    "api_version": "2026-01-01",
    "headers": {"x-team": "other"},
    "options": {"authority": "other.example"},
    "proxy": "http://proxy:3128",
    "tls": {"ca_file": "other.pem"},
}
"""For each field that leads somewhere a value that leads elsewhere."""


def test_every_field_of_a_provider_is_classified() -> None:
    """A new one must be put where it belongs: whether keys follow it, or stay."""
    assert set(Provider.__struct_fields__) == LEADS | STAYS
    assert not LEADS & STAYS
    assert ELSEWHERE.keys() == LEADS
    assert set(Endpoint.__struct_fields__) == {"url", "region", "weight"}
    assert set(ClientTls.__struct_fields__) == {"ca_file", "cert_file", "key_file"}


@pytest.mark.parametrize("field", sorted(LEADS))
def test_a_change_that_leads_elsewhere_is_found(field: str) -> None:
    """Set, changed and taken out, alone or beside others; an address by the name `endpoint`, however it is written."""
    changed = {**BASE, field: ELSEWHERE[field], "models": ["other"]}
    if field == "endpoints":
        del changed["endpoint"]
    told = ["endpoint"] if field == "endpoints" else [field]
    assert moved(BASE, changed) == moved(changed, BASE) == told


@pytest.mark.parametrize("field", sorted(STAYS))
def test_a_change_that_leads_nowhere_keeps_keys(field: str) -> None:
    """Prices, limits, models and the like."""
    assert moved(BASE, {**BASE, field: "other"}) == []


@pytest.mark.parametrize("unknown", ["newer", "lookup"])
def test_a_field_that_nobody_classified_counts(unknown: str) -> None:
    """Until somebody says that it is harmless."""
    assert moved(BASE, {**BASE, unknown: "all"}) == [unknown]


SAME = {
    "a trailing slash": {**BASE, "endpoint": "http://h:1/v1/"},
    "no scheme": {**BASE, "endpoint": "h:1/v1"},
    "a list of one": {"kind": "openai_compatible", "endpoints": [{"url": "http://h:1/v1", "weight": 3}]},
    "a short list of one": {"kind": "openai_compatible", "endpoints": ["http://h:1/v1"]},
    "another spelling of the kind": {**BASE, "kind": "OpenAI-compatible"},
    "harmless options": {**BASE, "options": {"betas": ["x"], "prompt_caching": True, "truncate": False}},
    "nothing": {**BASE, "headers": {}, "options": {}, "tls": {}, "proxy": None, "endpoints": []},
}


@pytest.mark.parametrize("same", SAME.values(), ids=SAME)
def test_the_same_address_keeps_keys(same: dict[str, Any]) -> None:
    """However it is written."""
    assert moved(BASE, same) == moved(same, BASE) == []


def test_an_order_of_addresses_means_nothing_and_an_added_one_does() -> None:
    """All of them get the key."""
    two = {**BASE, "endpoint": None, "endpoints": ["http://a/v1", "http://b/v1"]}
    assert moved(two, {**two, "endpoints": ["http://b/v1", "http://a/v1"]}) == []
    assert moved(two, {**two, "endpoints": ["http://b/v1", "http://a/v1", "http://c/v1"]}) == ["endpoint"]
    with_region = [{"url": "http://a/v1", "region": "x"}, "http://b/v1"]
    assert moved(two, {**two, "endpoints": with_region}) == ["endpoint"]


def test_providers_that_were_read_are_compared_likewise() -> None:
    """Also their secrets, of which only the field is told."""
    one = Provider(kind="openai", proxy=Secret("http://u:canary@h"), headers={"x-a": Secret("1")}, default_model="m")
    assert moved(one, Provider(kind="openai", proxy=Secret("http://u:canary@h"), headers={"x-a": Secret("1")})) == []
    other = Provider(kind="openai", proxy=Secret("http://u:other@h"), headers={"x-a": Secret("2")})
    assert moved(one, other) == ["headers", "proxy"]
    assert moved(Provider(endpoint="http://h/v1"), Provider(endpoints=(Endpoint(url="http://h/v1"),))) == []
    assert moved(Provider(), Provider(tls=ClientTls(ca_file="x"))) == ["tls"]


# ---------------------------------------------------------------- refusals
def _fields(provider: dict[str, Any], name: str = "edge") -> list[str]:
    return [violation.field for violation in refusals(name, provider)]


ALLOWED = {
    "plain": BASE,
    "everything": {
        **BASE,
        "endpoint": None,
        "endpoints": [{"url": "http://h:1/v1", "weight": 2, "region": "eu-west-1"}, "http://other/v1"],
        "headers": {"x-team": "blue"},
        "options": {"truncate": True},
        "proxy": "http://proxy:3128",
        "timeouts": {"connect": "2s"},
        "prices": {"file": {"input": "1"}},
        "model_info": {"m": {"display_name": "M $5 {x}", "capabilities": {"tools": True}}},
    },
    "a cloud": {"kind": "vertex", "project": "example.com:p-1", "location": "europe-west1", "publisher": "google"},
    "Azure": {"kind": "azure_openai", "endpoint": "https://me.openai.azure.com", "api_version": "2024-10-21"},
    "Bedrock's private address": {
        "kind": "bedrock",
        "region": "us-east-1",
        "endpoint": "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com",
    },
}


@pytest.mark.parametrize("provider", ALLOWED.values(), ids=ALLOWED)
def test_what_a_provider_needs_can_be_set(provider: dict[str, Any]) -> None:
    """Nothing of it is refused."""
    assert refusals("edge", provider) == []


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a file of TLS": ({"tls": {"ca_file": "/etc/passwd", "key_file": "x"}}, ["tls.ca_file", "tls.key_file"]),
    "a key": ({"api_key": "k"}, ["api_key"]),
    "keys": ({"api_keys": [{"key": "k"}]}, ["api_keys"]),
    "a key of a file": ({"api_key": {"file": "/etc/passwd"}}, ["api_key"]),
    "credentials": ({"credentials": {"service_account": "x"}}, ["credentials"]),
    "a variable": ({"endpoint": "http://h/${HOME}"}, ["endpoint"]),
    "an escaped variable": ({"default_model": "$${HOME}"}, ["default_model"]),
    "a variable in a list": ({"models": ["m", "${HOME}"]}, ["models[1]"]),
    "a variable deep inside": ({"model_info": {"m": {"aliases": ["${A}"]}}}, ["model_info.m.aliases[0]"]),
    "a variable for a name": ({"model_info": {"${A}": {}}}, ["model_info"]),
    "a variable in a header": ({"headers": {"x-a": "${A:-b}"}}, ["headers.x-a"]),
    "a variable for a region": ({"kind": "bedrock", "region": "${A}"}, ["region"]),
    "a file in a header": ({"headers": {"x-a": {"file": "/etc/passwd"}}}, ["headers.x-a"]),
    "a file for a proxy": ({"proxy": {"file": "/x"}}, ["proxy"]),
    "a command": ({"options": {"command": "/bin/sh"}}, ["options.command"]),
    "an interpreter": ({"options": {"python": "/bin/sh"}}, ["options.python"]),
    "a credentials file": ({"kind": "vertex", "options": {"credentials_file": "/x"}}, ["options.credentials_file"]),
    "a profile, which may name a process": ({"kind": "bedrock", "options": {"profile": "x"}}, ["options.profile"]),
    "an authority": ({"options": {"authority": "evil.example"}}, ["options.authority"]),
    "a place by an option": ({"options": {"region": "evil.example/"}}, ["options.region"]),
    "an option that nobody knows": ({"options": {"newer": 1}}, ["options.newer"]),
    "a process": ({"kind": "claude_code"}, ["kind"]),
    "a process in other words": ({"kind": "Claude Code"}, ["kind"]),
    "LiteLLM": ({"kind": "litellm"}, ["kind"]),
    "a proxy with a password": ({"proxy": "http://u:secret@h:1"}, ["proxy"]),
    "an address with a password": ({"endpoint": "http://u:secret@h/v1"}, ["endpoint"]),
    "an address with a query": ({"endpoints": ["http://h/v1", "http://h/v1?token=evil"]}, ["endpoints[1]"]),
    "no address": ({"endpoint": "evil evil"}, ["endpoint"]),
    "a header that signs in": ({"headers": {"Authorization": "x"}}, ["headers.Authorization"]),
    "a header with a key": ({"headers": {"x-api-key": "x"}}, ["headers.x-api-key"]),
    "a key for a header": ({"headers": {"x-a": "Bearer sk-0123456789abcdef"}}, ["headers.x-a"]),
    "a key for a model": ({"default_model": "sk-0123456789abcdef0123"}, ["default_model"]),
    "a region that is a host": ({"kind": "bedrock", "region": "evil.example/x"}, ["region"]),
    "a location that is a host": ({"kind": "vertex", "location": "evil.example#"}, ["location"]),
    "a region of an address": ({"endpoints": [{"url": "http://h", "region": "a/b"}]}, ["endpoints[0].region"]),
    "Azure elsewhere": ({"kind": "azure_openai", "endpoint": "https://evil.example"}, ["endpoint"]),
    "Azure by a look": ({"kind": "azure_openai", "endpoint": "https://x.openai.azure.com.evil.example"}, ["endpoint"]),
    "Azure, a machine": ({"kind": "azure_foundry", "endpoint": "https://x.cloudapp.azure.com"}, ["endpoint"]),
    "Vertex elsewhere": ({"kind": "vertex", "endpoints": ["https://a.googleapis.com", "http://e"]}, ["endpoints[1]"]),
    "Bedrock elsewhere": ({"kind": "bedrock", "endpoint": "https://ec2-1.compute-1.amazonaws.com"}, ["endpoint"]),
}


@pytest.mark.parametrize(("provider", "told"), REFUSED.values(), ids=REFUSED)
def test_what_reaches_into_the_machine_is_refused(provider: dict[str, Any], told: list[str]) -> None:
    """By field, and each once; the value is not repeated."""
    settings = provider if "kind" in provider else {"kind": "openai_compatible", **provider}
    assert _fields(settings) == told
    for violation in refusals("edge", settings):
        assert violation.reason == "NOT_ALLOWED"
        assert "evil" not in violation.description
        assert "sk-01" not in violation.description


def test_a_name_that_is_a_kind_counts() -> None:
    """Where no kind is given, the name is one."""
    assert _fields({}, "claude_code") == ["kind"]
    assert _fields({"kind": "openai"}, "claude_code") == []


def test_every_kind_that_starts_a_process_is_refused() -> None:
    """Derived from the kinds themselves."""
    starting = [kind for kind, row in plugins.rows().items() if row.transport]
    assert len(starting) >= 2
    assert all(_fields({"kind": kind}) == ["kind"] for kind in starting)


def test_a_kind_with_an_identity_has_hosts_of_its_own() -> None:
    """No kind is without a rule for where the machine's credentials go."""
    for kind, row in plugins.rows().items():
        elsewhere = _fields({"kind": kind, "endpoint": "https://evil.example"})
        assert ("endpoint" in elsewhere) == bool(row.identity)


def test_plugins_are_refused_and_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their code runs only where the file says so."""
    added = importlib.metadata.EntryPoint("foreign", "no_such_module:ROW", plugins.GROUP)
    monkeypatch.setattr(plugins, "_entry_points", lambda: (added,))
    plugins.names.cache_clear()
    try:
        assert _fields({"kind": "foreign"}) == ["kind"]
    finally:
        monkeypatch.undo()
        plugins.names.cache_clear()


def test_routes_hold_no_references_either() -> None:
    """The name of a model goes to a provider, so a variable there would carry a secret out."""
    route = {"targets": [{"provider": "edge", "model": "${OPENAI_API_KEY}"}, "edge/m"], "strategy": {"file": "/x"}}
    assert [violation.field for violation in references(route)] == ["targets[0].model", "strategy"]
    assert references({"targets": ["edge/m"], "timeouts": {"total": "5s"}}) == []
