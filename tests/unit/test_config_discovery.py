"""The gateway without a file: providers found in the environment and on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from llm_gateway.config import ConfigError, kind_of, load, local_servers, overlooked
from llm_gateway.config.discovery import answers
from llm_gateway.config.values import url as parsed
from llm_gateway.providers import lmstudio, ollama, plugins

USUAL = {kind: row.usual for kind, row in plugins.rows().items()}


def ids(env: Mapping[str, str], *local: str) -> list[str]:
    return list(load(None, env, local=lambda: local).providers)


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({}, ["echo"]),
        ({"OPENAI_API_KEY": ""}, ["echo"]),
        ({"OPENAI_API_KEY": "k"}, ["openai"]),
        ({"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}, ["anthropic", "openai"]),
        ({"GEMINI_API_KEY": "k"}, ["gemini"]),
        ({"GOOGLE_API_KEY": "k"}, ["gemini"]),
        ({"AZURE_OPENAI_API_KEY": "k"}, ["echo"]),
        ({"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://a"}, ["azure_openai"]),
        ({"AWS_BEARER_TOKEN_BEDROCK": "k"}, ["echo"]),
        ({"AWS_BEARER_TOKEN_BEDROCK": "k", "AWS_REGION": "r"}, ["bedrock"]),
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_DEFAULT_REGION": "r"}, ["echo"]),
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "r"}, ["bedrock"]),
        ({"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "l"}, ["echo"]),
        ({"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "l", "GOOGLE_GENAI_USE_VERTEXAI": "true"}, ["vertex"]),
        ({"OLLAMA_HOST": "0.0.0.0"}, ["ollama"]),
        ({"OLLAMA_API_KEY": "k"}, ["ollama"]),
        ({"LMSTUDIO_HOST": "host:1"}, ["lmstudio"]),
        *[({usual.key[0]: "k"}, [kind]) for kind, usual in USUAL.items() if usual.key and not usual.keyless],
    ],
)
def test_a_provider_whose_variables_are_set_is_there(env: Mapping[str, str], found: list[str]) -> None:
    """Each by its vendor's own variables; echo only where there is nothing else."""
    assert ids(env) == found


@pytest.mark.parametrize("kind", sorted(USUAL))
def test_every_name_of_a_key_and_of_an_address_will_do(kind: str) -> None:
    """Each variable that people have for it, on its own."""
    usual = USUAL[kind]
    whole = {names[0]: "http://h" if field == "endpoint" else "v" for field, names in usual.settings.items()}
    whole |= dict.fromkeys(usual.when[0] if usual.when else (), "http://h") | dict.fromkeys(usual.key[:1], "k")
    for name in usual.key:
        assert kind in ids({**{one: value for one, value in whole.items() if one not in usual.key}, name: "k"}), name
    for field, names in usual.settings.items():
        for name in names:
            value = "http://h:1" if field == "endpoint" else "w"
            env = {**{one: given for one, given in whole.items() if one not in names}, name: value}
            assert getattr(load(None, env).providers[kind], field) == value, name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("azure-openai", "azure_openai"),
        ("Azure OpenAI", "azure_openai"),
        ("AZURE", "azure_openai"),
        ("google", "gemini"),
        ("google-genai", "gemini"),
        ("Claude", "anthropic"),
        ("x.ai", "xai"),
        ("Grok", "xai"),
        ("aws", "bedrock"),
        ("amazon-bedrock", "bedrock"),
        ("vertex-ai", "vertex"),
        ("LM Studio", "lmstudio"),
        ("lm-studio", "lmstudio"),
        ("llama.cpp", "llama_cpp"),
        ("open-ai", "openai"),
        ("OpenAI-compatible", "openai_compatible"),
        ("together.ai", "together"),
        ("claude-code", "claude_code"),
        ("nobody", "nobody"),
    ],
)
def test_a_kind_may_be_spelt_as_people_spell_it(name: str, kind: str) -> None:
    """Capitals and what stands between words do not matter, and vendors' and products' names are known."""
    assert kind_of(name) == kind


