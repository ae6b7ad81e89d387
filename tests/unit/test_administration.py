"""The administration without a socket: what its contract declares, what its section of the file may say, settings one by one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway.admin.documents import document_of
from llm_gateway.admin.documents import settings_of as documents_settings
from llm_gateway.admin.methods import METHODS, SERVICES, declared
from llm_gateway.admin.pages import page
from llm_gateway.cli import main
from llm_gateway.config import ConfigError, Layer, Traced, fingerprint, load, models
from llm_gateway.config.effective import Source, settings_of, text
from llm_gateway.config.values import PARSERS
from llmgateway.admin.v1 import role_pb2, settings_pb2

HASH = f"sha256:{hashlib.sha256(b'a-key').hexdigest()}"
KEY = {"name": "ops", "role": "operator", "hash": HASH}


def test_every_method_declares_its_role() -> None:
    """And what only looks says so, as whatever else is told in an audit line."""
    assert len(METHODS) == sum(len(service.methods) for service in SERVICES)
    changing = {path.rpartition("/")[2]: method.role for path, method in METHODS.items() if method.changes}
    assert changing.pop("ReloadConfig") == role_pb2.ROLE_OPERATOR
    assert set(changing.values()) == {role_pb2.ROLE_ADMIN}
    looking = ("Get", "List", "Test", "Explain", "Estimate")
    assert {path for path, method in METHODS.items() if not method.changes} == {
        path for path in METHODS if path.rpartition("/")[2].startswith(looking)
    }


def test_every_change_can_be_checked_alone() -> None:
    """And whatever it is of can be asked for as it was looked at; what makes something new, or goes back, has nothing to compare."""
    for service in SERVICES:
        for name, method in service.methods_by_name.items():
            if not METHODS[f"/{service.full_name}/{name}"].changes:
                continue
            fields = set(method.input_type.fields_by_name)
            assert "validate_only" in fields, name
            if name not in {"ReloadConfig", "RollbackConfig"} and not name.startswith(("Create", "Add")):
                assert fields & {"etag", "provider", "route"}, name


def test_lists_come_in_pages() -> None:
    """All of them."""
    for service in SERVICES:
        for name, method in service.methods_by_name.items():
            if name.startswith("List"):
                assert {"page_size", "page_token"} <= set(method.input_type.fields_by_name), name
                assert "next_page_token" in method.output_type.fields_by_name, name


def test_a_method_without_a_role_is_found() -> None:
    """So that nobody adds one that everyone may call."""
    file = descriptor_pb2.FileDescriptorProto(name="bare.proto", package="bare")
    file.message_type.add(name="Nothing")
    method = file.service.add(name="Bare").method.add(name="Do")
    method.input_type = method.output_type = ".bare.Nothing"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    with pytest.raises(LookupError, match=r"bare\.Bare\.Do declares no role"):
        declared([pool.FindServiceByName("bare.Bare")])


def loaded(folder: Path, config: Mapping[str, Any], env: Mapping[str, str] | None = None) -> models.Config:
    path = folder / "gateway.yaml"
    path.write_text(json.dumps(config, indent=1))
    return load(str(path), env or {})


@pytest.mark.parametrize(
    ("admin", "server", "key", "said"),
    [
        ({}, {}, "admin.keys", "make a key and its line with `llm-gateway admin-key new`"),
        ({"keys": [KEY], "listen": "0.0.0.0:1"}, {}, "admin.listen", "open to other machines without TLS"),
        ({"keys": [KEY], "listen": "nowhere"}, {}, "admin.listen", "write host:port such as 127.0.0.1:50052"),
        ({"keys": [KEY], "listen": "127.0.0.1:50051"}, {}, "admin.listen", "give it a port of its own"),
        ({"keys": [{**KEY, "hash": "a-key-itself"}]}, {}, "admin.keys[0].hash", "is no hash of a key"),
        ({"keys": [{**KEY, "role": "root"}]}, {}, "admin.keys[0].role", "is none of viewer, operator, admin"),
        ({"keys": [{"name": "ops", "hash": HASH}]}, {}, "admin.keys[0].role", "is missing"),
        ({"keys": [KEY, {**KEY, "name": "other"}]}, {}, "admin.keys[1].hash", "is given twice"),
        ({"keys": [KEY], "client_certificates": "require"}, {}, "admin.client_certificates", "client_ca_file"),
        (
            {"keys": [KEY], "certificates": [{"san": "a", "role": "admin"}]},
            {},
            "admin.certificates",
            "set admin.client_certificates: require",
        ),
    ],
)
def test_a_section_that_cannot_be_meant_says_what_would_be_right(
    tmp_path: Path, admin: Mapping[str, Any], server: Mapping[str, Any], key: str, said: str
) -> None:
    """By its key; a key that stands where its hash belongs is not shown."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {"admin": admin, "server": server, "providers": {"echo": {}}})
    [problem] = caught.value.errors
    assert problem.key == key
    assert said in str(problem)
    assert "a-key-itself" not in str(problem)


