"""The configuration file: what loads, what it becomes, and what is said of a bad one."""

from __future__ import annotations

import copy
import importlib.util
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llm_gateway.config import (
    Config,
    ConfigError,
    ConfigProblem,
    Secret,
    config_path,
    fingerprint,
    load,
    models,
    pem,
)
from msgspec import Struct
from msgspec.structs import fields, replace

from tests.support import certificates

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = DOCS / "llm-gateway.example.yaml"
EXAMPLE_ENV = {"GATEWAY_KEY": "gateway-key", "ANTHROPIC_API_KEY": "anthropic-key"}

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration file and gives its path."""

    def write(text: str, name: str = "gateway.yaml") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def problems(path: str, env: Mapping[str, str] | None = None) -> list[ConfigProblem]:
    with pytest.raises(ConfigError) as caught:
        load(path, env or {})
    return caught.value.errors


def one_problem(path: str, env: Mapping[str, str] | None = None) -> ConfigProblem:
    [problem] = problems(path, env)
    return problem


EDGE = "edge: {kind: openai_compatible, endpoint: 'http://127.0.0.1:8000/v1', api_key: none, default_model: m}"


# --- what loads


def test_the_example_file_loads() -> None:
    """The commented sample is valid as it stands, and its values arrive."""
    config = load(str(EXAMPLE), EXAMPLE_ENV)
    assert [key.name for key in config.server.api_keys] == ["key-1", "billing"]
    assert list(config.providers) == ["anthropic", "edge"]
    assert config.providers["edge"].timeouts == models.ProviderTimeouts(
        connect=2.0, first_event=20.0, idle=30.0, attempt=60.0
    )
    assert config.server.max_message_bytes == 32 << 20
    assert config.server.max_connection_age == 1800.0
    route = config.routes["smart"]
    assert [(target.provider, target.model, target.weight) for target in route.targets] == [
        ("anthropic", "claude-sonnet-4-5", 3.0),
        ("edge", "m", 1.0),
    ]
    assert route.targets[1].capabilities == {"tools": True, "json_schema": True}
    assert route.fallbacks == (models.Target(provider="edge", model="m"),)
    assert (config.default_provider, config.default_model) == ("anthropic", "smart")


def test_the_example_file_loads_with_everything_switched_on(tmp_path: Path) -> None:
    """Its disabled providers and its commented settings are valid too."""
    text = re.sub(r"^(\s*)# (tls: \{.*\})", r"\1\2", EXAMPLE.read_text(), flags=re.MULTILINE)
    text = text.replace("enabled: false", "enabled: true")
    folder = tmp_path / "tls"
    folder.mkdir()
    authority = trustme.CA()
    for name in ("server", "client"):
        certificates.write_pair(authority, folder / f"{name}.pem", folder / f"{name}.key")
    for name in ("ca", "clients"):
        authority.cert_pem.write_to_path(str(folder / f"{name}.pem"))
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    needed = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "value") | {"EGRESS_PROXY": "http://proxy:3128"}
    config = load(str(path), needed)
    assert config.server.tls is not None
    assert config.server.tls.client_ca_file == str(tmp_path / "tls/clients.pem")
    azure = config.providers["azure"]
    assert [(server.url, server.weight, server.region) for server in azure.servers] == [
        ("https://one.openai.azure.com", 3.0, "eastus"),
        ("https://two.openai.azure.com", 1.0, "westeurope"),
    ]
    assert [key.name for key in azure.keys] == ["first", "second"]
    assert azure.api_version == "2024-10-21"
    assert azure.prices["gpt-5"] == models.ModelPrice(
        input=1_250_000_000, output=10_000_000_000, cache_read=125_000_000, cache_write=0
    )
    assert azure.prices["*"].cache_read is None
    assert azure.model_info["gpt-5"].capabilities == {"parallel_tools": True, "logprobs": False}
    assert azure.proxy is not None
    assert azure.proxy.reveal() == "http://proxy:3128"


def _structs() -> list[type[Struct]]:
    return [kind for kind in vars(models).values() if isinstance(kind, type) and issubclass(kind, Struct)]


@pytest.mark.parametrize("kind", [kind for kind in _structs() if kind is not Struct], ids=lambda kind: kind.__name__)
def test_the_example_file_shows_every_key(kind: type[Struct]) -> None:
    """No setting exists that the sample does not show."""
    text = EXAMPLE.read_text()
    missing = [field.name for field in fields(kind) if not re.search(rf"(?m)(^\s*(# )?|[{{,] ?|- ){field.name}:", text)]
    assert not missing


ADMIN = f"providers: {{{EDGE}}}\nadmin: {{keys: [{{name: ops, role: admin, hash: 'sha256:{'0' * 64}'}}]}}\n"


def test_a_store_is_read(write: Write, tmp_path: Path) -> None:
    """The directory lies beside the file, the URL may come from a variable, and each master key from where it is."""
    (tmp_path / "master").write_text("a master key of a test")
    text = (
        ADMIN
        + "store: {directory: data, master_key: {file: master}, old_master_keys: [{env: OLD}, {command: [pass, show]}]}"
    )
    store = load(write(text), {}).store
    assert store is not None
    assert store.directory == str(tmp_path / "data")
    assert store.master_key == models.MasterKeySource(file=str(tmp_path / "master"))
    assert store.old_master_keys == (
        models.MasterKeySource(env="OLD"),
        models.MasterKeySource(command=("pass", "show")),
    )
    shared = load(write(ADMIN + "store: {url: '${STORE}'}"), {"STORE": "postgresql://gateway:secret2@db/llm"}).store
    assert shared is not None
    assert shared.url is not None
    assert "secret2" not in repr(shared)


@pytest.mark.parametrize(
    ("store", "key", "wrong"),
    [
        ("{}", "store", "names no place"),
        ("{directory: data, url: 'postgresql://a:secret2@b/c'}", "store.url", "is given beside directory"),
        ("{url: 'mysql://a:secret2@b/c'}", "store.url", "is no URL of a PostgreSQL"),
        ("{url: 'postgresql://a:secret2@b:none/c'}", "store.url", "is no URL of a PostgreSQL"),
        ("{url: 'postgresql://a:secret2@b'}", "store.url", "is no URL of a PostgreSQL"),
        ("{directory: data, master_key: {}}", "store.master_key", "says not where the key is"),
        ("{directory: data, master_key: {env: A, command: [b]}}", "store.master_key", "has env and command"),
        ("{directory: data, master_key: secret2}", "store.master_key", "must be a mapping, not a single value"),
        ("{directory: data, master_key: {file: none}}", "store.master_key.file", "'none' is not a file"),
        ("{directory: data, old_master_keys: [{env: A}]}", "store.old_master_keys", "are given without master_key"),
        ("{directory: data, key: secret2}", "store.key", "is unknown"),
    ],
)
def test_a_store_that_could_not_be_opened_is_refused(write: Write, store: str, key: str, wrong: str) -> None:
    """Each fault is told with its place, and none tells the password."""
    problem = one_problem(write(f"{ADMIN}store: {store}"))
    assert (problem.key, problem.wrong) == (key, wrong)
    assert problem.line == 3
    assert "secret2" not in str(problem)


@pytest.mark.parametrize(
    ("provider", "wrong"),
    [
        (
            "{kind: vllm, endpoint: 'http://a', proxy: 'http://b:1', resolve: all}",
            "is all beside proxy, which looks the name up itself",
        ),
        ("{kind: claude_code, resolve: all}", "is nothing for kind claude_code, which has no address"),
        ("{kind: echo, resolve: all}", "is nothing for kind echo, which has no address"),
        ("{kind: vllm, endpoint: 'http://a', resolve: some}", "'some' is none of one, all"),
    ],
)
def test_addresses_of_a_name_are_endpoints_only_where_we_look_it_up(write: Write, provider: str, wrong: str) -> None:
    """Not through a proxy, nor where a process is started."""
    problem = one_problem(write(f"providers: {{p: {provider}}}"))
    assert (problem.key, problem.wrong) == ("providers.p.resolve", wrong)


def test_a_store_without_an_administration_is_refused(write: Write) -> None:
    """Nothing would read it."""
    problem = one_problem(write(f"providers: {{{EDGE}}}\nstore: {{directory: data}}"))
    assert (problem.key, problem.right) == ("store", "add an admin section, or take store out")


@pytest.mark.parametrize(
    ("absent", "store", "extra"),
    [("sqlalchemy", "{directory: data}", "admin"), ("psycopg", "{url: 'postgresql://h/d'}", "postgres")],
)
def test_a_missing_extra_of_the_store_is_named(
    write: Write, monkeypatch: pytest.MonkeyPatch, absent: str, store: str, extra: str
) -> None:
    """With the line that installs it; a file that is checked for any environment passes."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else find(name))
    path = write(f"{ADMIN}store: {store}")
    problem = one_problem(path)
    assert problem.key == "store"
    assert f"pip install ./clients/python '.[{extra}]'" in problem.wrong
    assert load(path, {}, any_environment=True).store is not None


