"""Azure, Vertex AI and Bedrock over real sockets: paths, credentials and signatures, with the vendors' own clients as oracles.

Each test imports its client: together they take seconds, and every worker collects this module.
"""

import asyncio
import datetime
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from llmgateway import errors
from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2

from tests.conftest import GatewayFactory
from tests.support import vendors
from tests.support.aws import event_message
from tests.support.gateway import configured, environment
from tests.support.upstream import Request, Script, Upstream, chat, chat_stream, sse, stream, whole

MESSAGE: Any = {"role": "user", "content": "hi"}
CONVERSE_STREAM = stream(
    event_message("messageStart", {"role": "assistant"}),
    event_message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hel"}}),
    event_message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "lo"}}),
    event_message("contentBlockStop", {"contentBlockIndex": 0}),
    event_message("messageStop", {"stopReason": "end_turn"}),
    event_message("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {}}),
    content_type="application/vnd.amazon.eventstream",
)


def key_of(request: Request, *names: str) -> tuple[str, dict[str, str]]:
    """Path, and the headers of these names."""
    return request.path, {name: request.headers[name] for name in names if name in request.headers}


async def ask(gateway_factory: GatewayFactory, model: str = "m", *, streamed: bool = False, **provider: Any) -> str:
    """The answer of a gateway with this provider."""
    local = await gateway_factory({"providers": {"p": {"models": [model], **provider}}})
    if streamed:
        return "".join([text async for text in local.client.stream("hi", model=f"p/{model}")])
    return (await local.client.chat("hi", model=f"p/{model}")).text


# ---------------------------------------------------------------- Azure
KEY_HEADERS = ("api-key", "authorization")


@pytest.mark.parametrize(
    ("api", "version", "answer"),
    [("chat", None, chat()), ("responses", None, whole(200, vendors.RESPONSE)), ("chat", "2024-10-21", chat())],
)
async def test_azure_is_called_as_its_own_client_calls_it(
    gateway_factory: GatewayFactory, upstream: Upstream, api: str, version: str | None, answer: Script
) -> None:
    """Path, version and key header of the v1 surface and of a dated version."""
    from openai import AsyncAzureOpenAI, AsyncOpenAI

    upstream.script(answer)
    oracle: AsyncOpenAI = (
        AsyncAzureOpenAI(azure_endpoint=upstream.url, api_key="secret", api_version=version, max_retries=0)
        if version
        else AsyncOpenAI(
            base_url=f"{upstream.url}/openai/v1/",
            api_key="unused",
            default_headers={"api-key": "secret"},
            max_retries=0,
        )
    )
    async with oracle:
        if api == "chat":
            await oracle.chat.completions.create(model="my-gpt", messages=[MESSAGE])
        else:
            await oracle.responses.create(model="my-gpt", input="hi")
    provider: dict[str, Any] = {"kind": "azure_openai", "endpoint": upstream.url, "api_key": "secret", "api": api}
    if version:
        provider["api_version"] = version
    assert await ask(gateway_factory, "my-gpt", **provider) == "hello"
    theirs, ours = upstream.requests
    assert key_of(ours, "api-key") == key_of(theirs, "api-key")
    assert "authorization" not in ours.headers


@pytest.mark.parametrize(
    ("version", "path"),
    [
        (None, "/openai/v1/models"),
        ("preview", "/openai/v1/models?api-version=preview"),
        ("2025-04-01-preview", "/openai/models?api-version=2025-04-01-preview"),
    ],
)
@pytest.mark.parametrize("tail", ["", "/openai", "/openai/v1"])
async def test_azure_models_are_listed_at_the_same_surface(
    gateway_factory: GatewayFactory, upstream: Upstream, version: str | None, path: str, tail: str
) -> None:
    """Whether the endpoint is configured as the resource's address or as a client's base URL."""
    upstream.script(whole(200, {"data": [{"id": "gpt-5", "object": "model"}]}))
    provider: dict[str, Any] = {
        "kind": "azure_openai",
        "endpoint": upstream.url + tail,
        "api_key": "secret",
        "api_version": version,
    }
    local = await gateway_factory({"providers": {"p": {k: v for k, v in provider.items() if v}}})
    (model,) = await local.client.list_models()
    assert model.model_id == "gpt-5"
    assert upstream.requests[0].path == path


