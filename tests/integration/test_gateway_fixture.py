"""The gateway as tests start it: on their own event loop, and as the command that users run."""

from llmgateway import Client

from tests.conftest import GatewayFactory, ProcessFactory
from tests.support.gateway import provider
from tests.support.llama import MODEL, WORDS, Llama
from tests.support.upstream import Upstream, chat_stream


async def test_a_stream_passes_through_a_gateway_on_this_loop(
    gateway_factory: GatewayFactory, upstream: Upstream
) -> None:
    """Every event of the scripted upstream arrives, once and in order."""
    upstream.script(chat_stream(50))
    local = await gateway_factory({"providers": {"edge": provider(upstream.url)}})
    assert "".join([text async for text in local.client.stream("hi", model="edge/m")]) == "".join(
        f"{n} " for n in range(50)
    )
    (request,) = upstream.requests
    assert request.path == "/v1/chat/completions"
    assert request.json()["model"] == "m"


async def test_a_real_model_answers_in_three_dialects(gateway_factory: GatewayFactory, llama: Llama) -> None:
    """llama.cpp by Chat Completions, Responses and Messages, whole and streamed: real words, real token counts."""
    local = await gateway_factory(
        {
            "providers": {
                "openai-dialect": provider(llama.url, models=[MODEL]),
                "responses-dialect": provider(llama.url, models=[MODEL], api="responses"),
                "anthropic-dialect": {"kind": "anthropic", "endpoint": llama.url, "api_key": "none", "models": [MODEL]},
            }
        }
    )
    for name in ("openai-dialect", "responses-dialect", "anthropic-dialect"):
        reply = await local.client.chat("hi", model=f"{name}/{MODEL}", max_output_tokens=9)
        assert set(reply.text.split()) <= set(WORDS)
        assert reply.response.usage.output_tokens == 9
        stream = local.client.stream("hi", model=f"{name}/{MODEL}", max_output_tokens=9)
        assert len("".join([text async for text in stream]).split()) == 9
        assert stream.response.usage.output_tokens == 9


def test_a_gateway_process_serves_with_the_embedded_provider(gateway_process: ProcessFactory) -> None:
    """`llm-gateway serve` with a configuration of one line is healthy and ends on SIGTERM."""
    process = gateway_process({"providers": {"echo": {}}})
    with Client(process.address) as client:
        assert client.health_check()
    process.process.terminate()
    assert process.process.wait(60) == 0