def test_json_is_a_configuration(write: Write) -> None:
    """JSON, tab-indented and with escapes beyond the BMP, is read like the YAML that it is."""
    options = {"note": "tab\tand \U0001f600", "deep": {"n": 1, "f": 0.5, "t": True, "z": None, "l": ["1", -2]}}
    edge = {"kind": "openai_compatible", "endpoint": "http://h:1/v1", "api_key": "test", "options": options}
    data = {"providers": {"edge": edge}}
    for text in (json.dumps(data), json.dumps(data, indent="\t", ensure_ascii=False)):
        assert load(write(text), {}).providers["edge"].options == options


def test_a_value_is_read_by_the_type_of_its_key(write: Write) -> None:
    """YAML's guesses (no is false, a date, a float) do not change names and versions."""
    path = write(
        "providers: {edge: {kind: openai_compatible, endpoint: 'http://h/', models: [no, 1.10, 0x1F], api_version: 2024-10-21}}"
    )
    edge = load(path, {}).providers["edge"]
    assert edge.models == ("no", "1.10", "0x1F")
    assert edge.api_version == "2024-10-21"
    assert edge.endpoint == "http://h"


def test_variables_fill_values_of_every_type(write: Write) -> None:
    """A variable may hold a number or a flag; a default serves an unset and an empty one; $${ stays."""
    path = write(
        """
        server: {max_in_flight: "${N}", reflection: "${FLAG:-true}", lame_duck: "${EMPTY:-3s}"}
        providers:
          edge: {kind: openai_compatible, endpoint: "http://${HOST}:80/v1", options: {template: "$${x}", n: "${N}"}}
        """
    )
    config = load(path, {"N": "7", "HOST": "h", "EMPTY": ""})
    assert (config.server.max_in_flight, config.server.reflection, config.server.lame_duck) == (7, True, 3.0)
    assert config.providers["edge"].endpoint == "http://h:80/v1"
    assert config.providers["edge"].options == {"template": "${x}", "n": "7"}


def test_a_variable_that_is_not_utf8_is_refused(write: Write) -> None:
    """Such bytes arrive as lone surrogates, which nothing later could encode."""
    assert one_problem(write("default_model: '${M}'"), {"M": "a\udcff"}).key == "default_model"


def test_what_a_variable_holds_is_not_expanded_again(write: Write) -> None:
    """A key that holds ${ is a key, not a reference."""
    config = load(write('providers: {openai: {api_key: "${K}"}}'), {"K": "a${HOME}b"})
    assert config.providers["openai"].keys[0].key.reveal() == "a${HOME}b"


def test_the_kind_defaults_to_the_id_and_takes_aliases(write: Write) -> None:
    """claude is anthropic and gpt is openai, as an id, a kind and the default provider."""
    config = load(
        write(
            "{providers: {claude: {api_key: x}, mine: {kind: gpt, api_key: x}, openai: {api_key: x}}, default_provider: gpt}"
        ),
        {},
    )
    assert {name: provider.kind for name, provider in config.providers.items()} == {
        "claude": "anthropic",
        "mine": "openai",
        "openai": "openai",
    }
    assert config.default_provider == "openai"


def test_the_file_tells_every_model_that_it_names(write: Write) -> None:
    """Declared, described, defaults, and those of routes, fallbacks and experiments; of that provider only."""
    text = """
        providers:
          a: {kind: echo, default_model: m2, model_info: {m3: {}}}
          b: {kind: echo, models: [listed]}
        default_model: a/m4
        routes:
          r: {targets: [a/m5, b/o], fallbacks: [a/m6], context_fallbacks: [a/m7], content_fallbacks: [a/m8]}
          e: {experiment: {name: x, arms: [{name: one, provider: a, model: m9}, {name: two, provider: b, model: o}]}}
    """
    named = load(write(text), {}).models_named()
    assert named["a"] == {f"m{number}" for number in range(2, 10)}
    assert named["b"] == {"listed", "o"}


def test_a_key_left_out_is_the_usual_variable(write: Write) -> None:
    """A provider at its vendor's address takes the vendor's variable."""
    config = load(write("providers: {openai: , gemini: {}}"), {"OPENAI_API_KEY": "k1", "GOOGLE_API_KEY": "k2\n"})
    assert [provider.keys[0].key.reveal() for provider in config.providers.values()] == ["k1", "k2"]


def test_a_usual_key_is_not_sent_to_another_address(write: Write) -> None:
    """With an endpoint of its own a provider gets no key that was not written for it."""
    problem = one_problem(write("providers: {openai: {endpoint: 'http://elsewhere'}}"), {"OPENAI_API_KEY": "k"})
    assert (problem.key, problem.wrong) == ("providers.openai.api_key", "is missing")


def test_a_usual_variable_that_holds_no_key_is_named(write: Write) -> None:
    """The variable is at fault, not the file."""
    problem = one_problem(write("providers: {openai: {}}"), {"OPENAI_API_KEY": "a\u2019b"})
    assert (problem.file, problem.key) == ("environment", "OPENAI_API_KEY")


