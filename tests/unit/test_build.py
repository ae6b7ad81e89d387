"""From a provider's configuration to its addresses, credentials and APIs."""

from typing import Any

import pytest
from llm_gateway import config
from llm_gateway.app.gateway import Gateway
from llm_gateway.errors import InvalidRequest
from llm_gateway.protocols.summary import Summary
from llm_gateway.protocols.wire import Outgoing
from llm_gateway.providers import plugins
from llm_gateway.upstream.build import trimmed, upstream, usual_model
from llm_gateway.upstream.caller import HttpCaller
from llm_gateway.upstream.credentials import RenewedHeaders, SigV4
from llm_gateway.upstream.http import HttpClient
from llmgateway.v1 import gateway_pb2


def built(key: str | None = None, **settings: Any) -> HttpCaller:
    """The caller of a provider; key None is none configured."""
    provider = config.Provider(**settings, api_key=None if key is None else config.Secret(key))
    server = provider.servers[0] if provider.servers else None
    found = upstream("p", provider, server, provider.keys[0] if provider.keys else None, None)
    assert isinstance(found, HttpCaller)
    return found


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_vertex_lives_where_the_location_says(location: str, host: str) -> None:
    """Global, multi-region and regional endpoints."""
    assert isinstance(made := built("k", kind="vertex", project="p", location=location).client, HttpClient)
    assert made.host == host


def test_bedrock_has_two_addresses_in_its_region() -> None:
    """Calls go to the runtime, lists to the control plane."""
    made = built(kind="bedrock", region="eu-west-1")
    assert isinstance(made.client, HttpClient)
    assert isinstance(made.control, HttpClient)
    assert (made.client.host, made.control.host) == (
        "bedrock-runtime.eu-west-1.amazonaws.com",
        "bedrock.eu-west-1.amazonaws.com",
    )


async def test_the_region_of_an_endpoint_wins_over_the_providers() -> None:
    """Signatures name the region of the endpoint that is called."""
    endpoint = config.Endpoint(url="http://127.0.0.1:9", region="us-west-2")
    secrets = {"access_key_id": config.Secret("A"), "secret_access_key": config.Secret("s")}
    made = built(kind="bedrock", region="eu-west-1", endpoints=(endpoint,), credentials=secrets)
    headers = dict(await made.credential.headers(Outgoing(path="/x"), "127.0.0.1:9"))
    assert "/us-west-2/bedrock/aws4_request" in headers["authorization"]


@pytest.mark.parametrize(
    ("kind", "key", "fields"),
    [
        ("openai", "k", {"authorization": "Bearer k"}),
        ("anthropic", "k", {"x-api-key": "k"}),
        ("gemini", "k", {"x-goog-api-key": "k"}),
        ("azure_openai", "k", {"api-key": "k"}),
        ("azure_foundry", "k", {"api-key": "k"}),
        ("vertex", "AIza-k", {"x-goog-api-key": "AIza-k"}),
        ("vertex", "ya29.k", {"authorization": "Bearer ya29.k"}),
        ("bedrock", "k", {"authorization": "Bearer k"}),
        ("vertex", "", {}),
        ("bedrock", "", {}),
        ("openai", "", {}),
    ],
)
async def test_a_key_is_sent_as_the_kind_takes_it(kind: str, key: str, fields: dict[str, str]) -> None:
    """The empty key is `api_key: none`: nothing is sent, and no cloud is asked."""
    made = built(key, kind=kind, endpoint="http://127.0.0.1:9", project="p", location="global", region="us-east-1")
    assert dict(await made.credential.headers(Outgoing(path="/"), "h")) == fields


@pytest.mark.parametrize(
    ("kind", "credential"), [("vertex", RenewedHeaders), ("azure_openai", RenewedHeaders), ("bedrock", SigV4)]
)
def test_clouds_sign_in_by_themselves_without_a_key(kind: str, credential: type[object]) -> None:
    """What a kind's identity is; nothing is asked of it yet."""
    made = built(kind=kind, endpoint="http://127.0.0.1:9", project="p", location="global", region="us-east-1")
    assert isinstance(made.credential, credential)


