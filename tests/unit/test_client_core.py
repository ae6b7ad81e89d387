"""What the Python client decides without a network: where a key may go, what a request holds, which model is meant."""

import inspect
import json

import grpc
import llmgateway
import pytest
from llmgateway import AsyncClient, Client, Generation, make_request
from llmgateway.channel import SERVICE_CONFIG, TLS, channel_options, is_local
from llmgateway.core import ClientCore
from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:50051",
        "127.9.9.9:1",
        "localhost:50051",
        "localhost",
        "[::1]:50051",
        "::1",
        "ipv4:127.0.0.1:50051",
        "ipv4:127.0.0.1:1,127.0.0.2:2",
        "ipv6:[::1]:50051",
        "dns:localhost:50051",
        "dns:///localhost:50051",
        "unix:/run/gateway.sock",
        "unix:///run/gateway.sock",
        "unix-abstract:gateway",
    ],
)
def test_an_address_on_this_machine_is_local(address: str) -> None:
    """Every spelling of loopback that gRPC takes, and sockets of the file system."""
    assert is_local(address)


@pytest.mark.parametrize(
    "address",
    [
        "gateway.example:443",
        "10.0.0.1:50051",
        "0.0.0.0:50051",
        "[2001:db8::1]:50051",
        "ipv4:127.0.0.1:1,10.0.0.1:2",
        "dns://8.8.8.8/localhost:50051",
        "dns:///gateway.example",
        "localhost.example:50051",
        "127.0.0.1.example:50051",
        "xds:///localhost",
        "",
    ],
)
def test_any_other_address_is_not_local(address: str) -> None:
    """Names that only look like loopback, lists with one foreign member, and resolvers that somebody else controls."""
    assert not is_local(address)