def test_api_key_none_means_no_credentials(write: Write) -> None:
    """none is told apart from a key that was left out."""
    edge = load(write("providers: {" + EDGE + "}"), {"OPENAI_API_KEY": "k"}).providers["edge"]
    assert edge.keys == ()
    assert edge.api_key == Secret("")
    assert not edge.api_key


def test_what_a_cloud_needs_may_come_from_its_variables(write: Write) -> None:
    """Region, project and location are taken from the environment; what is nowhere is named."""
    env = {"AWS_REGION": "eu-west-1", "GOOGLE_CLOUD_PROJECT": "p"}
    path = write("providers: {bedrock: {}, vertex: {location: global}}")
    config = load(path, env)
    assert config.providers["bedrock"].region == "eu-west-1"
    assert config.providers["vertex"].project == "p"
    assert [problem.key for problem in problems(path)] == ["providers.bedrock.region", "providers.vertex.project"]


def test_regions_of_all_endpoints_are_a_region(write: Write) -> None:
    """A provider whose endpoints name their regions needs none of its own."""
    path = write("providers: {bedrock: {endpoints: [{url: 'https://h', region: us-east-1}]}}")
    assert load(path, {}).providers["bedrock"].servers[0].region == "us-east-1"


def test_a_provider_that_is_off_is_as_if_it_were_not_there(write: Write) -> None:
    """Its variables need not be set, and targets that name it fall away."""
    path = write(
        "providers:\n  " + EDGE + "\n"
        "  openai: {enabled: false, api_key: '${NOPE}', api_keys: ['${NOPE}'], options: {x: '${NOPE}'}}\n"
        "routes: {r: {targets: [openai/gpt, edge/m], fallbacks: [openai/gpt]}}\n"
    )
    config = load(path, {})
    assert list(config.providers) == ["edge"]
    assert [target.provider for target in config.routes["r"].targets] == ["edge"]
    assert config.routes["r"].fallbacks == ()
    assert config.default_provider == "edge"


def test_a_target_without_a_model_takes_the_providers_default(write: Write) -> None:
    """The model is filled in on loading; without any it is asked for."""
    config = load(write("providers: {" + EDGE + "}\nroutes: {r: {targets: [{provider: edge}]}}"), {})
    assert config.routes["r"].targets[0].model == "m"
    path = write("providers: {openai: {api_key: x}}\nroutes: {r: {targets: [{provider: openai}]}}")
    assert one_problem(path).key == "routes.r.targets[0].model"


def test_the_only_provider_is_the_default(write: Write) -> None:
    """With several the file must say."""
    assert load(write("providers: {" + EDGE + "}"), {}).default_provider == "edge"
    assert load(write("providers: {" + EDGE + ", openai: {api_key: x}}"), {}).default_provider is None


def test_an_empty_provider_section_gives_echo_and_none_the_environments(write: Write) -> None:
    """A file that says nothing about providers leaves them to the environment."""
    assert list(load(write("providers: {}"), {"OPENAI_API_KEY": "k"}).providers) == ["echo"]
    config = load(write("server: {log: {level: debug}}"), {"OPENAI_API_KEY": "k"})
    assert list(config.providers) == ["openai"]
    assert config.server.log.level == "debug"
    assert list(load(write(""), {}).providers) == ["echo"]


def test_aliases_repeat_a_value(write: Write) -> None:
    """YAML anchors save repeating a mapping."""
    path = write(
        "providers:\n  a: {kind: openai, api_key: x, timeouts: &slow {idle: 9s}}\n"
        "  b: {kind: openai, api_key: x, timeouts: *slow}\n"
    )
    assert load(path, {}).providers["b"].timeouts.idle == 9.0


def test_the_file_is_the_one_given_or_the_one_that_the_environment_names(write: Write) -> None:
    """LLM_GATEWAY_CONFIG counts when no path is given."""
    path = write("server: {listen: '127.0.0.1:1'}")
    assert load(None, {"LLM_GATEWAY_CONFIG": path}).server.listen == "127.0.0.1:1"
    assert config_path("a", {"LLM_GATEWAY_CONFIG": "b"}) == "a"
    assert config_path(None, {}) is None


@pytest.mark.parametrize(
    "listen",
    ["127.0.0.1:0", "127.8.9.1:50051", "localhost:50051", "[::1]:50051", "unix:/run/gateway.sock", "unix:relative"],
)
def test_loopback_needs_no_keys(write: Write, listen: str) -> None:
    """Where only this machine can connect, plaintext without keys is fine."""
    assert load(write(f"server: {{listen: '{listen}'}}"), {}).server.listen == listen


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:50051", "[::]:50051", "10.0.0.1:1", "gateway.internal:50051", "127.0.0.1.nip.io:1"]
)
def test_beyond_loopback_keys_and_tls_are_demanded(write: Write, tmp_path: Path, listen: str) -> None:
    """Each lack is named on its own, and each way out works."""
    found = problems(write(f"server: {{listen: '{listen}'}}"))
    assert ["api_keys" in found[0].wrong, "TLS" in found[1].wrong] == [True, True]
    [left] = problems(write(f"server: {{listen: '{listen}', insecure: true}}"))
    assert "api_keys" in left.wrong
    [left] = problems(write(f"server: {{listen: '{listen}', api_keys: [k]}}"))
    assert "TLS" in left.wrong
    load(write(f"server: {{listen: '{listen}', api_keys: [k], insecure: true}}"), {})
    certificates.write_pair(trustme.CA(), tmp_path / "c.pem", tmp_path / "k.pem")
    load(write(f"server: {{listen: '{listen}', api_keys: [k], tls: {{cert_file: c.pem, key_file: k.pem}}}}"), {})


# --- files of TLS


@pytest.mark.parametrize(
    ("cert", "key", "field", "wrong"),
    [
        ("c.pem", "other.key", "key_file", "is not the key of the certificate in cert_file"),
        ("k.pem", "c.pem", "cert_file", "holds no certificate in PEM"),
        ("c.pem", "c.pem", "key_file", "holds no private key in PEM"),
        ("gateway.yaml", "k.pem", "cert_file", "holds no certificate in PEM"),
        ("cut.pem", "k.pem", "cert_file", "cannot be read as PEM"),
        ("c.pem", "encrypted.pem", "key_file", "is encrypted"),
    ],
)
@pytest.mark.parametrize("place", ["server.tls", "providers.edge.tls"])
def test_certificate_and_key_are_read_with_the_file_that_names_them(
    write: Write, tmp_path: Path, cert: str, key: str, field: str, wrong: str, place: str
) -> None:
    """Ours and those towards a provider: wrong files, swapped ones, of two pairs, damaged, encrypted."""
    authority = trustme.CA()
    certificates.write_pair(authority, tmp_path / "c.pem", tmp_path / "k.pem")
    certificates.write_pair(authority, tmp_path / "other.pem", tmp_path / "other.key")
    lines = (tmp_path / "c.pem").read_text().splitlines()
    (tmp_path / "cut.pem").write_text("\n".join([*lines[:3], *lines[-1:]]))
    (tmp_path / "encrypted.pem").write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    tls = f"tls: {{cert_file: {cert}, key_file: {key}}}"
    text = f"server: {{{tls if place == 'server.tls' else ''}}}\nproviders: {{{EDGE[:-1]}, {tls if 'edge' in place else ''}}}}}"
    found = problems(write(text))
    assert f"{place}.{field}" in [problem.key for problem in found]
    assert wrong in str(found[0])