@pytest.mark.parametrize(
    ("settings", "module"),
    [
        ({"kind": "openai"}, "openai_responses"),
        ({"kind": "openai", "api": "chat"}, "openai_chat"),
        ({"kind": "openai_compatible"}, "openai_chat"),
        ({"kind": "openai_compatible", "api": "responses"}, "openai_responses"),
        ({"kind": "azure_openai"}, "openai_responses"),
        ({"kind": "azure_openai", "api_version": "2024-10-21"}, "openai_chat"),
        ({"kind": "llama_cpp", "api": "responses"}, "openai_responses"),
        ({"kind": "vertex", "publisher": "anthropic"}, "anthropic"),
        ({"kind": "vertex", "publisher": "google"}, "gemini"),
        ({"kind": "mistral"}, "openai_chat"),
    ],
)
def test_the_configured_api_wins_over_the_rule(settings: dict[str, Any], module: str) -> None:
    """The wire format of a request for gpt-5."""
    made = built("k", endpoint="http://127.0.0.1:9", project="p", location="global", **settings)
    api = made.choose(gateway_pb2.SendRequest(), Summary(), "gpt-5")
    assert api.wire.__name__.rpartition(".")[2] == module  # type: ignore[attr-defined]  # a module


@pytest.mark.parametrize(("publisher", "lists"), [(None, 2), ("anthropic", 1), ("google", 1)])
def test_a_configured_publisher_is_the_only_one_listed(publisher: str | None, lists: int) -> None:
    """Vertex AI has a list a publisher."""
    assert len(built("k", kind="vertex", project="p", location="global", publisher=publisher).lists) == lists


def test_no_repr_shows_a_header() -> None:
    """Configured headers may hold a key."""
    made = built("canary-key", kind="openai", headers={"x-team": config.Secret("canary-header")})
    assert "HttpCaller" in repr(made)
    assert "canary" not in repr(made)


def test_what_one_api_signed_is_not_sent_to_another_of_the_same_provider() -> None:
    """Claude and Gemini on Vertex, Chat Completions and Responses: their signatures mean nothing to each other."""
    from llm_gateway.protocols.wire import Rendering
    from llmgateway.v1 import gateway_pb2

    def rendering(api: str) -> Rendering:
        return Rendering(
            request=gateway_pb2.SendRequest(),
            model="m",
            stream=False,
            provider="mine",
            kind="vertex",
            dialect=None,
            api=api,
        )

    assert rendering("gemini").owns("mine/gemini")
    assert rendering("gemini").owns("vertex/gemini")
    assert not rendering("gemini").owns("mine/anthropic")
    assert rendering("gemini").owns("mine")  # a caller's own word
    assert rendering("").owns("mine")
    assert not rendering("").owns("other")
    assert rendering("gemini").options({"mine/gemini": '{"a": 1}', "mine/anthropic": '{"b": 2}'}) == {"a": 1}


@pytest.mark.parametrize(
    ("kind", "url", "called"),
    [
        ("anthropic", "http://h/v1", "http://h"),
        ("anthropic", "http://h/v1/v1", "http://h"),
        ("anthropic", "http://h/proxy/v1/messages", "http://h/proxy"),
        ("claude_code", "http://h/v1", "http://h"),
        ("gemini", "http://h/v1beta/v1beta", "http://h"),
        ("gemini", "http://h/v1beta/models/gemini-3-pro:generateContent", "http://h"),
        ("vertex", "http://h/v1/projects/p/locations/l", "http://h"),
        ("bedrock", "http://h/model/m/converse", "http://h"),
        ("openai", "http://h/v1/v1", "http://h/v1"),
        ("openai", "http://h/v1/chat/completions", "http://h/v1"),
        ("openai", "https://api.openai.com", "https://api.openai.com/v1"),
        ("groq", "https://api.groq.com/openai", "https://api.groq.com/openai/v1"),
        ("xai", "http://h/v1/responses", "http://h/v1"),
        ("perplexity", "https://api.perplexity.ai/chat/completions", "https://api.perplexity.ai"),
        ("openai_compatible", "http://h/v1/models", "http://h/v1"),
        ("openai_compatible", "http://h/api/api", "http://h/api"),
        ("openai_compatible", "http://h/api/v1/api/v1", "http://h/api/v1"),
        ("openai_compatible", "http://models", "http://models"),
        ("vllm", "http://h:8000/v1", "http://h:8000/v1"),
        ("llama_cpp", "http://h:8080/v1/chat/completions", "http://h:8080/v1"),
        ("mistral", "http://h/v1/chat/completions", "http://h"),
        ("ollama", "http://h:11434/api/api", "http://h:11434"),
        ("ollama", "http://h:11434/v1", "http://h:11434"),
        ("lmstudio", "http://h:1234/v1/chat/completions", "http://h:1234"),
        ("lmstudio", "http://h:1234/api/v0", "http://h:1234"),
        ("azure_openai", "http://h/openai/v1", "http://h"),
        ("azure_openai", "http://h/openai/deployments/d/chat/completions", "http://h"),
        ("azure_foundry", "http://h/models/chat/completions", "http://h"),
    ],
)
def test_an_address_is_called_without_what_our_paths_bring(kind: str, url: str, called: str) -> None:
    """A version twice, the version of another tool, the whole path of an operation; no other part of it is touched."""
    assert trimmed(url, plugins.row(kind)) == called
    assert trimmed(called, plugins.row(kind)) == called