async def test_entra_tokens_are_fetched_once_and_after_a_rejection(
    gateway_factory: GatewayFactory, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """azure-identity's managed identity of an App Service, without a key in the configuration."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{upstream.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    ends = str(int(datetime.datetime.now(datetime.UTC).timestamp()) + 3600)
    tokens = [
        whole(200, {"access_token": name, "expires_on": ends, "resource": "r", "token_type": "Bearer"})
        for name in ("first", "second")
    ]
    upstream.script(*tokens, path="/msi/token")
    upstream.script(chat(), chat(), whole(401, {"error": {"code": "401", "message": "expired"}}), chat())
    local = await gateway_factory(
        {"providers": {"p": {"kind": "azure_openai", "endpoint": upstream.url, "models": ["m"]}}}
    )
    for _ in range(3):
        assert (await local.client.chat("hi", model="p/m")).text == "hello"
    calls = [(r.path.partition("?")[0], r.headers.get("authorization")) for r in upstream.requests]
    token, answer = "/msi/token", "/openai/v1/chat/completions"
    assert calls == [
        (token, None),
        (answer, "Bearer first"),
        (answer, "Bearer first"),
        (answer, "Bearer first"),
        (token, None),
        (answer, "Bearer second"),
    ]
    assert not any("api-key" in request.headers for request in upstream.requests)
    assert "cognitiveservices.azure.com" in upstream.requests[0].path


async def test_foundry_serves_models_of_many_makers(gateway_factory: GatewayFactory, upstream: Upstream) -> None:
    """The model inference API: its own path, its version, the key header."""
    upstream.script(chat_stream(2))
    provider: dict[str, Any] = {"kind": "azure_foundry", "endpoint": f"{upstream.url}/models", "api_key": "secret"}
    assert await ask(gateway_factory, "grok-4", streamed=True, **provider) == "0 1 "
    path, keys = key_of(upstream.requests[0], *KEY_HEADERS)
    assert path == "/models/chat/completions?api-version=2024-05-01-preview"
    assert keys == {"api-key": "secret"}


# ---------------------------------------------------------------- Vertex AI
@pytest.mark.parametrize("streamed", [False, True])
async def test_claude_on_vertex_is_called_as_its_own_client_calls_it(
    gateway_factory: GatewayFactory, upstream: Upstream, streamed: bool
) -> None:
    """The model in the path, the version in the body, the token as bearer; the stream's path for streams."""
    from anthropic import AsyncAnthropicVertex

    start = {**vendors.ANTHROPIC, "content": [], "stop_reason": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    answer = stream(*(sse(e, e["type"]) for e in events)) if streamed else whole(200, vendors.ANTHROPIC)
    upstream.script(answer)
    async with AsyncAnthropicVertex(
        project_id="proj", region="us-east5", access_token="ya29.token", base_url=f"{upstream.url}/v1", max_retries=0
    ) as oracle:
        made = await oracle.messages.create(
            model="claude-opus-4-1@20250805", max_tokens=9, messages=[MESSAGE], stream=streamed
        )
        if streamed:
            _ = [event async for event in made]  # type: ignore[union-attr]
    provider: dict[str, Any] = {
        "kind": "vertex",
        "endpoint": upstream.url,
        "api_key": "ya29.token",
        "project": "proj",
        "location": "us-east5",
    }
    assert await ask(gateway_factory, "claude-opus-4-1@20250805", streamed=streamed, **provider) == "hello"
    theirs, ours = upstream.requests
    assert ours.path.replace("%40", "@") == theirs.path.replace("%40", "@")
    assert ours.headers["authorization"] == theirs.headers["authorization"] == "Bearer ya29.token"
    assert {name for name, value in theirs.json().items() if value is not False} == set(ours.json())
    assert "model" not in ours.json()
    assert "anthropic-version" not in ours.headers


async def test_gemini_on_vertex_is_called_as_its_own_client_calls_it(
    gateway_factory: GatewayFactory, upstream: Upstream
) -> None:
    """Project and location in the path, the token as bearer."""
    from google import genai
    from google.oauth2.credentials import Credentials as GoogleToken

    upstream.script(whole(200, vendors.GEMINI))
    oracle = genai.Client(
        vertexai=True,
        project="proj",
        location="europe-west4",
        credentials=GoogleToken(token="ya29.token", expiry=datetime.datetime(2999, 1, 1)),  # type: ignore[no-untyped-call]
        http_options={"base_url": upstream.url},
    )
    await oracle.aio.models.generate_content(model="gemini-3-pro", contents="hi")
    await oracle.aio.aclose()
    provider: dict[str, Any] = {"kind": "vertex", "endpoint": upstream.url, "api_key": "ya29.token", "project": "proj"}
    assert await ask(gateway_factory, "gemini-3-pro", location="europe-west4", **provider) == "hello"
    theirs, ours = upstream.requests
    assert key_of(ours, "authorization") == key_of(theirs, "authorization")


async def test_service_accounts_sign_in_and_may_name_a_quota_project(
    gateway_factory: GatewayFactory, upstream: Upstream
) -> None:
    """google-auth trades the account's signature for a token, once; an API key would not be sent beside it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {
        "type": "service_account",
        "client_email": "gateway@proj.iam.gserviceaccount.com",
        "private_key": pem,
        "private_key_id": "1",
        "token_uri": f"{upstream.url}/token",
    }
    upstream.script(whole(200, {"access_token": "ya29.fetched", "expires_in": 3600}), path="/token")
    upstream.script(whole(200, vendors.GEMINI))
    local = await gateway_factory(
        {
            "providers": {
                "p": {
                    "kind": "vertex",
                    "endpoint": upstream.url,
                    "project": "proj",
                    "location": "global",
                    "models": ["gemini-3-pro"],
                    "credentials": {"service_account": json.dumps(account)},
                    "options": {"quota_project": "payer"},
                }
            }
        }
    )
    for _ in range(2):
        assert (await local.client.chat("hi", model="p/gemini-3-pro")).text == "hello"
    token, first, second = upstream.requests
    assert token.path == "/token"
    assert b"assertion=" in token.body
    for request in (first, second):
        assert request.headers["authorization"] == "Bearer ya29.fetched"
        assert request.headers["x-goog-user-project"] == "payer"


async def test_without_any_credentials_the_caller_learns_whose_fault_it_is(
    gateway_factory: GatewayFactory, upstream: Upstream, tmp_path: Path
) -> None:
    """A key file that is none: FAILED_PRECONDITION, and not a word of the library's."""
    (tmp_path / "key.json").write_text('{"type": "hidden"}')
    provider: dict[str, Any] = {
        "kind": "vertex",
        "endpoint": upstream.url,
        "project": "proj",
        "location": "global",
        "options": {"credentials_file": str(tmp_path / "key.json")},
    }
    with pytest.raises(errors.GatewayError) as caught:
        await ask(gateway_factory, "gemini-3-pro", **provider)
    assert caught.value.reason == "PROVIDER_CREDENTIALS_REJECTED"
    assert "hidden" not in str(caught.value)
    assert upstream.requests == []


async def test_vertex_lists_the_models_of_both_publishers(gateway_factory: GatewayFactory, upstream: Upstream) -> None:
    """One that has no list is passed over."""
    listed = {"publisherModels": [{"name": "publishers/google/models/gemini-3-pro"}]}
    upstream.script(whole(200, listed), path="/v1beta1/publishers/google/models")
    provider: dict[str, Any] = {
        "kind": "vertex",
        "endpoint": upstream.url,
        "api_key": "AIza",
        "project": "proj",
        "location": "global",
    }
    local = await gateway_factory({"providers": {"p": provider}})
    assert [model.model_id for model in await local.client.list_models()] == ["gemini-3-pro"]
    assert {request.headers["x-goog-api-key"] for request in upstream.requests} == {"AIza"}
    claude = {"publisherModels": [{"name": "publishers/anthropic/models/claude-opus-5"}]}
    upstream.script(whole(200, claude), path="/v1beta1/publishers/anthropic/models")
    models = await local.client.list_models(refresh=True)
    assert [model.model_id for model in models] == ["claude-opus-5", "gemini-3-pro"]


# ---------------------------------------------------------------- Bedrock
AWS_KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret", "session_token": "session"}
PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-opus-5-v1:0"


def signature(request: Request, upstream: Upstream, region: str) -> str:
    """The signature that botocore gives to the request as it arrived."""
    again = AWSRequest(
        method=request.method,
        url=upstream.url + request.path,
        data=request.body,
        headers={
            "Content-Type": request.headers["content-type"],
            "X-Amz-Date": request.headers["x-amz-date"],
            "X-Amz-Security-Token": request.headers["x-amz-security-token"],
        },
    )
    again.context["timestamp"] = request.headers["x-amz-date"]
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", "secret", "session"), "bedrock", region)
    return str(auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again))


@pytest.mark.parametrize("streamed", [False, True])
async def test_bedrock_is_called_and_signed_as_its_own_client_does(
    gateway_factory: GatewayFactory, upstream: Upstream, streamed: bool
) -> None:
    """The ARN in the path, a signature that botocore agrees with, an event stream that botocore reads as we do."""
    upstream.script(CONVERSE_STREAM if streamed else whole(200, vendors.CONVERSE))
    client = botocore.session.Session().create_client(
        "bedrock-runtime",
        region_name="eu-west-1",
        endpoint_url=upstream.url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        aws_session_token="session",
        config=Config(retries={"max_attempts": 0}),
    )
    messages = [{"role": "user", "content": [{"text": "hi"}]}]

    def oracle() -> str:
        if not streamed:
            answer = client.converse(modelId=PROFILE, messages=messages)
            return str(answer["output"]["message"]["content"][0]["text"])
        events = client.converse_stream(modelId=PROFILE, messages=messages)["stream"]
        return "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e)

    assert await asyncio.to_thread(oracle) == "hello"
    client.close()
    provider: dict[str, Any] = {
        "kind": "bedrock",
        "endpoint": upstream.url,
        "region": "eu-west-1",
        "credentials": AWS_KEYS,
    }
    assert await ask(gateway_factory, PROFILE, streamed=streamed, **provider) == "hello"
    theirs, ours = upstream.requests
    assert ours.path == theirs.path
    assert "arn%3Aaws%3Abedrock" in ours.path
    assert ours.json()["messages"] == theirs.json()["messages"] == messages
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-west-1/bedrock/aws4_request, "
        r"SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=(\w{64})",
        ours.headers["authorization"],
    )
    assert found is not None
    assert found[1] == signature(ours, upstream, "eu-west-1")