def test_authorities_are_read_too(write: Write, tmp_path: Path) -> None:
    """A key in their place is none; the right file loads."""
    authority = trustme.CA()
    certificates.write_pair(authority, tmp_path / "c.pem", tmp_path / "k.pem")
    text = "server: {tls: {cert_file: c.pem, key_file: k.pem, client_ca_file: %s}}"
    problem = one_problem(write(text % "k.pem"))
    assert (problem.key, "holds no certificate in PEM" in problem.wrong) == ("server.tls.client_ca_file", True)
    problem = one_problem(write(f"providers: {{{EDGE[:-1]}, tls: {{ca_file: k.pem}}}}}}"))
    assert problem.key == "providers.edge.tls.ca_file"
    load(write(text % "c.pem"), {})


def test_the_end_of_a_certificate_is_read(tmp_path: Path) -> None:
    """To the day, of both forms of its time; what is no certificate has none."""
    now = datetime.now(UTC)
    for days in (-3.0, 3.0, 40.0 * 365):  # after 2049 the other form
        certificates.write_pair(trustme.CA(), tmp_path / "c.pem", tmp_path / "k.pem", days=days)
        end = pem.ends(str(tmp_path / "c.pem"))
        assert end is not None
        assert abs((end - now).total_seconds() - days * 86400) < 3600
    assert pem.ends(str(tmp_path / "k.pem")) is None
    (tmp_path / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    assert pem.ends(str(tmp_path / "bad.pem")) is None


# --- keys that are none


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("$OPENAI_KEY", "OPENAI_KEY"),
        ("$openai_key", "openai_key"),
        ("$(OPENAI_KEY)", "OPENAI_KEY"),
        ("%OPENAI_KEY%", "OPENAI_KEY"),
        ("env:OPENAI_KEY", "OPENAI_KEY"),
        ("$env:OPENAI_KEY", "OPENAI_KEY"),
        ("env.OPENAI_KEY", "OPENAI_KEY"),
        ("process.env.OPENAI_KEY", "OPENAI_KEY"),
        ("os.environ/OPENAI_KEY", "OPENAI_KEY"),
        ("{{ OPENAI_KEY }}", "OPENAI_KEY"),
        ("{{ .Values.OPENAI_KEY }}", "OPENAI_KEY"),
    ],
)
def test_a_variable_written_as_elsewhere_is_no_value(write: Write, text: str, name: str) -> None:
    """In a key, a header and a name; the message says how it is written here."""
    for path, file in (
        ("providers.openai.api_key", f"providers: {{openai: {{api_key: '{text}'}}}}"),
        ("providers.openai.headers.x", f"providers: {{openai: {{api_key: k, headers: {{x: '{text}'}}}}}}"),
        ("providers.openai.default_model", f"providers: {{openai: {{api_key: k, default_model: '{text}'}}}}"),
    ):
        problem = one_problem(write(file))
        assert (problem.key, problem.right) == (path, f"write ${{{name}}}")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("sk-...", "is a placeholder"),
        ("sk-abc…", "is a placeholder"),
        ("sk-****1234", "is a placeholder"),
        ("your-api-key", "is a placeholder"),
        ("YOUR_API_KEY", "is a placeholder"),
        ("sk-your-key-goes-here", "is a placeholder"),
        ("<api key>", "is a placeholder"),
        ("sk-xxxxxxxxxxxx", "is a placeholder"),
        ("changeme", "is a placeholder"),
        ("REPLACE_ME", "is a placeholder"),
        ('"sk-1234abcd"', "has quotes that are part of the value"),
        ("'sk-1234abcd'", "has quotes that are part of the value"),
        ("Bearer sk-1234abcd", "begins with Bearer"),
        ("sk-1234 abcd", "holds a space"),
        ("sk-1234\nabcd", "holds a character that a header cannot carry"),
    ],
)
def test_a_key_that_is_none_is_refused_wherever_it_comes_from(write: Write, text: str, wrong: str) -> None:
    """A variable of the file, the vendor's own variable with and without a file, a key of the gateway; the value is not shown."""
    referring = write('providers: {openai: {api_key: "${KEY}"}}')
    bare = write("providers: {openai: {}}", "bare.yaml")
    gateway = write(f"server: {{api_keys: ['${{KEY}}']}}\nproviders: {{{EDGE}}}", "gateway2.yaml")
    for path, env in ((referring, {"KEY": text}), (bare, {"OPENAI_API_KEY": text}), (gateway, {"KEY": text})):
        problem = one_problem(path, env)
        assert problem.wrong.startswith(wrong)
        assert text not in str(problem)
    with pytest.raises(ConfigError) as caught:
        load(None, {"OPENAI_API_KEY": text})
    assert wrong in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "none",
        "dummy",
        "EMPTY",
        "lm-studio",
        "ollama",
        "k",
        "sk-or-v1-0a1b",
        "AIza_-x",
        "a:b@c",
        "$2b$12$x",
        "sk-heretic",
    ],
)
def test_a_key_of_any_looks_is_taken(write: Write, key: str) -> None:
    """Local servers and tests have keys of all sorts."""
    load(write(f"providers: {{openai: {{api_key: '{key}'}}}}"), {})


# --- for any environment


def test_a_file_is_checked_without_its_environment(write: Write) -> None:
    """No variable need be set, nor does one that is set count; what is wrong all the same is found, and nothing that follows from a variable."""
    text = (
        'server: {listen: "${LISTEN}", api_keys: ["${A}", "${B}"]}\n'
        'providers: {openai: {}, anthropic: {api_key: "${KEY}"}, bedrock: {}, edge: {kind: openai_compatible, endpoint: "${URL}", api_key: none}}\n'
        'routes: {r: {targets: ["openai/gpt-5", {provider: "${P}", model: m}]}}\n'
        'default_provider: "${D}"\n'
    )
    assert load(write(text), {"KEY": "sk-..."}, any_environment=True).server.listen == "127.0.0.1:50051"
    path = write(text + "defaults: {timeouts: {total: soon}}\nroute: {}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {}, any_environment=True)
    assert [problem.key for problem in caught.value.errors] == ["defaults.timeouts.total", "route"]
    assert load(write("default_provider: openai\n"), {}, any_environment=True).stands_in


def test_what_no_variable_could_mend_is_missing_in_any_environment(write: Write) -> None:
    """An endpoint, say, which no variable gives to a provider of a file."""
    with pytest.raises(ConfigError) as caught:
        load(write("providers: {a: {kind: openai_compatible}}"), {}, any_environment=True)
    assert "providers.a.endpoint" in [problem.key for problem in caught.value.errors]


# --- tags


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("providers:\n  echo: !!python/object:os.system {kind: echo}\n", "providers.echo", 2),
        ("default_model: !!str 5\nproviders: {echo: {}}\n", "default_model", 1),
        ("server:\n  workers: !!int 2\n", "server.workers", 2),
        ("providers:\n  echo:\n    models: !!seq [a]\n", "providers.echo.models", 3),
        ("providers:\n  openai: {api_key: x, options: {a: !!python/name:os.x y}}\n", "providers.openai.options.a", 2),
        ("providers: {echo: {}}\n!!str default_provider: echo\n", "", 2),
        ("providers: {echo: {}}\nserver: !!null\n", "", 2),
        ("providers: {echo: {}}\ndefault_model: ! m\n", "default_model", 2),
    ],
)
def test_every_explicit_tag_is_refused_with_its_line(write: Write, text: str, key: str, line: int) -> None:
    """YAML's own, in both spellings, and Python's; on values, on keys and where nothing is read."""
    problem = one_problem(write(text))
    assert (problem.key, problem.line) == (key, line)
    assert "has a YAML tag" in problem.wrong


