"""What the configuration's `defaults` give requests that say nothing themselves."""

from collections.abc import Callable
from typing import Any

import pytest
from llmgateway import GatewayError, make_request

from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support import vendors
from tests.support.upstream import Upstream


@pytest.mark.parametrize(("asked", "sent"), [(None, 77), (5, 5)])
async def test_an_output_limit_for_requests_without_one(
    gateway_factory: Callable[..., Any], upstream: Upstream, asked: int | None, sent: int
) -> None:
    """A limit of the request's own wins."""
    upstream.script(scripted.chat())
    config = {"providers": {"edge": gateways.provider(upstream.url)}, "defaults": {"max_output_tokens": 77}}
    running = await gateway_factory(config)
    request = make_request("hi", model="edge/m")
    if asked is not None:
        request.generation_config.max_output_tokens = asked
    await running.client.send(request)
    body = upstream.requests[0].json()
    assert body.get("max_tokens", body.get("max_completion_tokens")) == sent


@pytest.mark.parametrize("caching", [True, False])
async def test_prompt_caching_for_requests_that_say_nothing_of_it(
    gateway_factory: Callable[..., Any], upstream: Upstream, caching: bool
) -> None:
    """Claude is asked to cache only when told to."""
    upstream.script(scripted.whole(200, vendors.ANTHROPIC))
    claude = {"kind": "anthropic", "endpoint": upstream.url, "api_key": "k"}
    config = {"providers": {"claude": claude}, "defaults": {"prompt_caching": caching}}
    running = await gateway_factory(config)
    await running.client.send(make_request("hi", model="claude/claude-sonnet-4-5"))
    assert ("cache_control" in upstream.requests[0].json()) is caching


async def test_a_limit_of_the_attempt_for_calls_without_a_route(
    gateway_factory: Callable[..., Any], upstream: Upstream
) -> None:
    """It takes the place of the provider's own."""
    upstream.script((scripted.HANG,))
    config = {
        "providers": {"edge": gateways.provider(upstream.url)},
        "defaults": {"timeouts": {"attempt": "200ms"}, "retry": {"max_attempts": 1}},
    }
    running = await gateway_factory(config)
    with pytest.raises(GatewayError) as caught:
        await running.client.send(make_request("hi", model="edge/m"))
    assert caught.value.reason == "PROVIDER_TIMEOUT"