async def test_signatures_cover_the_path_prefix_of_the_endpoint(
    gateway_factory: GatewayFactory, upstream: Upstream
) -> None:
    """A proxy at a path receives what was signed."""
    upstream.script(whole(200, vendors.CONVERSE))
    provider: dict[str, Any] = {
        "kind": "bedrock",
        "endpoint": f"{upstream.url}/aws",
        "region": "eu-west-1",
        "credentials": AWS_KEYS,
    }
    assert await ask(gateway_factory, "m", **provider) == "hello"
    (ours,) = upstream.requests
    assert ours.path == "/aws/model/m/converse"
    assert ours.headers["authorization"].endswith(signature(ours, upstream, "eu-west-1"))


async def test_a_bedrock_api_key_is_a_bearer_token(gateway_factory: GatewayFactory, upstream: Upstream) -> None:
    """Nothing is signed then."""
    upstream.script(CONVERSE_STREAM)
    provider: dict[str, Any] = {"kind": "bedrock", "endpoint": upstream.url, "region": "us-east-1", "api_key": "secret"}
    assert await ask(gateway_factory, "m", streamed=True, **provider) == "hello"
    assert upstream.requests[0].headers["authorization"] == "Bearer secret"
    assert "x-amz-date" not in upstream.requests[0].headers