def test_an_exclamation_mark_is_no_tag(write: Write) -> None:
    """In a text, quoted or not, and in a comment."""
    load(write('providers: {echo: {default_model: "a !b"}}  # !important\ndefault_model: m!x\n'), {})


# --- variables that win over the file


def test_variables_win_over_the_file(write: Write) -> None:
    """Listen address, keys and the plaintext flag may be given where the file is fixed."""
    path = write("server: {listen: '127.0.0.1:1', api_keys: [old]}")
    env = {"LLM_GATEWAY_LISTEN": "0.0.0.0:2", "LLM_GATEWAY_API_KEYS": "a, b", "LLM_GATEWAY_INSECURE": "true"}
    server = load(path, env).server
    assert server.listen == "0.0.0.0:2"
    assert [(key.name, key.key.reveal()) for key in server.api_keys] == [("key-1", "a"), ("key-2", "b")]
    assert server.insecure


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ({"LLM_GATEWAY_LISTEN": "nowhere"}, ["LLM_GATEWAY_LISTEN"]),
        ({"LLM_GATEWAY_LISTEN": "0.0.0.0:1"}, ["LLM_GATEWAY_LISTEN", "LLM_GATEWAY_LISTEN"]),
        ({"LLM_GATEWAY_API_KEYS": " , "}, ["LLM_GATEWAY_API_KEYS"]),
        ({"LLM_GATEWAY_API_KEYS": ""}, ["LLM_GATEWAY_API_KEYS"]),
        ({"LLM_GATEWAY_API_KEYS": "same,same"}, ["LLM_GATEWAY_API_KEYS"]),
        ({"LLM_GATEWAY_INSECURE": "perhaps"}, ["LLM_GATEWAY_INSECURE"]),
    ],
)
def test_a_bad_variable_is_named(write: Write, env: Mapping[str, str], names: list[str]) -> None:
    """A problem with a variable is not blamed on the file; keys set to nothing do not open the server."""
    found = problems(write("server: {}\nproviders: {" + EDGE + "}"), env)
    assert [(problem.file, problem.key) for problem in found] == [("environment", name) for name in names]


# --- what is said of a bad file