def test_an_unknown_kind_is_told_with_the_nearest_one() -> None:
    """And with all there are."""
    with pytest.raises(ConfigError) as caught:
        load(None, {"LLM_PROVIDER": "antropic"})
    [problem] = caught.value.errors
    assert problem.right.startswith("did you mean anthropic? it is one of anthropic, openai,")


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60), ("1.5", 1.5), ("3600", 3600), ("60000ms", 60), ("2m", 120), ("7200s", 7200)]
)
def test_a_time_limit_is_seconds_or_has_a_unit(text: str, seconds: float) -> None:
    """Milliseconds too, where they say so."""
    assert load(None, {"LLM_TIMEOUT": text}).defaults.timeouts.total == seconds


def test_a_time_limit_of_milliseconds_without_a_unit_is_refused() -> None:
    """With what would be right."""
    with pytest.raises(ConfigError) as caught:
        load(None, {"LLM_TIMEOUT": "60000"})
    assert "LLM_TIMEOUT: is 16.7 hours" in str(caught.value)
    assert "60000ms" in str(caught.value)


def test_a_server_without_a_vendor_has_variables_of_its_own() -> None:
    """LLM_BASE_URL is the chosen provider's, and an OpenAI-compatible server's where none is chosen."""
    env = {"LLM_BASE_URL": "localhost:8000/v1", "LLM_API_KEY": "k"}
    for more in ({}, {"LLM_PROVIDER": "openai-compatible"}):
        found = load(None, env | more)
        assert found.default_provider == "openai_compatible"
        provider = found.providers["openai_compatible"]
        assert (provider.endpoint, provider.keys[0].key.reveal()) == ("http://localhost:8000/v1", "k")
    assert load(None, env | {"LLM_PROVIDER": "claude"}).providers["anthropic"].endpoint == "http://localhost:8000/v1"


def test_what_stands_in_for_providers_is_known_as_such() -> None:
    """Only where nothing was configured."""
    assert load(None, {}).stands_in
    assert not load(None, {"LLM_PROVIDER": "echo"}).stands_in
    assert not load(None, {"OPENAI_KEY": "k"}).stands_in


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"AZURE_OPENAI_KEY": "k"}, ["AZURE_OPENAI_KEY is set, but azure_openai needs AZURE_OPENAI_ENDPOINT too"]),
        ({"AWS_BEARER_TOKEN_BEDROCK": "k"}, ["AWS_BEARER_TOKEN_BEDROCK is set, but bedrock needs AWS_REGION too"]),
        ({"ANTROPIC_API_KEY": "k"}, ["ANTROPIC_API_KEY is set; did you mean ANTHROPIC_API_KEY?"]),
        ({"OPENAI_API_KEY": "k", "SOME_API_KEY": "k", "LLM_API_KEY": "k"}, []),
    ],
)
def test_variables_that_nearly_make_a_provider_are_told(env: Mapping[str, str], told: list[str]) -> None:
    """What is missing beside them, or how they are spelt."""
    assert overlooked(env) == told


def test_a_model_without_a_provider_has_no_default_provider_to_belong_to() -> None:
    """Its name tells which of several it is."""
    keys = {"OPENAI_API_KEY": "k", "MISTRAL_API_KEY": "k", "LLM_MODEL": "m"}
    assert load(None, keys).default_provider is None
    assert load(None, keys | {"LLM_PROVIDER": "mistral"}).default_provider == "mistral"


def test_addresses_and_models_come_from_the_usual_variables() -> None:
    """A base URL, an API version and a deployment are taken along with the key."""
    env = {
        "AZURE_OPENAI_API_KEY": "k",
        "AZURE_OPENAI_ENDPOINT": "https://a/",
        "OPENAI_API_VERSION": "2024-10-21",
        "AZURE_OPENAI_DEPLOYMENT": "d",
        "OPENAI_API_KEY": "k2",
        "OPENAI_BASE_URL": "http://proxy/v1",
    }
    providers = load(None, env).providers
    azure = providers["azure_openai"]
    assert (azure.endpoint, azure.api_version, azure.default_model) == ("https://a", "2024-10-21", "d")
    assert azure.keys[0].key.reveal() == "k"
    assert providers["openai"].endpoint == "http://proxy/v1"