def test_settings_are_told_with_their_places(tmp_path: Path) -> None:
    """Bare texts that stand for a struct, items of lists, and what a variable of the vendor gives."""
    config = {
        "admin": {"keys": [KEY]},
        "providers": {"anthropic": {"default_model": "m"}, "echo": {"options": {"api_key": "hidden", "n": 1}}},
        "routes": {"r": {"targets": ["anthropic/m"], "retry": {"max_attempts": 5}}},
        "default_provider": "echo",
    }
    found = {
        one.key: one for one in settings_of(loaded(tmp_path, config, {"ANTHROPIC_API_KEY": "vendor-key-0123456789"}))
    }
    lines = (tmp_path / "gateway.yaml").read_text().splitlines()
    key = found["providers.anthropic.api_key"]
    assert (key.value, key.source, key.variables) == ("***", Source.ENVIRONMENT, ("ANTHROPIC_API_KEY",))
    target = found["routes.r.targets[0].model"]
    assert (target.value, target.source) == ("m", Source.FILE)
    assert "anthropic/m" in lines[target.line - 1]
    assert found["routes.r.retry.max_attempts"].source is Source.FILE
    assert found["routes.r.retry.max_backoff"] == found["routes.r.retry.max_backoff"].__class__(
        key="routes.r.retry.max_backoff", value="8s", source=Source.DEFAULT
    )
    assert found["admin.keys[0].hash"].value == "***"
    assert found["providers.echo.options.api_key"].value == "***"


def test_where_settings_stand_is_no_setting(tmp_path: Path) -> None:
    """A blank line more changes no fingerprint, and without the section nothing of it is kept."""
    config = loaded(tmp_path, {"admin": {"keys": [KEY]}, "providers": {"echo": {}}})
    path = tmp_path / "gateway.yaml"
    path.write_text("\n\n" + path.read_text())
    assert fingerprint(load(str(path), {})) == fingerprint(config)
    assert not isinstance(loaded(tmp_path, {"providers": {"echo": {}}}), Traced)


@given(
    st.one_of(
        st.tuples(
            st.just(models.Duration), st.integers(0, 10**9).map(lambda ms: ms / 1000).filter(lambda s: s < 1.8e6)
        ),
        st.tuples(st.just(models.Price), st.integers(0, 10**18)),
        st.tuples(st.just(models.Size), st.integers(1, 2**31 - 1)),
        st.tuples(st.just(models.Count), st.integers(0, 999_999_999)),
        st.tuples(st.just(bool), st.booleans()),
    )
)
def test_a_value_is_told_as_the_file_would_have_it(case: tuple[Any, Any]) -> None:
    """What is shown, read again, is the same value."""
    kind, value = case
    parse: Callable[[str], Any] = PARSERS[kind.__metadata__[0] if hasattr(kind, "__metadata__") else kind]
    assert parse(text(value, kind)) == pytest.approx(value, rel=1e-12)


@given(st.sets(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,5}", fullmatch=True)), st.integers(1, 4))
def test_pages_hold_every_name_once_and_in_order(names: set[str], size: int) -> None:
    """Whatever their size."""
    found, token = list[str](), ""
    while True:
        some, token = page(names, size, token)
        found += some
        if not token:
            break
        assert len(some) == size
    assert found == sorted(names)


def test_a_new_key_and_its_line_belong_together(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The line is read by the configuration as it is printed; the key is shown to a person and to a script."""
    assert main(["admin-key", "new", "--name", "ops", "--role", "viewer"]) == 0
    printed = capsys.readouterr().out
    [key] = re.findall(r"lgwadm-[0-9a-f]{64}", printed)
    [line] = re.findall(r"    - \{.*\}", printed)
    (tmp_path / "gateway.yaml").write_text(f"admin:\n  keys:\n{line}\nproviders: {{echo: {{}}}}\n")
    admin = load(str(tmp_path / "gateway.yaml"), {}).admin
    assert admin is not None
    assert admin.keys[0].hash.reveal() == f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
    assert main(["admin-key", "new", "--name", "ops", "--role", "viewer", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["hash"] == f"sha256:{hashlib.sha256(made['key'].encode()).hexdigest()}"
    assert made["key"] != key


ELSEWHERE = {"enabled", "api_keys", "credentials", "tls"}
"""Keys of a provider that are no settings at run time: methods switch it, keys are kept apart, the rest is the file's."""


def test_settings_have_a_field_for_each_key_of_the_file() -> None:
    """Of providers and routes and all that is in them, as far as they may be set at run time; neither can gain one alone."""
    for name, message in settings_pb2.DESCRIPTOR.message_types_by_name.items():
        struct = getattr(models, name.removesuffix("Settings"))
        keys = set(struct.__struct_fields__) - (ELSEWHERE if struct is models.Provider else set())
        assert set(message.fields_by_name) == keys, name


def test_a_document_is_read_as_the_file_is() -> None:
    """Settings of the contract, kept as a document, are those that the same keys of the file give."""
    made = settings_pb2.ProviderSettings(kind="openai_compatible", endpoint="http://h/v1", api_key="none", local=False)
    made.timeouts.connect.FromMilliseconds(1500)
    made.limits.concurrency = 3
    made.prices["*"].input = "3.25"
    made.model_info["m"].capabilities["tools"] = False
    made.options["truncate"] = 5
    made.endpoints.add(url="http://a", weight=0.5)
    document = dict(document_of(made, "provider.settings"))
    assert documents_settings(document, settings_pb2.ProviderSettings) == made
    del document["endpoint"]
    edge = load(None, {}, layer=Layer(providers={"edge": document})).providers["edge"]
    assert edge.endpoints == (models.Endpoint(url="http://a", weight=0.5),)
    assert (edge.timeouts.connect, edge.limits.concurrency, edge.prices["*"].input) == (1.5, 3, 3_250_000_000)
    assert (edge.local, edge.options["truncate"], edge.model_info["m"].capabilities) == (False, 5, {"tools": False})