async def test_keys_come_from_the_chain_of_botocore(
    gateway_factory: GatewayFactory, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporary keys of a container, fetched once for two calls."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{upstream.url}/credentials")
    ends = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    given = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "secret", "Token": "session", "Expiration": ends}
    upstream.script(whole(200, given), path="/credentials")
    upstream.script(whole(200, vendors.CONVERSE))
    local = await gateway_factory(
        {"providers": {"p": {"kind": "bedrock", "endpoint": upstream.url, "region": "us-east-1", "models": ["m"]}}}
    )
    for _ in range(2):
        assert (await local.client.chat("hi", model="p/m")).text == "hello"
    fetched, *calls = upstream.requests
    assert fetched.path == "/credentials"
    assert [call.headers["authorization"][-64:] for call in calls] == [
        signature(call, upstream, "us-east-1") for call in calls
    ]


async def test_an_exception_in_the_event_stream_is_the_providers_error(
    gateway_factory: GatewayFactory, upstream: Upstream
) -> None:
    """HTTP 200 and then a throttling exception."""
    throttled = event_message("throttlingException", {"message": "Too many tokens"}, "exception")
    upstream.script(stream(throttled, content_type="application/vnd.amazon.eventstream"))
    provider: dict[str, Any] = {
        "kind": "bedrock",
        "endpoint": upstream.url,
        "region": "us-east-1",
        "api_key": "secret",
        "models": ["m"],
    }
    local = await gateway_factory({"providers": {"p": provider}})
    request = gateway_pb2.SendRequest(model="p/m", routing=gateway_pb2.RoutingPolicy(max_attempts=1))
    request.messages.add(role=content_pb2.ROLE_USER).parts.add().text.text = "hi"
    with pytest.raises(errors.GatewayError) as caught:
        async for _ in local.client.stream_send(request).events():
            pass
    assert caught.value.reason == "PROVIDER_RATE_LIMITED"