def test_everything_wrong_is_said_at_once_with_its_line(write: Write) -> None:
    """Unknown keys, bad values, missing variables and dangling references come together, each on its line."""
    path = write(
        """server:
  api_keys: ["${NOPE}"]
  shutdown_grac: 3s
providers:
  edge:
    kind: openai_compatible
    endpoint: ftp://x
    timeouts: {conect: 2s, idle: 20}
routes:
  smart:
    strategy: wieghted
    targets:
      - edgy/m
      - {provider: edge, model: m, weight: -1}
default_provider: anthropic
"""
    )
    assert [(problem.line, problem.key) for problem in problems(path)] == [
        (2, "server.api_keys[0]"),
        (3, "server.shutdown_grac"),
        (7, "providers.edge.endpoint"),
        (8, "providers.edge.timeouts.conect"),
        (8, "providers.edge.timeouts.idle"),
        (11, "routes.smart.strategy"),
        (13, "routes.smart.targets[0].provider"),
        (14, "routes.smart.targets[1].weight"),
        (15, "default_provider"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: {max_in_fligth: 3}", 'FILE:1: server.max_in_fligth: is unknown; did you mean max_in_flight?'),
        ("server: {tls: {certificate: x}}", None),
        ("provider: {}", "FILE:1: provider: is unknown; did you mean providers?"),
        ("server: {lame_duck: 5}", "FILE:1: server.lame_duck: '5' is not a duration; write a number with its unit, such as 500ms, 2s or 1m30s"),
        ("server: {lame_duck: 9999999999ms}", "FILE:1: server.lame_duck: '9999999999ms' is longer than 500h; is its unit right? milliseconds are written 500ms"),
        ("server: {max_streams: 2000000000}", "FILE:1: server.max_streams: '2000000000' is too large; write 999999999 at most"),
        ("server: {max_streams: many}", "FILE:1: server.max_streams: 'many' is not a whole number; write digits only"),
        ("defaults: {retry: {budget_ratio: 1e10}}", "FILE:1: defaults.retry.budget_ratio: '1e10' is not between 0 and 1; write a share such as 0.1"),
        ("providers: {openai: {api_key: k, endpoints: [{url: 'http://127.0.0.1:1/v1', weight: 1e10}]}}", None),
        ("server: {listen: '${ADDRESS}'}", "FILE:1: server.listen: environment variable ADDRESS is not set; set it, or write ${ADDRESS:-default}"),
        ("server: {listen: '50051'}", "FILE:1: server.listen: '50051' is not an address; write host:port such as 127.0.0.1:50051 or [::1]:50051, or unix:/path"),
        ("providers: {openia: {api_key: x}}", "FILE:1: providers.openia: is an id that is no kind of provider; set its kind: did you mean openai?"),
        ("server:\n  workers: 1\n  workers: 2", "FILE:3: server.workers: is given twice, first on line 2; keep one"),
        ("server: [", None),
        ("- a", "FILE:1: must be a mapping, not a list; write key: value below it"),
    ],
)  # fmt: skip
def test_a_problem_reads_as_a_sentence(write: Write, text: str, said: str | None) -> None:
    """File, line, key, what is wrong, what would be right."""
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    if said is not None:
        assert str(caught.value) == said.replace("FILE", path)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("server: {listen: '127.0.0.1:99999'}", "server.listen"),
        ("server: {listen: 'unix:'}", "server.listen"),
        ("server: {listen: ':50051'}", "server.listen"),
        ("server: {listen: 'a b:1'}", "server.listen"),
        ("server: {listen: [a]}", "server.listen"),
        ("server: {api_keys: k}", "server.api_keys"),
        ("server: {api_keys: [none]}", "server.api_keys[0]"),
        ("server: {api_keys: ['']}", "server.api_keys[0]"),
        ("server: {api_keys: [~]}", "server.api_keys[0]"),
        ("server: {api_keys: [same, same]}", "server.api_keys[1]"),
        ("server: {api_keys: [{name: a, key: x}, {name: a, key: y}]}", "server.api_keys[1].name"),
        ("server: {api_keys: [{name: a}]}", "server.api_keys[0].key"),
        ("server: {api_keys: [{name: a b, key: x}]}", "server.api_keys[0].name"),
        ("server: {api_keys: [[x]]}", "server.api_keys[0]"),
        ("default_model: ''", "default_model"),
        ("providers: {openai: {api_key: x, options: {a: !env A}}}", "providers.openai.options.a"),
        ("server: {api_keys: [schlüssel]}", "server.api_keys[0]"),
        ("server: {tls: {}}", "server.tls.key_file"),
        ("server: {tls: {cert_file: gateway.yaml}}", "server.tls.key_file"),
        ("server: {tls: {key_file: gateway.yaml}}", "server.tls.cert_file"),
        ("server: {tls: {cert_file: absent.pem, key_file: gateway.yaml}}", "server.tls.cert_file"),
        ("server: {max_message_bytes: 32MB}", "server.max_message_bytes"),
        ("server: {max_message_bytes: 2GiB}", "server.max_message_bytes"),
        ("server: {max_in_flight: 0}", "server.max_in_flight"),
        ("server: {max_in_flight: 1.5}", "server.max_in_flight"),
        ("server: {reflection: on}", "server.reflection"),
        ("server: {keepalive: {time: 0s}}", "server.keepalive.time"),
        ("server: {log: {level: loud}}", "server.log.level"),
        ("server: {log: !!python/name:os.system x}", "server.log"),
        ("server: {listen: !env ADDRESS}", "server.listen"),
        ("server: {overrides: {providers: [nobody]}}", "server.overrides.providers[0]"),
        ("providers: {openai: {}}", "providers.openai.api_key"),
        ("providers: {openai: {api_key: ''}}", "providers.openai.api_key"),
        ("providers: {openai: {api_key: a, api_keys: [b]}}", "providers.openai.api_keys"),
        ("providers: {openai: {api_keys: []}}", "providers.openai.api_keys"),
        ("providers: {anthropic: {api_key: a, api: responses}}", "providers.anthropic.api"),
        ("providers: {openai: {api_keys: [none]}}", "providers.openai.api_keys[0]"),
        ("providers: {openai: {api_keys: [{name: a, key: x}, {name: a, key: y}]}}", "providers.openai.api_keys[1].name"),
        ("providers: {openai: {api_key: x, endpoint: 'http://a', endpoints: ['http://b']}}", "providers.openai.endpoints"),
        ("providers: {openai: {api_key: x, endpoints: [{url: 'http://a', weight: 0}]}}", "providers.openai.endpoints"),
        ("providers: {openai: {api_key: x, endpoints: []}}", "providers.openai.endpoints"),
        ("providers: {openai: {api_key: x, endpoints: [{weight: 1}]}}", "providers.openai.endpoints[0].url"),
        ("providers: {openai: {api_key: x, endpoints: ['a']}}", "providers.openai.endpoints[0]"),
        ("providers: {openai: {api_key: x, endpoint: 'http://a:b'}}", "providers.openai.endpoint"),
        ("providers: {openai: {api_key: x, endpoint: 'http://[a'}}", "providers.openai.endpoint"),
        ("providers: {openai: {api_key: x, endpoint: 'http://a/?v=1'}}", "providers.openai.endpoint"),
        ("providers: {openai: {api_key: x, api: completions}}", "providers.openai.api"),
        ("providers: {openai: {api_key: x, headers: {'a b': c}}}", 'providers.openai.headers."a b"'),
        ("providers: {openai: {api_key: x, headers: {Host: c}}}", "providers.openai.headers.Host"),
        ("providers: {openai: {api_key: x, headers: {Accept-Encoding: gzip}}}", "providers.openai.headers.Accept-Encoding"),
        ("providers: {openai: {api_key: x, headers: {Expect: 100-continue}}}", "providers.openai.headers.Expect"),
        ("server: {listen: 'unix:/run/g.sock', workers: 2}\nproviders: {echo: {}}", "server.workers"),
        ("providers: {openai: {api_key: x, headers: {x-team: }}}", "providers.openai.headers.x-team"),
        ("providers: {openai: {api_key: x, proxy: 'proxy:3128'}}", "providers.openai.proxy"),
        ("providers: {openai: {api_key: x, proxy: 'http://:l='}}", "providers.openai.proxy"),
        ("providers: {openai: {api_key: x, proxy: 'http://1.2.3.999'}}", "providers.openai.proxy"),
        ("providers: {openai: {api_key: x, proxy: 'http://proxy:65536'}}", "providers.openai.proxy"),
        ("providers: {openai: {api_key: x, proxy: 'http://proxy/path'}}", "providers.openai.proxy"),
        ("providers: {e: {kind: openai_compatible, api_key: x, endpoint: 'http://a|b/v1'}}", "providers.e.endpoint"),
        ("providers: {e: {kind: openai_compatible, api_key: x, endpoint: 'http://ä..b/v1'}}", "providers.e.endpoint"),
        ("providers: {openai: {api_key: x, tls: {cert_file: gateway.yaml}}}", "providers.openai.tls.key_file"),
        ("providers: {openai: {api_key: x, models: [a], default_model: b}}", "providers.openai.default_model"),
        ("providers: {openai: {api_key: x, limits: {concurrency: 0}}}", "providers.openai.limits.concurrency"),
        ("providers: {openai: {api_key: x, prices: {gpt-4.1: {input: -1}}}}", 'providers.openai.prices."gpt-4.1".input'),
        ("providers: {openai: {api_key: x, prices: {m: {input: NaN}}}}", "providers.openai.prices.m.input"),
        ("providers: {openai: {api_key: x, model_info: {m: {capabilities: {tool: true}}}}}", "providers.openai.model_info.m.capabilities.tool"),
        ("providers: {openai: {api_key: x, model_info: {m: {capabilities: [toolz]}}}}", "providers.openai.model_info.m.capabilities[0]"),
        ("providers: {openai: {api_key: x, model_info: {m: {input_modalities: [smell]}}}}", "providers.openai.model_info.m.input_modalities[0]"),
        ("providers: {openai: {api_key: x, options: {a: &a [*a]}}}", "providers.openai.options.a"),
        ("providers: {openai: {api_key: x, options: {a: {b: 1, b: 2}}}}", "providers.openai.options.a.b"),
        ("providers: {openai: {api_key: x, options: {a: '${'}}}", "providers.openai.options.a"),
        ("providers: {openai: {api_key: '${NOPE}'}}", "providers.openai.api_key"),
        ("providers: {openai: {api_key: x, options: {a: '${NOPE}'}}}", "providers.openai.options.a"),
        ("providers: {openai: {enabled: true, api_keys: ['${NOPE}']}}", "providers.openai.api_keys[0]"),
        ("providers: {off: {kind: openai, enabled: false}, openai: {api_key: '${NOPE}'}}", "providers.openai.api_key"),
        ("providers: {off: {kind: openai, enabled: false, timeouts: {idel: 1s}}, EDGE}", "providers.off.timeouts.idel"),
        ("providers: {a/b: {kind: openai, api_key: x}}", 'providers."a/b"'),
        ("providers: {openai: {api_key: x, enabled: false}}", "providers"),
        ("providers: [openai]", "providers"),
        ("providers: {openai: key}", "providers.openai"),
        ("providers: {vllm: {}}", "providers.vllm.endpoint"),
        ("providers: {EDGE}\nroutes: {r: {}}", "routes.r.targets"),
        ("providers: {EDGE}\nroutes: {r: {targets: []}}", "routes.r.targets"),
        ("providers: {EDGE}\nroutes: {r: {targets: [edge]}}", "routes.r.targets[0]"),
        ("providers: {EDGE}\nroutes: {r: {targets: [{model: m}]}}", "routes.r.targets[0].provider"),
        ("providers: {EDGE}\nroutes: {r: {targets: [{provider: edge, weight: 0}]}}", "routes.r.targets"),
        ("providers: {EDGE}\nroutes: {r: {targets: [edge/m], content_fallbacks: [nobody/m]}}", "routes.r.content_fallbacks[0].provider"),
        ("providers: {EDGE}\nroutes: {r: {targets: [edge/m], retry: {initial_backoff: 9s}}}", "routes.r.retry.max_backoff"),
        ("providers: {EDGE}\nroutes: {r: {targets: [edge/m], retry: {budget_ratio: 2}}}", "routes.r.retry.budget_ratio"),
        ("providers: {EDGE, openai: {enabled: false}}\nroutes: {r: {targets: [openai/m], fallbacks: [edge/m]}}", "routes.r.targets"),
        ("providers: {EDGE, openai: {enabled: false}}\nroutes: {r: {targets: [edge/m], experiment: {name: e, arms: [{name: a, provider: openai}]}}}", "routes.r.experiment.arms"),
        ("providers: {EDGE}\nroutes: {auto: {targets: [edge/m]}}", "routes.auto"),
        ("providers: {EDGE}\nroutes: {a/b: {targets: [edge/m]}}", 'routes."a/b"'),
        ("providers: {EDGE}\nroutes: {r: {experiment: {name: e, arms: []}}}", "routes.r.experiment.arms"),
        ("providers: {EDGE}\nroutes: {r: {experiment: {arms: [{name: a, provider: edge}]}}}", "routes.r.experiment.name"),
        ("providers: {EDGE}\nroutes: {r: {experiment: {name: e, arms: [{name: a, provider: edge, weight: 0}]}}}", "routes.r.experiment.arms"),
        ("providers: {EDGE}\nroutes: {r: {experiment: {name: e, arms: [{name: a, provider: edge}, {name: a, provider: edge}]}}}", "routes.r.experiment.arms"),
        ("default_provider: x\nproviders: {EDGE}", "default_provider"),
        ("default_provider: openai\nproviders: {openai: {enabled: false}, EDGE}", "default_provider"),
        ("default_model: m\nproviders: {openai: {api_key: x}, EDGE}", "default_model"),
        ("breaker: {base_ejection: 2m}", "breaker.max_ejection"),
        ("defaults: {max_output_tokens: 0}", "defaults.max_output_tokens"),
        ("base: &b {lame_duck: 1s}\nserver: {<<: *b}", None),
        ("? [a]\n: b", ""),
        ("a: 1\n---\nb: 2", ""),
        ("a: \x01", ""),
        ("a: \tb: c", ""),
        ("[" * 5000, ""),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named(write: Write, text: str, key: str | None) -> None:
    """Each mistake is one problem (two where two keys are wrong), at the key to mend."""
    found = problems(write(text.replace("EDGE", EDGE)))
    if key is None:
        assert [problem.key for problem in found] == ["base", "server"]
    else:
        assert [problem.key for problem in found] == (
            [key] if text != "server: {tls: {}}" else ["server.tls.key_file", "server.tls.cert_file"]
        )
    assert all(problem.wrong for problem in found)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("server:\n  listen: 'x\n", 3),
        ("server:\n  api_keys:\n    - a\n    -\n", 4),
        ("\n\nproviders: {openai: {}}", 3),
        ("providers:\n  openai:\n    limits: {}\n", 3),
        ("server:\n\n  tls: {}\nproviders: {}", 3),
    ],
)
def test_a_problem_stands_on_its_line(write: Write, text: str, line: int) -> None:
    """Broken syntax, empty items, and keys that are missing from a mapping."""
    assert {problem.line for problem in problems(write(text))} == {line}