def test_a_key_is_not_sent_over_plaintext_to_another_machine() -> None:
    """The refusal names the address and the ways out, not the key."""
    with pytest.raises(ValueError, match=r"gateway\.example.*tls=True.*insecure=True") as refused:
        ClientCore("gateway.example:50051", api_key="k-secret")
    assert "k-secret" not in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"address": "gateway.example:50051", "api_key": "k", "tls": True},
        {"address": "gateway.example:50051", "api_key": "k", "tls": grpc.ssl_channel_credentials()},
        {"address": "gateway.example:50051", "api_key": "k", "insecure": True},
        {"address": "gateway.example:50051"},
        {"address": "localhost:50051", "api_key": "k"},
    ],
)
def test_a_key_is_sent_over_tls_or_on_this_machine_or_by_explicit_leave(settings: dict[str, object]) -> None:
    """None of these is refused."""
    ClientCore(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_a_header_is_refused_unseen(key: str) -> None:
    """gRPC's own error for it would name no cause."""
    with pytest.raises(ValueError, match="character") as refused:
        ClientCore(api_key=key)
    assert key not in str(refused.value)


def test_the_key_is_in_no_repr() -> None:
    """A client that is logged shows its address only."""
    assert repr(ClientCore("localhost:1", api_key="k-secret")) == "ClientCore('localhost:1')"


def test_tls_refuses_half_of_a_client_certificate() -> None:
    """A certificate without its key would fail as an opaque handshake error."""
    with pytest.raises(ValueError, match="cert_file and key_file"):
        TLS(cert_file="c.pem").credentials()


def test_an_option_replaces_the_default_of_its_name() -> None:
    """The other defaults stay."""
    options = dict(channel_options("gateway.example:1", [("grpc.keepalive_time_ms", 5)]))
    assert options["grpc.keepalive_time_ms"] == 5
    assert options["grpc.max_receive_message_length"] == 64 * 1024 * 1024
    assert "grpc.enable_http_proxy" not in options


def test_no_proxy_stands_between_the_client_and_its_own_machine() -> None:
    """gRPC reads http_proxy from the environment even for loopback."""
    assert dict(channel_options("127.0.0.1:1"))["grpc.enable_http_proxy"] == 0


def test_only_what_no_gateway_served_is_retried() -> None:
    """The service config that the channel gets."""
    (method,) = json.loads(SERVICE_CONFIG)["methodConfig"]
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE", "CANCELLED"]
    assert method["retryPolicy"]["maxAttempts"] == 3


def test_generation_has_exactly_the_fields_of_the_proto() -> None:
    """A field added to GenerationConfig must be added to the keyword arguments."""
    assert list(Generation.__annotations__) == [f.name for f in gateway_pb2.GenerationConfig.DESCRIPTOR.fields]


def test_a_chat_becomes_a_system_turn_a_user_turn_and_sampling() -> None:
    """Zero is a value; what is not given stays unset."""
    request = make_request("hi", "m", "p", "be brief", temperature=0, stop_sequences=["."], logit_bias={5: -1.0})
    assert (request.model, request.provider) == ("m", "p")
    assert [(m.role, m.parts[0].text.text) for m in request.messages] == [
        (content_pb2.ROLE_SYSTEM, "be brief"),
        (content_pb2.ROLE_USER, "hi"),
    ]
    assert request.generation_config.HasField("temperature")
    assert request.generation_config.temperature == 0
    assert not request.generation_config.HasField("top_p")
    assert list(request.generation_config.stop_sequences) == ["."]
    assert dict(request.generation_config.logit_bias) == {5: -1.0}


def test_a_conversation_mixes_messages_and_words_of_the_user() -> None:
    """A model's turn goes back as it came, signature included."""
    turn = content_pb2.Message(role=content_pb2.ROLE_ASSISTANT, parts=[content_pb2.Part(signature=b"s")])
    request = make_request(["2+2?", turn, "and 3+3?"])
    assert [m.role for m in request.messages] == [
        content_pb2.ROLE_USER,
        content_pb2.ROLE_ASSISTANT,
        content_pb2.ROLE_USER,
    ]
    assert request.messages[1] == turn
    assert not request.HasField("generation_config")


def test_an_unknown_argument_is_named_beside_the_known_ones() -> None:
    """A typing error in a sampling parameter does not vanish."""
    with pytest.raises(TypeError, match=r"max_tokens; .*max_output_tokens"):
        make_request("hi", max_tokens=5)  # type: ignore[call-arg]


def listed(*models: tuple[str, str], unreachable: tuple[str, ...] = ()) -> llmgateway.ModelList:
    result = llmgateway.ModelList()
    result.add_page(
        model_pb2.ListModelsResponse(
            models=[
                model_pb2.Model(name=f"providers/{p}/models/{m}", provider=p, model_id=m, aliases=[f"{m}-latest"])
                for p, m in models
            ],
            unreachable=unreachable,
        )
    )
    return result


@pytest.mark.parametrize("name", ["m1", "a/m1", "providers/a/models/m1", "m1-latest"])
def test_a_selected_model_is_used_by_requests_that_name_none(name: str) -> None:
    """By any of its names; a request that names a model or a provider is left alone, and the caller's message too."""
    core = ClientCore()
    assert core._select(name, None, listed(("a", "m1"), ("a", "m2"))).model_id == "m1"
    bare = gateway_pb2.SendRequest(request_id="x")
    provider = "a" if name == "m1" else ""
    assert core._addressed(bare) == gateway_pb2.SendRequest(request_id="x", model=name, provider=provider)
    assert bare.model == ""
    for named in (gateway_pb2.SendRequest(model="m2"), gateway_pb2.SendRequest(provider="b")):
        assert core._addressed(named) is named


def test_a_stream_request_keeps_its_options_when_it_gets_the_selected_model() -> None:
    """StreamSendRequest as well as SendRequest."""
    core = ClientCore()
    core._select("m1", "a", listed(("a", "m1")))
    request = gateway_pb2.StreamSendRequest(options=gateway_pb2.StreamOptions(include_final_response=True))
    addressed = core._streamed(request)
    assert (addressed.request.model, addressed.request.provider) == ("m1", "a")
    assert addressed.options.include_final_response
    assert request.request.model == ""


def test_a_model_that_is_not_listed_is_not_selected() -> None:
    """The error offers close names and says whose models are missing; the selection before it stays."""
    core = ClientCore()
    core._select("mistral-small", None, listed(("a", "mistral-small")))
    with pytest.raises(llmgateway.ModelNotFound, match=r"did you mean mistral-small.*did not answer: b") as error:
        core._select("mistral-smal", None, listed(("a", "mistral-small"), unreachable=("providers/b",)))
    assert error.value.reason == "MODEL_NOT_FOUND"
    assert core._addressed(gateway_pb2.SendRequest()).model == "mistral-small"


def test_a_model_of_two_providers_needs_the_provider() -> None:
    """The gateway would refuse every later call; say so now."""
    core = ClientCore()
    models = listed(("a", "m"), ("b", "m"))
    with pytest.raises(llmgateway.InvalidArgument, match="a, b"):
        core._select("m", None, models)
    assert core._select("m", "b", models).provider == "b"


def test_the_async_client_offers_what_the_sync_one_does() -> None:
    """Same public methods, same parameters."""

    def surface(client: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(client, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in methods if not name.startswith("_")}

    assert surface(Client) == surface(AsyncClient)
    assert surface(llmgateway.Stream) == surface(llmgateway.AsyncStream)