def test_every_kind_has_a_model_for_calls_that_name_none_or_takes_it_from_its_list() -> None:
    """The servers whose models only their owner knows, and the clouds whose callers name deployments, have none."""
    without = {kind for kind, row in plugins.rows().items() if not row.default_model}
    assert without == {
        *(
            "azure_openai",
            "azure_foundry",
            "litellm",
            "echo",
            "lmstudio",
            "llama_cpp",
            "ollama",
            "openai_compatible",
            "anthropic_compatible",
            "vllm",
        )
    }
    assert {kind for kind in without if plugins.row(kind).deployments} == {"azure_openai", "azure_foundry"}


@pytest.mark.parametrize(
    ("settings", "model"),
    [
        ({"kind": "bedrock", "region": "us-east-1"}, "us.amazon.nova-2-lite-v1:0"),
        ({"kind": "bedrock", "region": "eu-west-1"}, "eu.amazon.nova-2-lite-v1:0"),
        ({"kind": "bedrock", "region": "ap-southeast-2"}, "global.amazon.nova-2-lite-v1:0"),
        ({"kind": "bedrock", "region": "us-gov-west-1"}, ""),
        ({"kind": "vertex", "publisher": "anthropic"}, "claude-sonnet-5-5"),
        ({"kind": "vertex"}, "gemini-3.8-flash"),
        ({"kind": "echo"}, ""),
    ],
)
def test_the_usual_model_is_one_that_is_there(settings: dict[str, Any], model: str) -> None:
    """Inference profiles by the part of the world, models by their publisher."""
    assert usual_model(config.Provider(**settings)) == model


def test_litellm_calls_only_providers_that_the_configuration_lists() -> None:
    """By `options.providers`, or by a model that it names; no name of a caller's holds an address."""
    provider = config.Provider(kind="litellm", options={"providers": ["openai"]})
    named = frozenset({"cohere/command", "huggingface/http://10.0.0.1/v1"})
    choose = upstream("p", provider, None, None, None, named=named).choose  # type: ignore[attr-defined]
    request = gateway_pb2.SendRequest()
    for model in ("openai/gpt-4o", "openai/ft:gpt-4o:org::id", "cohere/other", *named):
        assert choose(request, Summary(), model)
    for model in (
        *("gpt-4o", "mistral/m", "oobabooga/http://10.0.0.1/", "openai/http://10.0.0.1/v1", "huggingface/https://h"),
        *("openai/http:h", "openai/../x", "openai/a?b", "openai//h/x", "openai/", "huggingface/http://10.0.0.2/v1", ""),
    ):
        with pytest.raises(InvalidRequest) as caught:
            choose(request, Summary(), model)
        assert [one.field for one in caught.value.violations] == ["model"], model


@pytest.mark.parametrize(
    ("discovery", "workers", "hosted", "local"),
    [
        (config.Discovery(), 1, 600.0, 15.0),
        (config.Discovery(), 4, 2400.0, 15.0),
        (config.Discovery(), 32, 3600.0, 15.0),
        (config.Discovery(interval=7200.0), 4, 7200.0, 15.0),
        (config.Discovery(local_interval=0.0), 1, 600.0, 600.0),
        (config.Discovery(interval=0.0), 4, None, 15.0),
        (config.Discovery(interval=0.0, local_interval=0.0), 1, None, None),
    ],
)
async def test_lists_are_asked_for_by_each_worker_so_seldom_that_all_together_ask_once(
    discovery: config.Discovery, workers: int, hosted: float | None, local: float | None
) -> None:
    """Local servers by each. Not asked: who has models configured, or deployments, or would start a process, or has no list."""
    key = config.Secret("k")
    providers = {
        "openai": config.Provider(kind="openai", api_key=key),
        "ollama": config.Provider(kind="ollama"),
        "declared": config.Provider(kind="openai", api_key=key, models=("m",)),
        "azure_openai": config.Provider(kind="azure_openai", endpoint="http://127.0.0.1:9", api_key=key),
        "claude_code": config.Provider(kind="claude_code"),
        "litellm": config.Provider(kind="litellm"),
        "echo": config.Provider(kind="echo"),
    }
    settings = config.Config(providers=providers, discovery=discovery, server=config.Server(workers=workers))
    asked = Gateway(settings)._built.catalogue._refreshed
    assert asked == {name: seconds for name, seconds in (("openai", hosted), ("ollama", local)) if seconds is not None}