async def test_bedrock_lists_models_and_profiles(gateway_factory: GatewayFactory, upstream: Upstream) -> None:
    """From the control plane, which is the same address where one is configured; signed requests there, too."""
    upstream.script(
        whole(200, {"modelSummaries": [{"modelId": "amazon.nova-micro-v1:0", "responseStreamingSupported": True}]}),
        path="/foundation-models",
    )
    upstream.script(
        whole(200, {"inferenceProfileSummaries": [{"inferenceProfileId": "us.anthropic.claude-opus-5-v1:0"}]}),
        path="/inference-profiles",
    )
    provider: dict[str, Any] = {
        "kind": "bedrock",
        "endpoint": upstream.url,
        "region": "us-east-1",
        "credentials": AWS_KEYS,
    }
    local = await gateway_factory({"providers": {"p": provider}})
    models = await local.client.list_models()
    assert [model.model_id for model in models] == ["amazon.nova-micro-v1:0", "us.anthropic.claude-opus-5-v1:0"]
    assert model_pb2.MODEL_CAPABILITY_STREAMING in models[0].capabilities
    for request in upstream.requests:
        assert request.headers["authorization"][-64:] == signature(request, upstream, "us-east-1")


# ---------------------------------------------------------------- local servers
async def test_ollama_is_asked_what_each_model_can_do(gateway_factory: GatewayFactory, upstream: Upstream) -> None:
    """One request a model, for the catalogue only: a health probe asks for the list and no more."""
    upstream.script(whole(200, {"models": [{"model": "llama3:8b"}, {"model": "gone:1b"}]}), path="/api/tags")
    shown = {"capabilities": ["completion", "tools"], "model_info": {"llama.context_length": 8192}}
    upstream.script(whole(200, shown), whole(404, {"error": "model not found"}), path="/api/show")
    local = await gateway_factory({"providers": {"p": {"kind": "ollama", "endpoint": upstream.url}}})
    models = {model.model_id: model for model in await local.client.list_models()}
    asked = [request.json()["model"] for request in upstream.requests if request.path == "/api/show"]
    assert sorted(asked) == ["gone:1b", "llama3:8b"]
    first, second = (models[name] for name in asked)
    assert (first.input_token_limit, model_pb2.MODEL_CAPABILITY_TOOLS in first.capabilities) == (8192, True)
    assert not second.HasField("input_token_limit")
    seen = len(upstream.requests)
    await local.client.get_status(probe=True)
    assert [request.path for request in upstream.requests[seen:]] == ["/api/tags"]