def test_local_servers_that_answer_are_there() -> None:
    """Beside the providers of the environment and after them; one that a variable names is not asked for again."""
    assert ids({"OPENAI_API_KEY": "k"}, "ollama", "lmstudio") == ["openai", "ollama", "lmstudio"]
    assert ids({}, "lmstudio") == ["lmstudio"]
    found = load(None, {"OLLAMA_HOST": "other:1"}, local=lambda: ["ollama"])
    assert found.providers["ollama"].endpoint == "http://other:1"


def test_local_servers_are_asked_only_where_they_could_matter() -> None:
    """With both named by variables nobody is asked."""

    def ask() -> tuple[str, ...]:
        raise AssertionError("asked")

    load(None, {"OLLAMA_HOST": "a", "LMSTUDIO_HOST": "b"}, local=ask)


@pytest.mark.parametrize(("name", "kind"), [("claude", "anthropic"), ("gpt", "openai"), ("Anthropic", "anthropic")])
def test_one_provider_in_four_variables(name: str, kind: str) -> None:
    """LLM_PROVIDER with LLM_API_KEY and LLM_MODEL is a whole configuration."""
    config = load(
        None,
        {
            "LLM_PROVIDER": name,
            "LLM_API_KEY": "k",
            "LLM_MODEL": "m",
            "LLM_MAX_TOKENS": "100",
            "LLM_MAX_RETRIES": "4",
            "LLM_TIMEOUT": "20",
            "LLM_ENABLE_CACHING": "True",
        },
    )
    assert list(config.providers) == [config.default_provider] == [kind]
    assert config.providers[kind].keys[0].key.reveal() == "k"
    assert config.default_model == "m"
    assert (config.defaults.max_output_tokens, config.defaults.prompt_caching) == (100, True)
    assert (config.defaults.retry.max_attempts, config.defaults.timeouts.total) == (5, 20.0)


def test_the_chosen_provider_is_the_default_among_those_found() -> None:
    """LLM_API_KEY belongs to it alone; its usual variable serves too."""
    env = {"OPENAI_API_KEY": "k1", "MISTRAL_API_KEY": "k2", "LLM_PROVIDER": "mistral", "LLM_TIMEOUT": "1m30s"}
    config = load(None, env)
    assert config.default_provider == "mistral"
    assert config.providers["mistral"].keys[0].key.reveal() == "k2"
    assert config.defaults.timeouts.total == 90.0
    assert load(None, env | {"LLM_API_KEY": "k3"}).providers["mistral"].keys[0].key.reveal() == "k3"
    assert load(None, env | {"LLM_API_KEY": "k3"}).providers["openai"].keys[0].key.reveal() == "k1"