def test_a_reference_to_a_provider_that_is_off_says_so(write: Write) -> None:
    """Not that it is unknown."""
    path = write("default_provider: openai\nproviders: {openai: {enabled: false}, " + EDGE + "}")
    assert one_problem(path).wrong == "'openai' is switched off"


def test_limits_may_be_equal(write: Write) -> None:
    """A constant ejection and a constant backoff are sane."""
    text = (
        "providers: {" + EDGE + "}\nbreaker: {base_ejection: 5s, max_ejection: 5s}\n"
        "routes: {r: {targets: [edge/m], retry: {initial_backoff: 1s, max_backoff: 1s}}}"
    )
    assert load(write(text), {}).breaker.max_ejection == 5.0


def test_positions_survive_an_item_that_could_not_be_read(write: Write) -> None:
    """After a broken item the later items of a list are still called by their own places."""
    found = problems(write("providers: {" + EDGE + "}\nroutes: {r: {targets: [broken, edge/m, nobody/m]}}"))
    assert [problem.key for problem in found] == ["routes.r.targets[0]", "routes.r.targets[2].provider"]


def test_a_broken_section_is_not_complained_of_twice(write: Write) -> None:
    """What refers to something broken is not a second problem."""
    text = "providers: {openai: 5}\nroutes: {r: {targets: [openai/m]}}\ndefault_provider: openai"
    assert one_problem(write(text)).key == "providers.openai"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"#" * (1 << 20) + b"\n", "is larger than 1 MiB"),
        (b"a: &a [x,x,x,x,x,x,x,x,x,x]\n", "is unknown"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    """Binary files and huge ones are refused before they are parsed."""
    path = tmp_path / "file.yaml"
    path.write_bytes(data)
    assert one_problem(str(path)).wrong == said


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The message says which file and why."""
    path = tmp_path / "absent.yaml"
    assert str(one_problem(str(path))) == f"{path}: cannot be read: No such file or directory"


def test_aliases_cannot_blow_up(write: Write) -> None:
    """A small file whose aliases expand to billions of values is refused."""
    lines = ["providers: {openai: {api_key: x, options: {", "a0: &a0 [x, x, x, x, x, x, x, x, x, x],"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]," for n in range(1, 10)]
    found = problems(write("\n".join([*lines, "}}}"])))
    assert found[-1].wrong == "is too large once its aliases are expanded"


# --- secrets


CANARY = "sk-live-CANARY-0123456789"


@pytest.mark.parametrize(
    "text",
    [
        f"server: {{api_keys: [{CANARY}, {CANARY}]}}",
        f"server: {{api_keys: [{{{CANARY}}}]}}",
        f"server: {{api_keys: {{{CANARY}: x}}}}",
        f"server: {{api_keys: {CANARY}}}",
        f"providers: {{openai: {CANARY}}}",
        f"providers: {{openai: {{{CANARY}: }}}}",
        f"providers: {{openai: {{api_key: {{{CANARY}: x}}}}}}",
        f"providers: {{openai: {{api_key: [{CANARY}]}}}}",
        f'providers: {{openai: {{api_key: "{CANARY}\\n{CANARY}"}}}}',
        f"providers: {{openai: {{api_key: x, endpoint: 'https://user:{CANARY}@host'}}}}",
        f"providers: {{openai: {{api_key: x, endpoint: 'https://host?key={CANARY}'}}}}",
        f"providers: {{openai: {{api_key: x, endpoints: ['https://user:{CANARY}@host']}}}}",
        f"providers: {{openai: {{api_key: x, proxy: 'ftp://user:{CANARY}@host'}}}}",
        f'providers: {{openai: {{api_key: x, headers: {{a: "{CANARY}\\n"b"}}}}}}',
        f"providers: {{openai: {{api_key: x, headers: {{Host: {CANARY}}}}}}}",
        f"providers: {{openai: {{api_key: *{CANARY}}}}}",
        f"providers: {{openai: {{api_key: &{CANARY} [}}}}",
        f"providers: {{openai: {{api_key: '{CANARY}}}}}",
        f"providers: {{openai: {{api_key: %{CANARY}}}}}",
        "providers: {openai: {kind: '${C}', api_key: '${C}', api: '${C}', timeouts: {idle: '${C}'}, endpoint: '${C}'}}",
        "server: {listen: '${C}', tls: {cert_file: '${C}', key_file: '${C}'}, max_in_flight: '${C}', overrides: {providers: ['${C}']}}",
        "default_provider: '${C}'\ndefault_model: '${C}'\nproviders: {openai: {api_key: '${C}', models: [a], default_model: '${C}'}, " + EDGE + "}",
        "providers: {" + EDGE + "}\nroutes: {r: {targets: ['${C}', {provider: '${C}'}, '${C}/m']}}",
    ],
)  # fmt: skip
def test_no_message_holds_a_secret_or_a_variables_value(write: Write, text: str) -> None:
    """Whatever is wrong with or around a key, the message does not show it."""
    with pytest.raises(ConfigError) as caught:
        load(write(text), {"C": CANARY})
    assert "CANARY" not in str(caught.value) + repr(caught.value.errors)
    assert caught.value.__context__ is None or "CANARY" not in str(caught.value.__context__)


def test_a_loaded_configuration_shows_no_secret(write: Write) -> None:
    """Neither its repr nor its fingerprint holds a key, a header or a proxy's password."""
    config = load(
        write(
            f"server: {{api_keys: [{CANARY}]}}\n"
            f"providers: {{openai: {{api_key: {CANARY}, headers: {{x: {CANARY}}}, proxy: 'http://u:{CANARY}@h:1', credentials: {{a: {CANARY}}}}}}}"
        ),
        {},
    )
    assert "CANARY" not in f"{config} {config!r} {fingerprint(config)}"
    assert config.providers["openai"].keys[0].key.reveal() == CANARY


def test_a_secret_is_shown_nowhere() -> None:
    """repr, str, format, % and pickle do not give the text; only reveal does."""
    secret = Secret(CANARY)
    shown = [f"{secret} {secret!r} {secret:>40}", "%s %r" % (secret, secret), str([secret]), str({secret: secret})]  # noqa: UP031
    assert "CANARY" not in "".join(shown)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert (secret.reveal(), copy.deepcopy(secret), copy.copy(secret)) == (CANARY, secret, secret)
    assert secret != CANARY
    assert {secret: 1}[Secret(CANARY)] == 1


def test_the_fingerprint_changes_with_every_setting_and_every_key() -> None:
    """Equal configurations have equal fingerprints; a rotated key is noticed."""
    provider = models.Provider(kind="openai", api_key=Secret("a"))
    config = Config(providers={"openai": provider})
    others = [
        Config(),
        replace(config, server=models.Server(lame_duck=2.0)),
        replace(config, providers={"openai": replace(provider, api_key=Secret("b"))}),
        replace(config, providers={"openai": replace(provider, api_key=None)}),
        replace(config, providers={"open": provider}),
    ]
    prints = [fingerprint(other) for other in (config, *others)]
    assert len(set(prints)) == len(prints)
    assert fingerprint(Config(providers={"openai": replace(provider)})) == prints[0]
    assert re.fullmatch("[0-9a-f]{12}", prints[0])


def test_a_fingerprint_of_what_is_not_configuration_is_a_mistake() -> None:
    """Options hold JSON only."""
    with pytest.raises(TypeError):
        fingerprint(Config(providers={"a": models.Provider(options={"x": object()})}))


# --- the parser as a whole


_words = st.sampled_from(
    [*"{}[]:,-?&*!|>'\"#%@`\n \t", "a", "none", "null", "~", "true", "1", "2s", "${A}", "${", "$${", "<<", "server", "providers",
     "openai", "api_key", "routes", "r", "targets", "provider", "model", "weight", "listen", "tls", "enabled", "options", "é", "\U0001f600", "\x00"]
)  # fmt: skip
_text = st.lists(_words, max_size=40).map("".join) | st.text(max_size=60)
_tree: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, -1, 1.5, "", "none", "${A}", "${B}", "x", "openai/m", "2s", "http://h", "openai"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(sorted({field.name for kind in _structs() if kind is not Struct for field in fields(kind)} | {"openai", "r", 'a"b'})),
        inner,
        max_size=4,
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    text=_text
    | _tree.map(json.dumps)
    | _tree.map(lambda tree: json.dumps({"providers": {"openai": tree}, "routes": {"r": tree}}))
)
def test_any_text_is_a_configuration_or_a_list_of_problems(tmp_path: Path, text: str) -> None:
    """No input makes the reader fail in another way, and every problem says what is wrong."""
    path = tmp_path / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        config, found = load(str(path), {"A": "a"}), []
    except ConfigError as error:
        config, found = Config(), error.errors
    assert bool(config.providers) != bool(found)
    assert all(problem.wrong for problem in found)
    assert fingerprint(config)


def test_importing_the_configuration_is_cheap() -> None:
    """A gateway without a file pays for no YAML parser, and nobody for pydantic or an HTTP library."""
    code = "import sys, llm_gateway.config as c; c.load(None, {}); print(*sorted({'yaml', 'pydantic', 'httpx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("key", ["sk-abc", "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY", "a1b2c3d4e5f60718293a4b5c6d7e8f90"])
def test_a_key_where_a_setting_belongs_is_not_repeated(tmp_path: Path, key: str) -> None:
    """Also one of letters and digits alone, as Mistral's and Azure's are."""
    path = tmp_path / "gateway.yaml"
    path.write_text(f"providers: {{mistral: {{{key}: x}}}}")
    with pytest.raises(ConfigError) as caught:
        load(str(path), {})
    assert key not in str(caught.value)
    assert "has an unknown key" in str(caught.value)