async def test_an_ollama_model_that_writes_nothing_is_not_listed(
    gateway_factory: GatewayFactory, upstream: Upstream
) -> None:
    """What the server says of it tells, whatever its name."""
    upstream.script(whole(200, {"models": [{"model": "minilm:l6"}]}), path="/api/tags")
    upstream.script(whole(200, {"capabilities": ["embedding"]}), path="/api/show")
    local = await gateway_factory({"providers": {"p": {"kind": "ollama", "endpoint": upstream.url}}})
    assert await local.client.list_models() == []


NATIVE = {
    "models": [
        {
            "type": "llm",
            "key": "qwen3-8b",
            "display_name": "Qwen3 8B",
            "max_context_length": 40960,
            "loaded_instances": [{"id": "qwen3-8b", "config": {"context_length": 4096}}],
            "capabilities": {"vision": False, "trained_for_tool_use": True},
        },
        {"type": "embedding", "key": "embed", "max_context_length": 512, "loaded_instances": []},
    ]
}
UNKNOWN = {"error": "Unexpected endpoint or method. (GET /api/v1/models)"}


@pytest.mark.parametrize(
    ("scripts", "paths", "limit"),
    [
        ({"/api/v1/models": whole(200, NATIVE)}, ["/api/v1/models"], 4096),
        (
            {
                "/api/v1/models": whole(200, UNKNOWN),
                "/api/v0/models": whole(
                    200, {"data": [{"id": "qwen3-8b", "state": "loaded", "max_context_length": 40960}]}
                ),
            },
            ["/api/v1/models", "/api/v0/models"],
            40960,
        ),
        (
            {"/v1/models": whole(200, {"data": [{"id": "qwen3-8b"}]})},
            ["/api/v1/models", "/api/v0/models", "/v1/models"],
            None,
        ),
    ],
)
async def test_lm_studio_tells_what_is_loaded_as_far_as_its_release_does(
    gateway_factory: GatewayFactory, upstream: Upstream, scripts: dict[str, Script], paths: list[str], limit: int | None
) -> None:
    """The context of the loaded instance, not the model's; older releases have older lists."""
    for path, script in scripts.items():
        upstream.script(script, path=path)
    local = await gateway_factory({"providers": {"p": {"kind": "lmstudio", "endpoint": upstream.url}}})
    (model,) = await local.client.list_models()
    assert model.model_id == "qwen3-8b"
    assert (model.input_token_limit if model.HasField("input_token_limit") else None) == limit
    assert model.loaded == (limit is not None)
    assert [request.path for request in upstream.requests] == paths


# ---------------------------------------------------------------- the base install
def test_the_base_install_imports_no_cloud_library(tmp_path: Path) -> None:
    """Building a gateway with every kind configured, without a call, needs none of the extras."""
    clouds = {
        "azure": {"kind": "azure_openai", "endpoint": "http://127.0.0.1:9"},
        "vertex": {"kind": "vertex", "project": "p", "location": "global"},
        "bedrock": {"kind": "bedrock", "region": "us-east-1"},
    }
    file = tmp_path / "gateway.yaml"
    file.write_text(json.dumps(configured({"providers": clouds})))
    program = f"""
import asyncio, sys
from llm_gateway.app.gateway import Gateway
from llm_gateway.config import load
async def main():
    Gateway(load({str(file)!r}, {{}}))
asyncio.run(main())
print(*sorted({{name.split(".")[0] for name in sys.modules}} | {{n for n in sys.modules if n.startswith("google.")}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "llm_gateway" in loaded
    assert not loaded & {
        "azure",
        "botocore",
        "boto3",
        "google.auth",
        "requests",
        "msal",
        "litellm",
        "openai",
        "anthropic",
    }