@pytest.mark.parametrize("name", ["ollama", "lmstudio", "echo", "claude_code"])
def test_a_provider_that_needs_no_key_can_be_chosen_alone(name: str) -> None:
    """LLM_PROVIDER is enough for what runs on this machine."""
    config = load(None, {"LLM_PROVIDER": name})
    assert config.default_provider == name


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ({"LLM_PROVIDER": "nobody"}, ["LLM_PROVIDER"]),
        ({"LLM_PROVIDER": "openai"}, ["LLM_PROVIDER"]),
        ({"LLM_PROVIDER": "azure", "LLM_API_KEY": "k"}, ["LLM_PROVIDER"]),
        ({"LLM_API_KEY": "k"}, ["LLM_API_KEY"]),
        ({"LLM_PROVIDER": "openai", "LLM_API_KEY": "a\nb"}, ["LLM_API_KEY"]),
        ({"LLM_MAX_TOKENS": "0"}, ["LLM_MAX_TOKENS"]),
        ({"LLM_MAX_TOKENS": "many", "LLM_MAX_RETRIES": "-1", "LLM_TIMEOUT": "soon", "LLM_ENABLE_CACHING": "maybe"},
         ["LLM_TIMEOUT", "LLM_MAX_RETRIES", "LLM_MAX_TOKENS", "LLM_ENABLE_CACHING"]),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "proxy"}, ["OPENAI_BASE_URL"]),
        ({"OLLAMA_HOST": "http://u:p@h"}, ["OLLAMA_HOST"]),
        ({"OPENAI_API_KEY": "ключ"}, ["OPENAI_API_KEY"]),
    ],
)  # fmt: skip
def test_a_bad_variable_is_named(env: Mapping[str, str], names: list[str]) -> None:
    """All at once, without their values."""
    with pytest.raises(ConfigError) as caught:
        load(None, env)
    assert [problem.key for problem in caught.value.errors if problem.key] == names
    assert {problem.file for problem in caught.value.errors} == {"environment"}


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("openai", "set LLM_API_KEY or OPENAI_API_KEY"),
        ("azure", "set LLM_BASE_URL or AZURE_OPENAI_ENDPOINT"),
        ("openai-compatible", "set LLM_BASE_URL or OPENAI_COMPATIBLE_BASE_URL"),
        ("vertex", "set GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION"),
    ],
)
def test_what_the_chosen_provider_lacks_is_named(name: str, right: str) -> None:
    """The variables that would do are in the message."""
    with pytest.raises(ConfigError) as caught:
        load(None, {"LLM_PROVIDER": name})
    assert [problem.right for problem in caught.value.errors] == [right]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("box", "http://box:11434"),
        ("box:1", "http://box:1"),
        (":1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:1", "http://127.0.0.1:1"),
        ("[::]:1", "http://[::1]:1"),
        ("[::1]", "http://[::1]:11434"),
        ("http://box", "http://box"),
        ("https://box:2/path/", "https://box:2/path"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(host: str, url: str) -> None:
    """Host, host:port or URL; an address to bind to is this machine."""
    assert parsed(ollama.address(host)) == url


@pytest.mark.parametrize("host", ["box:1", "http://box:1", "http://box:1/v1", "box:1/v1/"])
def test_lmstudio_host_is_the_root_of_the_server(host: str) -> None:
    """Its OpenAI dialect stands below /v1, its own API beside it."""
    assert parsed(lmstudio.address(host)) == "http://box:1"


@contextmanager
def serving(*answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that sends the pieces to whoever connects, then closes; gives its port and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(4096))
                for piece in answer:
                    connection.sendall(piece)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], asked
    thread.join(5)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "there"),
    [
        ((OK + b'{"version":"0.9"}',), True),
        ((OK, b'{"vers', b'ion":"0.9"}'), True),
        ((OK + b"{}",), False),
        ((b'HTTP/1.1 404 Not Found\r\n\r\n{"version":1}',), False),
        ((b'HTTP/1.1 200 OK\r\nX: "version"\r\n\r\n',), False),
        ((b'SSH-2.0 "version"\r\n',), False),
        ((), False),
    ],
)
def test_a_local_server_is_known_by_its_answer(pieces: tuple[bytes, ...], there: bool) -> None:
    """An open port is not enough: another program may have it."""
    with serving(*pieces) as (port, asked):
        assert answers("127.0.0.1", port, "/api/version", b'"version"', timeout=60) is there
    assert asked[0].startswith(b"GET /api/version HTTP/1.0\r\n")


def test_nobody_listening_is_no_answer() -> None:
    """A refused connection is the usual case."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not answers("127.0.0.1", port, "/", b"x")


def test_a_server_that_never_answers_is_given_up() -> None:
    """It accepts (the kernel does) and says nothing; the probe ends by itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not answers("127.0.0.1", server.getsockname()[1], "/", b"x", timeout=0.05)


def test_every_local_kind_is_probed_at_its_own_place() -> None:
    """The probe is told host, port, path and what to look for."""
    asked = []

    def probe(host: str, port: int, path: str, marker: bytes) -> bool:
        asked.append((host, port, path, marker))
        return port == 1234

    assert local_servers(probe) == ("lmstudio",)
    assert asked == [
        ("127.0.0.1", 11434, "/api/version", b'"version"'),
        ("127.0.0.1", 1234, "/v1/models", b'"data"'),
    ]
